"""Settings are read once, checked at load, and a mistake is one sentence that names the variable."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.settings import ENV_PREFIX, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(ENV_PREFIX + name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


def test_without_any_setting_the_embedded_warehouse_is_used() -> None:
    settings = load_settings()
    assert settings.target == "local"
    assert settings.duckdb_path == PROJECT_ROOT / "data" / "warehouse.duckdb"


def test_a_relative_path_is_below_the_project_wherever_a_command_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AB_PIPELINE_DUCKDB_PATH", "data/other.duckdb")
    monkeypatch.chdir(tmp_path)
    assert load_settings().duckdb_path == PROJECT_ROOT / "data" / "other.duckdb"


def test_each_database_has_a_folder_of_pages_beside_it_unless_one_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().pages_location == str(PROJECT_ROOT / "data" / "reports" / "warehouse")
    monkeypatch.setenv("AB_PIPELINE_DUCKDB_PATH", str(tmp_path / "demo.duckdb"))
    assert load_settings().pages_location == str(tmp_path / "reports" / "demo")
    monkeypatch.setenv("AB_PIPELINE_REPORTS_LOCATION", "data/pages")
    assert load_settings().pages_location == str(PROJECT_ROOT / "data" / "pages")


def test_the_old_name_of_a_setting_is_told_the_new_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AB_PIPELINE_REPORTS_PATH", "data/pages")
    with pytest.raises(SettingsError, match="AB_PIPELINE_REPORTS_PATH is called AB_PIPELINE_REPORTS_LOCATION: rename"):
        load_settings()
    monkeypatch.delenv("AB_PIPELINE_REPORTS_PATH")
    (tmp_path / ".env").write_text("AB_PIPELINE_REPORTS_PATH=data/pages\n")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    with pytest.raises(SettingsError, match="AB_PIPELINE_REPORTS_PATH is called AB_PIPELINE_REPORTS_LOCATION: rename"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LOOKBAK_DAYS", "did you mean AB_PIPELINE_LOOKBACK_DAYS?"),
        ("REDSHFT_PORT", "did you mean AB_PIPELINE_REDSHIFT_PORT?"),
        ("DUCKDB", "is no setting: `ab-pipeline config` lists those that there are."),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_nearest_name(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(ENV_PREFIX + name, "9")
    with pytest.raises(SettingsError, match=f"AB_PIPELINE_{name}, in the environment, is no setting") as error:
        load_settings()
    assert meant in str(error.value)
    monkeypatch.delenv(ENV_PREFIX + name)
    (tmp_path / ".env").write_text(f"AB_PIPELINE_{name}=9\n")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    with pytest.raises(SettingsError, match=f"AB_PIPELINE_{name}, in {tmp_path}/.env, is no setting"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "80"),
        ("WEB_SERVICE_HOST", "10.0.0.1"),
        ("WEB_SERVICE_PORT_HTTP", "3000"),
        ("WEB_PORT", "tcp://10.0.0.1:3000"),
        ("PORT", "tcp://10.0.0.1:3000"),
        ("WEB_PORT_3000_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_what_an_orchestrator_injects_is_no_setting(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_PREFIX + name, value)
    assert load_settings().redshift_port == 5439


def test_another_registry_is_reached_by_a_link_in_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings().registry_link is None
    assert "AB_PIPELINE_REGISTRY" not in load_settings().dbt_environment()
    monkeypatch.setenv("AB_PIPELINE_REGISTRY", str(tmp_path))
    settings = load_settings()
    assert settings.dbt_environment()["AB_PIPELINE_REGISTRY"] == str(tmp_path)
    assert settings.registry_link
    assert settings.registry_link.parent == PROJECT_ROOT / "dbt_project" / "target"


def test_on_redshift_every_day_is_compared_by_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().looks_at_every_day_per_hour is None
    monkeypatch.setenv("AB_PIPELINE_FULL_LOOKS_PER_HOUR", "0.5")
    assert load_settings().looks_at_every_day_per_hour == 0.5
    monkeypatch.delenv("AB_PIPELINE_FULL_LOOKS_PER_HOUR")
    set_redshift(monkeypatch, **PASSWORD)
    assert load_settings().looks_at_every_day_per_hour == 12


OIDC = {"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "ab", "OIDC_CLIENT_SECRET": "hunter2"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (OIDC, "logging in by OIDC needs AB_PIPELINE_OIDC_ROLES too"),
        ({"OIDC_ROLES": "ab:viewer"}, "needs AB_PIPELINE_OIDC_ISSUER, AB_PIPELINE_OIDC_CLIENT_ID, AB_PIPELINE_OIDC_CL"),
        ({**OIDC, "OIDC_ROLES": "ab:owner"}, "each role one of viewer, launcher, editor, admin"),
        ({**OIDC, "OIDC_ROLES": "viewer"}, "AB_PIPELINE_OIDC_ROLES=viewer: write GROUP:ROLE"),
        (
            {**OIDC, "OIDC_ROLES": "ab:viewer", "OIDC_ISSUER": "http://login.example.com"},
            "not https, so anybody could answer",
        ),
        ({"SESSION_SECRET": "hunter2"}, "AB_PIPELINE_SESSION_SECRET=...: it is shorter than 32 characters"),
    ],
)
def test_what_is_missing_of_the_door_is_one_sentence_without_a_secret(
    given: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(ENV_PREFIX + name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert sentence in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert "hunter2" not in str(error.value)


def test_a_variable_that_is_set_but_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AB_PIPELINE_START_DATE", "")
    assert load_settings().start_date == dt.date(2025, 1, 1)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TARGET", "snowflake"),
        ("TIMEZONE", "Mars/Olympus"),
        ("TIMEZONE", "../etc/passwd"),
        ("LOOKBACK_DAYS", "-1"),
        ("START_DATE", "yesterday"),
        ("CLEANUP_KEEP_DAYS", "2"),
        ("CLEANUP_KEEP_DAYS_BY_STATUS", "FAILED=90"),
        ("CLEANUP_KEEP_DAYS_BY_STATUS", "FAILURE"),
        ("CLEANUP_KEEP_DAYS_BY_JOB", "refresh=2"),
        ("CLEANUP_KEEP_DAYS_BY_JOB", "=7"),
        ("CLEANUP_MIN_RUNS_PER_JOB", "0"),
        ("CLEANUP_START_AT", "much"),
        ("ARCHIVE_KEEP_DAYS", "0"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_PREFIX + variable, value)
    with pytest.raises(SettingsError, match=re.escape(f"{ENV_PREFIX}{variable}={value}: ")):
        load_settings()


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AB_PIPELINE_TARGET", "snowflake")
    monkeypatch.setenv("AB_PIPELINE_TIMEZONE", "Mars/Olympus")
    with pytest.raises(SettingsError, match=r"AB_PIPELINE_TARGET.*\nAB_PIPELINE_TIMEZONE"):
        load_settings()


def test_redshift_names_every_credential_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AB_PIPELINE_TARGET", "redshift")
    monkeypatch.setenv("AB_PIPELINE_REDSHIFT_HOST", "cluster.example.com")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "AB_PIPELINE_REDSHIFT_PASSWORD" in str(error.value)
    assert "AB_PIPELINE_REDSHIFT_HOST" not in str(error.value)


PASSWORD = {"USER": "etl", "PASSWORD": "hunter2"}
each_way_to_log_in = pytest.mark.parametrize(
    "credentials",
    [PASSWORD, {"CLUSTER_ID": "prod"}, {"CLUSTER_ID": "prod", "USER": "etl"}, {"WORKGROUP": "prod"}],
    ids=["password", "cluster", "cluster_user", "workgroup"],
)


def set_redshift(monkeypatch: pytest.MonkeyPatch, **credentials: str) -> None:
    monkeypatch.setenv("AB_PIPELINE_TARGET", "redshift")
    for name, value in {"HOST": "cluster.example.com", "DATABASE": "dev", **credentials}.items():
        monkeypatch.setenv(f"AB_PIPELINE_REDSHIFT_{name}", value)


@each_way_to_log_in
def test_a_password_an_iam_cluster_and_an_iam_workgroup_are_ways_to_log_in(
    credentials: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_redshift(monkeypatch, **credentials)
    assert load_settings().target == "redshift"


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        ({}, "needs AB_PIPELINE_REDSHIFT_USER, AB_PIPELINE_REDSHIFT_PASSWORD (or, for IAM, AB_PIPELINE_REDSHIFT_CLUS"),
        ({"PASSWORD": "hunter2"}, "a password needs AB_PIPELINE_REDSHIFT_USER too"),
        ({**PASSWORD, "CLUSTER_ID": "prod"}, "AB_PIPELINE_REDSHIFT_PASSWORD, AB_PIPELINE_REDSHIFT_CLUSTER_ID are ways"),
        ({"CLUSTER_ID": "prod", "WORKGROUP": "prod"}, "AB_PIPELINE_REDSHIFT_WORKGROUP are ways to log in that exclude"),
        ({"WORKGROUP": "prod", "USER": "etl"}, "leave AB_PIPELINE_REDSHIFT_USER out"),
        ({"WORKGROUP": "prod", "SSLMODE": "disable"}, "IAM needs TLS: AB_PIPELINE_REDSHIFT_SSLMODE must be verify-ca"),
        ({**PASSWORD, "SSLMODE": "require"}, "AB_PIPELINE_REDSHIFT_SSLMODE=require: "),
        ({**PASSWORD, "READERS": "analysts"}, "AB_PIPELINE_REDSHIFT_READERS=analysts: "),
        ({**PASSWORD, "READERS": "role:bi; drop table x"}, "AB_PIPELINE_REDSHIFT_READERS=role:bi; drop table x: "),
        ({**PASSWORD, "COPY_ROLE": "arn:aws:iam::123456789012:role/copy"}, "needs AB_PIPELINE_S3_STAGING too"),
        ({**PASSWORD, "COPY_ROLE": "copy"}, "AB_PIPELINE_REDSHIFT_COPY_ROLE=copy: "),
    ],
)
def test_what_is_missing_or_contradicts_is_one_sentence_without_the_password(
    credentials: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_redshift(monkeypatch, **credentials)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert sentence in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert "hunter2" not in str(error.value)


def test_readers_are_users_groups_and_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    set_redshift(monkeypatch, **PASSWORD, READERS="group:analysts, role:bi,user:ann@example.com")
    assert load_settings().redshift_readers == "group:analysts, role:bi,user:ann@example.com"


def test_raw_rows_and_built_tables_are_in_two_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AB_PIPELINE_RAW_SCHEMA", "analytics")
    with pytest.raises(SettingsError, match="are both analytics"):
        load_settings()


def test_a_password_shows_in_no_error_and_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "DATABASE", "USER"):
        monkeypatch.setenv(f"AB_PIPELINE_REDSHIFT_{name}", "x")
    monkeypatch.setenv("AB_PIPELINE_REDSHIFT_PASSWORD", "hunter2")
    monkeypatch.setenv("AB_PIPELINE_TARGET", "redshift")
    settings = load_settings()
    assert "hunter2" not in repr(settings)
    assert settings.dbt_environment()["AB_PIPELINE_REDSHIFT_PASSWORD"] == "hunter2"
    monkeypatch.setenv("AB_PIPELINE_REDSHIFT_PORT", "many")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["ARCHIVE_LOCATION", "BACKUP_LOCATION", "REPORTS_LOCATION"])
@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("kept", str(PROJECT_ROOT / "kept")),
        ("~/kept", str(Path("~/kept").expanduser())),
        ("/srv/kept", "/srv/kept"),
        ("s3://bucket/kept", "s3://bucket/kept"),
    ],
)
def test_a_location_is_a_folder_of_the_project_or_in_s3(
    name: str, said: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}{name}", said)
    assert getattr(load_settings(), name.lower()) == meant


@pytest.mark.parametrize("name", ["ARCHIVE_LOCATION", "BACKUP_LOCATION", "REPORTS_LOCATION"])
def test_a_location_elsewhere_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}{name}", "ftp://host/kept")
    with pytest.raises(SettingsError, match="backups, archives and pages are kept in a local folder or below s3://"):
        load_settings()


def test_the_example_file_documents_every_setting_with_its_default() -> None:
    example = (PROJECT_ROOT / ".env.example").read_text()
    documented = dict(re.findall(rf"^(?:# )?{ENV_PREFIX}(\w+)=(.*)$", example, flags=re.MULTILINE))
    assert {name.lower() for name in documented} == set(Settings.model_fields)
    for name, value in documented.items():
        default = Settings.model_fields[name.lower()].default
        if isinstance(default, Path):
            default = default.relative_to(PROJECT_ROOT)
        assert value == ("" if default is None else str(default))


def test_every_setting_is_explained_in_words() -> None:
    lines = (PROJECT_ROOT / ".env.example").read_text().splitlines()
    explained, is_explained = set(), False
    for line in lines:
        if found := re.match(rf"(?:# )?{ENV_PREFIX}(\w+)=", line):
            explained |= {found[1].lower()} if is_explained else set()
        else:
            is_explained = line.startswith("# ")
    assert explained == set(Settings.model_fields)


def test_dbt_alone_has_the_same_defaults() -> None:
    read_by_dbt = {
        match
        for source in [
            PROJECT_ROOT / "dbt_project" / "profiles.yml",
            *(PROJECT_ROOT / "dbt_project").rglob("*.sql"),
        ]
        if "target" not in source.parts
        for match in re.findall(rf"env_var\(['\"]{ENV_PREFIX}(\w+)['\"], ['\"](.*?)['\"]\)", source.read_text())
    }
    assert {name for name, _ in read_by_dbt} >= {"TARGET", "DUCKDB_PATH", "LOOKBACK_DAYS", "START_DATE"}
    for name, default in read_by_dbt:
        expected = Settings.model_fields[name.lower()].default
        if isinstance(expected, Path):
            # dbt works in dbt_project/
            assert (PROJECT_ROOT / "dbt_project" / default).resolve() == expected
        else:
            assert default == ("" if expected is None else str(expected))


@pytest.mark.parametrize(("start", "stop"), [("20GB", ""), ("", "15GB"), ("15GB", "20GB"), ("15GB", "15GB")])
def test_size_marks_are_two_and_in_order(start: str, stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AB_PIPELINE_CLEANUP_START_AT", start)
    monkeypatch.setenv("AB_PIPELINE_CLEANUP_STOP_AT", stop)
    with pytest.raises(SettingsError, match="set both, the second below the first, or neither"):
        load_settings()


def test_the_archive_outlives_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AB_PIPELINE_ARCHIVE_KEEP_DAYS", "90")
    with pytest.raises(SettingsError, match="runs that are kept 90 days would never be in the archive"):
        load_settings()
    monkeypatch.setenv("AB_PIPELINE_ARCHIVE_KEEP_DAYS", "91")
    assert load_settings().archive_keep_days == 91


def test_a_policy_is_read_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from ab_pipeline.maintenance.cleanup.policy import Policy

    monkeypatch.setenv("AB_PIPELINE_CLEANUP_KEEP_DAYS_BY_STATUS", "FAILURE=90, CANCELED=7")
    monkeypatch.setenv("AB_PIPELINE_CLEANUP_KEEP_DAYS_BY_JOB", "freshness=5")
    monkeypatch.setenv("AB_PIPELINE_CLEANUP_START_AT", "20GB")
    monkeypatch.setenv("AB_PIPELINE_CLEANUP_STOP_AT", "1.5GB")
    assert Policy.of(load_settings()) == Policy(
        30, {"FAILURE": 90, "CANCELED": 7}, {"freshness": 5}, 10, start_at=20 * 10**9, stop_at=15 * 10**8
    )
