-- What Redshift has and PostgreSQL lacks: functions, and system views where clients look for them.
-- Schema redshift stands before pg_catalog in the search path, so a function here hides PostgreSQL's of that signature.

create schema redshift;
set search_path = redshift, pg_catalog;
set allow_system_table_mods = on;

-- Functions

create function version() returns text immutable language sql
return 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.12103';

create function getdate() returns timestamp stable language sql
return date_trunc('second', statement_timestamp() at time zone 'UTC');

create function sysdate() returns timestamp stable language sql
return statement_timestamp() at time zone 'UTC';

create function nvl2(value anyelement, if_not_null anycompatible, if_null anycompatible) returns anycompatible
immutable language sql as $$ select case when value is not null then if_not_null else if_null end $$;

create function len(value text) returns integer immutable strict language sql
return length(value);

create function charindex(part text, value text) returns integer immutable strict language sql
return position(part in value);

create function strtol(value text, base integer) returns bigint immutable strict language plpgsql as $$
declare
    digits constant text := '0123456789abcdefghijklmnopqrstuvwxyz';
    number bigint := 0;
begin
    foreach value in array string_to_array(lower(value), null) loop
        if position(value in left(digits, base)) = 0 then
            raise exception 'The input % is not valid to be converted to base %', value, base;
        end if;
        number := number * base + position(value in digits) - 1;
    end loop;
    return number;
end $$;

-- another hash of the same width: what it is compared with was hashed here too
create function farmfingerprint64(value text) returns bigint immutable strict language sql
return hashtextextended(value, 0);

create function last_day(moment timestamp) returns date immutable strict language sql
return (date_trunc('month', moment) + interval '1 month - 1 day')::date;

create function add_months(moment timestamp, months integer) returns timestamp immutable strict language sql
return moment + make_interval(months => months);

create function trunc(moment timestamp) returns date immutable strict language sql
return moment::date;

create function date_trunc(part text, day date) returns timestamp immutable strict language sql
return pg_catalog.date_trunc(part, day::timestamp);

create function convert_timezone(zone text, moment timestamp) returns timestamp immutable strict language sql
return moment at time zone 'UTC' at time zone zone;

create function convert_timezone(from_zone text, to_zone text, moment timestamp) returns timestamp
immutable strict language sql
return moment at time zone from_zone at time zone to_zone;

create function round(number double precision, digits integer) returns double precision immutable strict language sql
return pg_catalog.round(number::numeric, digits)::double precision;

-- the date part is a word in Redshift, which the proxy puts between quotes
create function dateadd(part text, number integer, moment timestamp) returns timestamp immutable strict language sql
return moment + (number || ' ' || part)::interval;

create function dateadd(part text, number bigint, moment timestamp) returns timestamp immutable strict language sql
return moment + (number || ' ' || part)::interval;

-- the number of boundaries between two moments, not the time
create function datediff(part text, start timestamp, finish timestamp) returns bigint immutable strict language sql
return case rtrim(lower(part), 's')
    when 'year' then extract(year from finish) - extract(year from start)
    when 'quarter' then
        (extract(year from finish) - extract(year from start)) * 4 + extract(quarter from finish) - extract(quarter from start)
    when 'month' then
        (extract(year from finish) - extract(year from start)) * 12 + extract(month from finish) - extract(month from start)
    else
        extract(epoch from date_trunc(rtrim(lower(part), 's'), finish) - date_trunc(rtrim(lower(part), 's'), start))
        / extract(epoch from ('1 ' || part)::interval)
end::bigint;

-- Numbers: AVG of integers is an integer, and what is computed of decimals has the scale that the manual says

create function add_to_average(state numeric[], value numeric) returns numeric[] immutable language sql
return case
    when value is null then state
    else array[state[1] + value, state[2] + 1, greatest(state[3], scale(value))]
end;

create function add_to_average(state numeric[], value smallint) returns numeric[] immutable language sql
return add_to_average(state, value::numeric);
create function add_to_average(state numeric[], value integer) returns numeric[] immutable language sql
return add_to_average(state, value::numeric);
create function add_to_average(state numeric[], value bigint) returns numeric[] immutable language sql
return add_to_average(state, value::numeric);

