"""The names that Redshift's manual has under "SQL functions reference", and those that run on its leader node only."""

from __future__ import annotations

_FUNCTIONS = """
abs acos add_months any_value array array_concat array_flatten ascii asin atan atan2 avg bit_and bit_or bool_and bool_or
bpcharcmp btrim bttext_pattern_cmp can_json_parse cast cbrt ceil ceiling char_length character_length charindex checksum
chr coalesce concat convert_timezone cos cot count crc32 cume_dist current_date date date_cmp date_cmp_timestamp
date_cmp_timestamptz date_part date_part_year date_trunc dateadd datediff date_diff decode degrees dense_rank dexp
difference dlog1 dlog10 exp extract farmfingerprint64 first_value floor fnv_hash from_hex from_varbyte func_sha1
get_array_length getdate greatest hll hll_cardinality hll_combine hll_create_sketch initcap interval_cmp is_array
is_bigint is_boolean is_char is_decimal is_float is_integer is_object is_scalar is_smallint is_valid_json
is_valid_json_array is_varchar isnull json_array_length json_extract_array_element_text json_extract_path_text
json_parse json_serialize json_size json_typeof lag last_day last_value lead least left len length listagg ln log lower
lpad ltrim max md5 median min mod months_between next_day nth_value ntile nullif nvl nvl2 object octet_length octetindex
percent_rank percentile_cont percentile_disc pi position pow power quote_ident quote_literal radians random rank
ratio_to_report regexp_count regexp_instr regexp_replace regexp_substr repeat replace replicate reverse right round
row_number rpad rtrim sha sha1 sha2 sign sin soundex split_part split_to_array sqrt stddev stddev_pop stddev_samp strpos
strtol subarray substr substring sum sysdate tan textlen timeofday timestamp_cmp timezone to_char to_date to_hex
to_number to_timestamp to_varbyte translate trim trunc upper var_pop var_samp variance version
"""
# with those of the catalogue, which dbt asks
_LEADER_NODE_FUNCTIONS = """
age current_schema current_schemas current_time current_timestamp current_user format_type get_bit get_byte
has_database_privilege has_schema_privilege has_table_privilege isfinite localtime localtimestamp now pg_backend_pid
pg_cancel_backend pg_get_late_binding_view_cols pg_get_viewdef pg_last_copy_count pg_last_copy_id pg_last_query_id
pg_terminate_backend session_user set_bit set_byte to_ascii user
"""
# what stands before a parenthesis and calls nothing
_WORDS = """
all and any as bigint bpchar by case char character cols cube decimal distinct double else except exists float from
group grouping having in into integer intersect interval is join key like limit no not nvarchar on or over partition
precision real rollup select sets smallint some sortkey table then timestamp timestamptz top unique union using values
varbyte varchar varying view when where with within xor distkey numeric primary foreign references compound interleaved
exclude columns column
"""

FUNCTIONS = frozenset(_FUNCTIONS.split())
LEADER_NODE_FUNCTIONS = frozenset(_LEADER_NODE_FUNCTIONS.split())
WORDS = frozenset(_WORDS.split())
