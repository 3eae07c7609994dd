{% test unique_key(model, columns) %}
    select
        {{ columns | join(', ') }},
        count(*) as num_of_rows
    from {{ model }}
    where {{ columns | join(' is not null and ') }} is not null
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