create function average(state numeric[]) returns numeric immutable language sql
return case when state[2] > 0 then round(pg_catalog.numeric_div(state[1], state[2]), state[3]::integer) end;

create function integer_average(state numeric[]) returns bigint immutable language sql
return case when state[2] > 0 then trunc(pg_catalog.numeric_div(state[1], state[2]))::bigint end;

create aggregate avg(smallint) (sfunc = add_to_average, stype = numeric[], finalfunc = integer_average, initcond = '{0,0,0}');
create aggregate avg(integer) (sfunc = add_to_average, stype = numeric[], finalfunc = integer_average, initcond = '{0,0,0}');
create aggregate avg(bigint) (sfunc = add_to_average, stype = numeric[], finalfunc = integer_average, initcond = '{0,0,0}');
create aggregate avg(numeric) (sfunc = add_to_average, stype = numeric[], finalfunc = average, initcond = '{0,0,0}');

-- max(4, s1 + p2 - s2 + 1), with the digits that a divisor has for those that its type allows
create function divide(one numeric, other numeric) returns numeric immutable strict language sql
return round(
    pg_catalog.numeric_div(one, other), greatest(4, scale(one) + length(trunc(abs(other))::text) + 1)
);
create operator / (leftarg = numeric, rightarg = numeric, function = divide);

-- Aggregates

create function add_to_list(state text, value text, delimiter text) returns text immutable language sql
return case
    when value is null or value = '' then state
    when state is null then value
    else state || coalesce(delimiter, '') || value
end;

create function add_to_list(state text, value text) returns text immutable language sql
return add_to_list(state, value, null);

create aggregate listagg(text, text) (sfunc = add_to_list, stype = text);
create aggregate listagg(text) (sfunc = add_to_list, stype = text);

create function middle(state double precision[]) returns double precision immutable language sql
return (select percentile_cont(0.5) within group (order by value) from unnest(state) as value);
create aggregate median(double precision) (
    sfunc = array_append, stype = double precision[], finalfunc = middle, initcond = '{}'
);

-- Texts: the length of a varchar is bytes; an explicit cast cuts, an assignment fails

create function cut_to_bytes(value varchar, typmod integer, is_explicit boolean) returns varchar
immutable strict language plpgsql as $$
begin
    if octet_length(value) > typmod - 4 and not is_explicit then
        raise exception using
            errcode = '22001', message = format('value too long for type character varying(%s)', typmod - 4);
    end if;
    while octet_length(value) > typmod - 4 loop
        value := left(value, -1);
    end loop;
    return value;
end $$;

create function no_text_of_boolean(value boolean) returns text immutable language plpgsql as $$
begin
    raise exception using errcode = '42846', message = 'cannot cast type boolean to character varying';
end $$;

update pg_cast set castfunc = 'cut_to_bytes(varchar, integer, boolean)'::regprocedure
where castsource = 'varchar'::regtype and casttarget = 'varchar'::regtype;
update pg_cast set castfunc = 'no_text_of_boolean(boolean)'::regprocedure
where castsource = 'boolean'::regtype and casttarget in ('varchar'::regtype, 'text'::regtype, 'bpchar'::regtype);

-- What a CREATE TABLE says of storage reaches PostgreSQL as comments

create table table_attribute (table_id oid primary key, statement text);

create function table_was_defined() returns event_trigger language plpgsql as $$
begin
    insert into redshift.table_attribute
    select distinct objid, current_query() from pg_event_trigger_ddl_commands() where object_type = 'table'
    on conflict (table_id) do update set statement = excluded.statement;
end $$;
create event trigger table_was_defined on ddl_command_end
when tag in ('CREATE TABLE', 'CREATE TABLE AS') execute function table_was_defined();

-- Late-binding views: their query is read when they are, so what they read may be dropped and made again

create function late_bound(query text) returns setof record language plpgsql as $$
begin
    return query execute query;
end $$;

create function create_late_binding_view(name text, query text) returns void language plpgsql as $$
declare
    columns text;
begin
    execute 'create temporary view as_it_is_now as ' || query;
    select string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum) into columns
    from pg_attribute where attrelid = 'pg_temp.as_it_is_now'::regclass and attnum > 0;
    drop view as_it_is_now;
    execute format('create view %s as select * from redshift.late_bound(%L) as late_bound (%s)', name, query, columns);
