-- What Redshift has and PostgreSQL lacks: functions in schema redshift, system views where dbt looks for them.
create schema redshift;
alter database dev set search_path = '$user', public, redshift, pg_catalog;
alter database dev set timezone = 'UTC';
set search_path = redshift, pg_catalog;

create function getdate() returns timestamp stable language sql
return date_trunc('second', statement_timestamp() at time zone 'UTC');

create function farmfingerprint64(value text) returns bigint immutable strict language sql
return hashtextextended(value, 0);

create function pg_get_late_binding_view_cols() returns setof record stable language sql
begin atomic
select null::name, null::name, null::name, null::varchar, null::int where false;
end;

set allow_system_table_mods = on;
create view pg_catalog.svv_external_columns as
select
    null::text as schemaname, null::text as tablename, null::text as columnname,
    null::text as external_type, null::int as columnnum, null::int as part_key
where false;
grant usage on schema redshift to public;
grant select on pg_catalog.svv_external_columns to public;
