{#-
  The window of days a build replaces.

  - given: `--event-time-start D --event-time-end E` is [D, E), in whole days;
  - a first build, or --full-refresh, without one: everything;
  - otherwise from AB_PIPELINE_LOOKBACK_DAYS before the newest day that is built, with no end.

  Rows without a day are in every window, since no day's refresh could reach them.
-#}

{% macro build_window() %}
    {%- if not execute -%}{{ return({}) }}{%- endif -%}
    {%- set start = _whole_day(invocation_args_dict.get('event_time_start'), 'start') -%}
    {%- set end = _whole_day(invocation_args_dict.get('event_time_end'), 'end') -%}
    {%- if start and flags.FULL_REFRESH -%}
        {%- do exceptions.raise_compiler_error(
            "--full-refresh rebuilds every day, but a window was given (" ~ start ~ " to " ~ end
            ~ "): the table would keep only that window. Leave out one of the two."
        ) -%}
    {%- endif -%}
    {%- if start -%}
        {{ return({'start': start, 'end': end}) }}
    {%- elif is_incremental() -%}
        {{ return({'start': _lookback_start()}) }}
    {%- endif -%}
    {{ return({}) }}
{% endmacro %}


{% macro in_window(column, type) %}
    {%- set window = build_window() -%}
    {%- if not window.start -%}
        true
    {%- else -%}
        (
            {{ column }} >= cast('{{ window.start }}' as {{ type }})
            {%- if window.end %} and {{ column }} < cast('{{ window.end }}' as {{ type }}){% endif %}
            or {{ column }} is null
        )
    {%- endif -%}
{% endmacro %}


{% macro outside_window(column, type) %}
    {%- set window = build_window() -%}
    {%- if not window.start -%}
        false
    {%- else -%}
        (
            {{ column }} < cast('{{ window.start }}' as {{ type }})
            {%- if window.end %} or {{ column }} >= cast('{{ window.end }}' as {{ type }}){% endif %}
        )
    {%- endif -%}
{% endmacro %}


{% macro _whole_day(moment, name) %}
    {%- if moment is none -%}{{ return(none) }}{%- endif -%}
    {%- set text = moment | string -%}
    {%- if text[10:19] not in ('', ' 00:00:00', 'T00:00:00') -%}
        {%- do exceptions.raise_compiler_error(
            "--event-time-" ~ name ~ " " ~ text ~ ": a window is made of whole days. Give a date, such as " ~ text[:10] ~ "."
        ) -%}
    {%- endif -%}
    {{ return(text[:10]) }}
{% endmacro %}


{#- built_day changes last in a build, so every statement of the build sees the same newest day. -#}
{% macro _lookback_start() %}
    {%- if not _build_state_exists('built_day') -%}{{ return(none) }}{%- endif -%}
    {%- set lookback = env_var('AB_PIPELINE_LOOKBACK_DAYS', '3') | int -%}
    {%- set newest = run_query(
        "select max(datestamp) from " ~ build_state('built_day') ~ " where datestamp <= cast('" ~ today() ~ "' as date)"
    ).columns[0].values()[0] -%}
    {%- if newest is none -%}{{ return(none) }}{%- endif -%}
    {{ return((newest - modules.datetime.timedelta(days=lookback)) | string) }}
{% endmacro %}


{#- Today in the time zone whose days are the partitions. -#}
{% macro today() %}
    {%- set zone = modules.pytz.timezone(env_var('AB_PIPELINE_TIMEZONE', 'UTC')) -%}
    {{ return(run_started_at.astimezone(zone).date()) }}
{% endmacro %}
