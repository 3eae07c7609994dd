{{ config(materialized='view') }}

with experiments as (

    select * from {{ ref('dim_experiment') }}
    where start_date <= last_day

),

built as (

    select * from {{ source('state', 'built_experiment') }}

),

builds_of_days as (

    select
        built_day.datestamp,
        built_day.build_id,
        rolled_back_day.build_id as rolled_back_build_id
    from {{ source('state', 'built_day') }} as built_day
    left join {{ source('state', 'rolled_back_day') }} as rolled_back_day
        on built_day.datestamp = rolled_back_day.datestamp
    where built_day.datestamp is not null

),

changed_days as (

    select
        coalesce(builds_of_days.datestamp, read_days.datestamp) as datestamp,
        case when builds_of_days.build_id = read_days.build_id then 0 else 1 end as is_rebuilt
    from builds_of_days
    full outer join {{ source('state', 'built_experiment_day') }} as read_days
        on builds_of_days.datestamp = read_days.datestamp
    where
        coalesce(builds_of_days.build_id, '') <> coalesce(read_days.build_id, '')
        or coalesce(builds_of_days.rolled_back_build_id, '') <> coalesce(read_days.rolled_back_build_id, '')

),

changed as (

    select
        experiments.experiment_id,
        min(changed_days.datestamp) as first_day,
        max(changed_days.is_rebuilt) as is_rebuilt
    from experiments
    inner join changed_days
        on
            experiments.start_date - experiments.pre_period_days <= changed_days.datestamp
            and experiments.end_date >= changed_days.datestamp
    group by experiments.experiment_id

),

-- the build of the units that each table is made of; one that is missing was never built
made_of as (

    {% for table in ['statistics', 'assignments', 'distribution'] -%}
    select max(build_id) as build_id from {{ source('state', 'built_experiment_' ~ table) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

behind as (

    select count(*) as num_of_tables from made_of
    where coalesce(build_id, '') <> coalesce((select max(built.build_id) from built), '')

),

final as (

    select
        coalesce(experiments.experiment_id, built.experiment_id) as experiment_id,
        case
            when
                experiments.start_date = built.start_date
                and experiments.pre_period_days = built.pre_period_days
                and coalesce(changed.first_day, experiments.start_date) >= experiments.start_date
                then least(
                    changed.first_day,
                    case
                        when built.last_day <> experiments.last_day
                            then least(built.last_day, experiments.last_day) + 1
                    end
                )
            else {{ before_all_days() }}
        end as from_day,
        -- a rollback alone starts no refresh, which could take it back
        experiments.start_date is null
        or built.start_date is null
        or experiments.start_date <> built.start_date
        or experiments.pre_period_days <> built.pre_period_days
        or experiments.last_day <> built.last_day
        or coalesce(changed.is_rebuilt, 0) = 1
        or (select behind.num_of_tables from behind) > 0 as is_due
    from experiments
    full outer join built on experiments.experiment_id = built.experiment_id
    left join changed on experiments.experiment_id = changed.experiment_id

)

select * from final
where from_day is not null or is_due
union all
-- dim_experiment may be older than the days, and not know that one of its experiments has begun
select
    cast(null as varchar(64)) as experiment_id,
    cast(null as date) as from_day,
    true as is_due
from changed_days
where is_rebuilt = 1
having count(*) > 0