end $$;

create function pg_get_late_binding_view_cols() returns setof record stable language sql
begin atomic
select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)::varchar, a.attnum::int
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
inner join pg_attribute as a on c.oid = a.attrelid
where c.relkind = 'v' and a.attnum > 0 and pg_get_viewdef(c.oid) like '%late_bound(%';
end;

-- System views

create function rows_of(schema_name name, table_name name) returns bigint stable language plpgsql as $$
declare
    number bigint;
begin
    execute format('select count(*) from %I.%I', schema_name, table_name) into number;
    return number;
end $$;

create table statement (
    query_id bigint primary key, transaction_id bigint, session_id integer, query_label text, query_type text,
    status text, start_time timestamp, end_time timestamp, error_message text, num_of_rows bigint, query_text text,
    table_name text
);
create table finished_transaction (
    transaction_id bigint, status text, started timestamp, ended timestamp, num_of_writes bigint
);
create table loaded_file (
    query_id bigint, table_name text, data_source text, file_format text, loaded_bytes bigint, file_count integer
);
create table load_error (
    query_id bigint, table_name text, file_name text, line_number bigint, column_name text, error_message text,
    start_time timestamp
);

create view pg_catalog.svv_external_columns as
select
    null::text as schemaname, null::text as tablename, null::text as columnname,
    null::text as external_type, null::int as columnnum, null::int as part_key
where false;

create view pg_catalog.svv_table_info as
select
    current_database()::text as database,
    n.nspname::text as schema,
    c.oid::int as table_id,
    c.relname::text as "table",
    'Y, AUTO(ENCODE)' as encoded,
    coalesce(
        'KEY(' || substring(t.statement from '(?i)distkey\s*\(\s*"?(\w+)"?') || ')',
        upper(substring(t.statement from '(?i)diststyle\s+(all|even)')),
        'AUTO(ALL)'
    ) as diststyle,
    coalesce(substring(t.statement from '(?i)sortkey\s*\(\s*"?(\w+)"?'), 'AUTO(SORTKEY)') as sortkey1,
    (select max(atttypmod - 4) from pg_attribute where attrelid = c.oid and atttypid = 'varchar'::regtype)::int as max_varchar,
    'none' as sortkey1_enc,
    coalesce(
        cardinality(string_to_array(substring(t.statement from '(?i)sortkey\s*\(([^)]*)\)'), ',')), 0
    ) as sortkey_num,
    greatest(1, pg_total_relation_size(c.oid) / 1048576)::bigint as size,
    0.0001::numeric(10, 4) as pct_used,
    0::bigint as empty,
    case when s.n_live_tup > 0 then (100.0 * s.n_mod_since_analyze / s.n_live_tup)::numeric(5, 2) else 0 end as unsorted,
    least(100, case when s.n_live_tup > 0 then 100.0 * s.n_mod_since_analyze / s.n_live_tup else 0 end)::numeric(5, 2) as stats_off,
    (rows.number + s.n_dead_tup)::numeric(38, 0) as tbl_rows,
    1.00::numeric(19, 2) as skew_sortkey1,
    1.00::numeric(19, 2) as skew_rows,
    rows.number::numeric(38, 0) as estimated_visible_rows,
    null::text as risk_event,
    0::numeric(12, 2) as vacuum_sort_benefit,
    null::timestamp as create_time
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
left join pg_stat_all_tables as s on c.oid = s.relid
left join redshift.table_attribute as t on c.oid = t.table_id
cross join lateral redshift.rows_of(n.nspname, c.relname) as rows (number)
where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema|redshift)' and rows.number + s.n_dead_tup > 0;

create view pg_catalog.sys_query_history as
select
    100 as user_id, query_id, query_label::char(320), transaction_id, session_id,
    current_database()::char(128) as database_name, query_type::char(32), status::char(10), false as result_cache_hit,
    start_time, end_time, (extract(epoch from end_time - start_time) * 1000000)::bigint as elapsed_time,
    0::bigint as queue_time, (extract(epoch from end_time - start_time) * 1000000)::bigint as execution_time,
    error_message::char(512), num_of_rows as returned_rows, 0::bigint as returned_bytes,
    left(query_text, 4000)::char(4000) as query_text
