"""The history of the dimensions: a row per version, the current one without an end."""

from __future__ import annotations

from typing import Any

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse

METADATA_VERSIONS = """
    select user_id, age, dbt_valid_to is null as is_current
    from analytics.snapshot_user_metadata order by user_id, dbt_valid_from
"""
VARIANT_VERSIONS = """
    select user_id, variant_id, dbt_valid_to is null as is_current
    from analytics.snapshot_user_variant order by user_id, dbt_valid_from
"""


def refreshed(warehouse: DbtWarehouse, versions: str, change: str) -> list[tuple[Any, ...]]:
    warehouse.execute(change)
    warehouse.refresh(select="+snapshot_user_metadata +snapshot_user_variant")
    return warehouse.execute(versions)


def test_a_changed_age_is_a_second_version(history: DbtWarehouse) -> None:
    change = "update raw_data.user_metadata set age = '25-34' where user_id = 1"
    assert refreshed(history, METADATA_VERSIONS, change) == [
        (1, "18-24", False),
        (1, "25-34", True),
        (2, "18-24", True),
    ]
    [(is_seamless,)] = history.execute(
        "select max(dbt_valid_to) = max(dbt_valid_from) from analytics.snapshot_user_metadata where user_id = 1"
    )
    assert is_seamless


def test_a_refresh_without_a_change_adds_no_version(history: DbtWarehouse) -> None:
    no_change = "update raw_data.user_metadata set age = age"
    assert refreshed(history, METADATA_VERSIONS, no_change) == [(1, "18-24", True), (2, "18-24", True)]


def test_an_unknown_age_and_back_are_versions(history: DbtWarehouse) -> None:
    refreshed(history, METADATA_VERSIONS, "update raw_data.user_metadata set age = null where user_id = 1")
    back = "update raw_data.user_metadata set age = '18-24' where user_id = 1"
    assert refreshed(history, METADATA_VERSIONS, back)[:3] == [
        (1, "18-24", False),
        (1, None, False),
        (1, "18-24", True),
    ]


def test_a_user_who_leaves_and_returns_has_a_gap(history: DbtWarehouse) -> None:
    gone = refreshed(history, METADATA_VERSIONS, "delete from raw_data.user_metadata where user_id = 1")
    assert gone == [(1, "18-24", False), (2, "18-24", True)]
    back = "insert into raw_data.user_metadata values (1, '18-24', 'f', '2025-01-01')"
    assert refreshed(history, METADATA_VERSIONS, back)[:2] == [(1, "18-24", False), (1, "18-24", True)]


def test_a_moved_user_has_a_version_of_either_variant(history: DbtWarehouse) -> None:
    change = "update raw_data.user_variant set variant_id = 'checkout_new' where user_id = 1"
    assert refreshed(history, VARIANT_VERSIONS, change)[:2] == [
        (1, "checkout_control", False),
        (1, "checkout_new", True),
    ]


def test_an_assignment_without_a_variant_is_one_version_however_often_it_is_seen(history: DbtWarehouse) -> None:
    refreshed(history, VARIANT_VERSIONS, "insert into raw_data.user_variant values (3, null, null)")
    for _ in range(2):
        seen_again = refreshed(history, VARIANT_VERSIONS, "select 1")
        assert [version for version in seen_again if version[0] == 3] == [(3, None, True)]