from redshift.statement;

create view pg_catalog.sys_query_detail as
select
    100 as user_id, q.query_id, 1 as child_query_sequence, 0 as stream_id, 0 as segment_id, 0 as step_id,
    step.name as step_name, to_regclass(q.table_name)::oid::int as table_id,
    (current_database() || '.' || q.table_name)::char(136) as table_name, 'f'::char as is_rrscan,
    q.start_time, q.end_time, q.num_of_rows as output_rows
from redshift.statement as q
cross join lateral unnest(case q.query_type
    when 'INSERT' then array['insert'] when 'COPY' then array['insert'] when 'CTAS' then array['insert']
    when 'DELETE' then array['delete'] when 'UPDATE' then array['delete', 'insert'] else array[]::text[]
end) as step (name)
where q.status = 'success';

create view pg_catalog.sys_transaction_history as
select
    100 as user_id, transaction_id, 'serializable'::text as isolation_level, status,
    started as transaction_start_time, ended as commit_start_time, ended as commit_end_time,
    num_of_writes as blocks_committed
from redshift.finished_transaction;

create view pg_catalog.svv_tables as
select table_catalog::text, table_schema::text, table_name::text, table_type::text, null::text as remarks
from information_schema.tables;

create view pg_catalog.svv_columns as
select
    table_catalog::text, table_schema::text, table_name::text, column_name::text, ordinal_position::int,
    column_default::text, is_nullable::text, data_type::text, character_maximum_length::int, numeric_precision::int,
    numeric_scale::int, null::text as remarks
from information_schema.columns;

-- PostgreSQL has one kind of role: those that cannot log in are groups, unless a comment on them says role
create view pg_catalog.svv_relation_privileges as
select
    n.nspname::text as namespace_name,
    c.relname::text as relation_name,
    granted.privilege_type::text,
    granted.grantee::int as identity_id,
    case when granted.grantee = 0 then 'public' else r.rolname::text end as identity_name,
    case
        when granted.grantee = 0 then 'public'
        when r.rolcanlogin then 'user'
        else coalesce(shobj_description(r.oid, 'pg_authid'), 'group')
    end as identity_type,
    granted.is_grantable as admin_option
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
cross join lateral aclexplode(c.relacl) as granted
left join pg_roles as r on granted.grantee = r.oid
where c.relkind in ('r', 'v');

create view pg_catalog.sys_load_history as
select
    100 as user_id, q.query_id, q.transaction_id, q.session_id, current_database()::text as database_name,
    (case q.status when 'success' then 'completed' else 'aborted' end)::text as status, f.table_name,
    q.start_time, q.end_time, (extract(epoch from q.end_time - q.start_time) * 1000000)::bigint as duration,
    f.data_source, f.file_format, q.num_of_rows as loaded_rows, f.loaded_bytes,
    f.file_count as source_file_count, f.loaded_bytes as source_file_bytes, 0 as error_count
from redshift.statement as q
inner join redshift.loaded_file as f on q.query_id = f.query_id;

create view pg_catalog.sys_load_error_detail as
select
    100 as user_id, query_id, to_regclass(table_name)::oid::int as table_id, start_time, file_name::char(256),
    line_number, column_name::char(127), null::char(10) as column_type, 0 as position, 1204 as error_code,
    error_message::char(512)
from redshift.load_error;

create view pg_catalog.stl_load_errors as
select
    100 as userid, to_regclass(table_name)::oid::int as tbl, start_time as starttime, query_id as query,
    file_name::char(256) as filename, line_number, column_name::char(127) as colname, 1204 as err_code,
    error_message::char(100) as err_reason
from redshift.load_error;

grant usage on schema redshift to public;
grant select on pg_catalog.svv_external_columns, pg_catalog.svv_table_info, pg_catalog.sys_query_history,
    pg_catalog.sys_query_detail, pg_catalog.sys_transaction_history, pg_catalog.svv_tables, pg_catalog.svv_columns,
    pg_catalog.svv_relation_privileges, pg_catalog.sys_load_history, pg_catalog.sys_load_error_detail,
    pg_catalog.stl_load_errors to public;
