"""Set-ups that are broken in one way each, and the line that says so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from dagster._core.scheduler.instigation import InstigatorStatus

from ab_pipeline.cli import main
from ab_pipeline.doctor.examine import CHECKS
from ab_pipeline.doctor.finding import Level
from ab_pipeline.doctor.processes import Port, judged
from ab_pipeline.doctor.versions import against_the_lock, family
from ab_pipeline.settings import Settings, get_settings
from ab_pipeline_tests.doctor.place import Place, beat

FAIL, WARN = Level.FAIL, Level.WARN
Break = Callable[[Place], object]
PASSWORD_IN_YAML = "storage:\n  postgres:\n    postgres_url: postgresql://dagster:secret@127.0.0.1:1/dagster\n"
ON_REDSHIFT = {
    "target": "redshift",
    "redshift_host": "127.0.0.1",
    "redshift_port": 1,
    "redshift_database": "dev",
    "redshift_user": "u",
    "redshift_password": "p",
}


def _on_postgres(place: Place) -> None:
    text = place.dagster_yaml.read_text()
    place.dagster_yaml.write_text(text[: text.index("# SQLite with batches")] + PASSWORD_IN_YAML)


def _secret_env_file(place: Place) -> None:
    path = place.folder / ".env"
    path.write_text("AB_PIPELINE_SLACK_TOKEN=xoxb\nAB_PIPELINE_SLACK_CHANNEL=c\n")
    path.chmod(0o644)
    place.monkeypatch.setitem(Settings.model_config, "env_file", path)


def _file(name: str, mode: int) -> Break:
    def make(place: Place) -> None:
        (place.folder / name).write_text("{}")
        (place.folder / name).chmod(mode)

    return make


def _garbage(name: str) -> Break:
    return lambda place: (place.folder / name).write_bytes(b"no database" * 1000)


def _beat(**how: object) -> Break:
    def make(place: Place) -> None:
        with place.instance() as instance:
            beat(instance, **how)  # pyright: ignore[reportArgumentType]

    return make


def _without(block: str) -> Break:
    def make(place: Place) -> None:
        text = place.dagster_yaml.read_text()
        place.dagster_yaml.write_text(re.sub(rf"^{block}:\n( .*\n)+", "", text, flags=re.MULTILINE))

    return make


def _settings(**settings: object) -> Break:
    return lambda place: place.set(**settings)


def _production_and(change: Break) -> Break:
    def make(place: Place) -> None:
        place.in_production()
        change(place)

    return make


def nothing(place: Place) -> None:
    """As it is."""


BROKEN: list[tuple[str, str, Break, Level, str]] = [
    ("a typo", "configuration", _settings(lookbak_days=9), FAIL, "did you mean AB_PIPELINE_LOOKBACK_DAYS"),
    ("a wrong value", "configuration", _settings(timezone="Mars"), FAIL, "'Mars' is not an IANA time zone"),
    ("no home", "configuration", lambda place: shutil.rmtree(place.home), FAIL, "home does not exist"),
    (
        "home not set",
        "configuration",
        lambda place: place.monkeypatch.delenv("DAGSTER_HOME"),
        WARN,
        "DAGSTER_HOME is not set",
    ),
    ("no channel", "configuration", Place.in_production, WARN, "alerts reach nobody"),
    ("no ping", "configuration", Place.in_production, WARN, "AB_PIPELINE_PING_URL is not set"),
    ("no backup key", "configuration", Place.in_production, WARN, "backups hold no passwords"),
    ("clear text", "configuration", _settings(dagster_url="http://ab.example.com"), FAIL, "go in clear text"),
    ("links to here", "configuration", _settings(**ON_REDSHIFT), WARN, "each reader's own machine"),
    (
        "no TLS to Redshift",
        "configuration",
        _settings(**ON_REDSHIFT, redshift_sslmode="disable"),
        WARN,
        "in clear text, unless",
    ),
    ("loads by INSERT", "configuration", _settings(**ON_REDSHIFT), WARN, "which does not scale"),
    ("readable .env", "secrets", _secret_env_file, FAIL, ".env, which holds secrets"),
    ("readable accounts", "secrets", _file("accounts.json", 0o644), FAIL, "accounts.json, which holds secrets"),
    ("readable key", "secrets", _file("home/session.key", 0o640), FAIL, "session.key, which holds secrets"),
    (
        "password in dagster.yaml",
        "secrets",
        _on_postgres,
        FAIL,
        "dagster.yaml holds a password, and others may read it",
    ),
    ("server is down", "metadata", _on_postgres, FAIL, "127.0.0.1:1/dagster"),
    ("damaged runs.db", "metadata", _garbage("home/history/runs.db"), FAIL, "file is not a database"),
    (
        "old revision",
        "metadata",
        lambda place: place.sql("update alembic_version set version_num = '7e2f3204cf8e'"),
        FAIL,
        "7e2f3204cf8e",
    ),
    ("SQLite in production", "metadata", Place.in_production, FAIL, "in production: one writer at a time"),
    ("no dagster.yaml", "instance", lambda place: place.dagster_yaml.unlink(), FAIL, "two runs may write"),
    (
        "typo in dagster.yaml",
        "instance",
        lambda place: place.edit("run_monitoring", "run_monitorin"),
        FAIL,
        "run_monitorin",
    ),
    ("no yaml at all", "instance", lambda place: place.dagster_yaml.write_text("a: [1"), FAIL, "dagster.yaml"),
    ("no pool limit", "instance", _without("concurrency"), FAIL, "two runs may write"),
    ("no run monitoring", "instance", _without("run_monitoring"), FAIL, "stays STARTED for ever"),
    ("Dagster's launcher", "instance", _without("run_launcher"), WARN, "imports everything anew"),
    ("nobody launched", "instance", _without("run_coordinator"), WARN, "do not say who launched them"),
    ("telemetry", "instance", _without("telemetry"), WARN, "telemetry"),
    ("ticks for ever", "instance", _without("retention"), WARN, "kept for ever"),
    ("an event a transaction", "instance", _without("event_log_storage"), WARN, "each event of a run is a transaction"),
    (
        "runs elsewhere",
        "instance",
        lambda place: place.edit("WarmRunLauncher", "K8sRunLauncher"),
        FAIL,
        "a file of this one",
    ),
    ("daemon stopped", "daemon", _beat(age=900), WARN, "silent for 15 minutes"),
    ("daemon stopped in production", "daemon", _production_and(_beat(age=900)), FAIL, "silent for 15 minutes"),
    ("a kind hangs", "daemon", _beat(age=900, kinds={"SENSOR"}), WARN, "these hang: SENSOR"),
    (
        "a kind fails",
        "daemon",
        _beat(kinds={"SENSOR"}, error="no such table"),
        WARN,
        "SENSOR of Dagster's daemon failed: no such table",
    ),
    (
        "sensor off",
        "schedules",
        lambda place: place.sensor("raw_changes", InstigatorStatus.STOPPED),
        WARN,
        "changed rows are not noticed",
    ),
    (
        "clean-up off",
        "schedules",
        _production_and(lambda place: place.sensor("nightly_cleanup", InstigatorStatus.STOPPED)),
        FAIL,
        "until the disk is full",
    ),
    (
        "sensor fails",
        "schedules",
        lambda place: place.sensor("raw_changes", InstigatorStatus.RUNNING, "it is locked"),
        FAIL,
        "failed: it is locked",
    ),
    ("no warehouse", "warehouse", lambda place: (place.folder / "warehouse.duckdb").unlink(), WARN, "is not there yet"),
    ("damaged warehouse", "warehouse", _garbage("warehouse.duckdb"), FAIL, "warehouse.duckdb"),
    ("Redshift is out of reach", "warehouse", _settings(**ON_REDSHIFT), FAIL, "127.0.0.1"),
    ("no backup", "backup", Place.in_production, FAIL, "holds no backup"),
    ("backups beside", "backup", Place.in_production, WARN, "are on the disk of what they back up"),
    ("no pages", "pages", Place.in_production, WARN, "holds no page of an experiment"),
    (
        "no certificate",
        "certificate",
        _settings(dagster_url="https://127.0.0.1:1"),
        WARN,
        "does not show its certificate",
    ),
]


@pytest.mark.parametrize(
    ("area", "break_it", "level", "line"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_a_set_up_that_is_broken_gives_its_line(
    place: Place, area: str, break_it: Break, level: Level, line: str
) -> None:
    break_it(place)
    found = place.found(area)
    assert [one for one, says in found if line in says] == [level], found


def test_looking_changes_nothing(place: Place) -> None:
    def files() -> dict[str, float]:
        return {str(path): path.stat().st_mtime for path in place.folder.rglob("*") if path.is_file()}

    shutil.rmtree(place.home / "history")
    before = files()
    place.found(*CHECKS.keys() - {"code"})
    assert files() == before


@pytest.mark.slow
def test_a_healthy_one_is_silent(place: Place) -> None:
    get_settings.cache_clear()
    result = CliRunner().invoke(main, ["doctor"])
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.slow
def test_a_warning_ends_well_and_a_failure_does_not(place: Place) -> None:
    _without("telemetry")(place)
    get_settings.cache_clear()
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0
    assert result.output.splitlines()[0].startswith("WARN instance: ")
    assert result.output.splitlines()[1].startswith("     -> copy the block `telemetry`")
    place.dagster_yaml.unlink()
    as_json = CliRunner().invoke(main, ["doctor", "--json"])
    assert as_json.exit_code == 1
    assert '"failing": true' in as_json.output


def test_a_check_that_dies_is_a_finding_and_the_others_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def secrets(_setup: object) -> Iterator[None]:
        raise RuntimeError("unheard of")
        yield

    monkeypatch.setitem(CHECKS, "secrets", secrets)  # pyright: ignore[reportArgumentType]
    place.set(timezone="Mars")
    assert [level for level, _ in place.found("configuration", "secrets")] == [FAIL, FAIL]


def test_a_warehouse_that_somebody_writes_is_well(place: Place) -> None:
    code = "import duckdb,sys,time; c=duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(place.folder / "warehouse.duckdb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        found = place.found("warehouse")
        process.kill()
    assert found == []


def test_raw_tables_that_are_missing_are_named(place: Place) -> None:
    with duckdb.connect(place.folder / "warehouse.duckdb") as connection:
        connection.execute("drop table raw_data.user_event")
    assert place.found("warehouse") == [(WARN, "schema raw_data lacks user_event")]


# exposed


@contextmanager
def _listening(address: str, *words: str, home: Path) -> Iterator[None]:
    code = (
        f"import socket,time; s=socket.socket(); s.bind(({address!r}, 0)); s.listen(); print('open', flush=True);"
        " time.sleep(60)"
    )
    env = {**os.environ, "DAGSTER_HOME": str(home)}
    command = [sys.executable, "-c", code, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.1)
        yield
        process.kill()


def test_dagsters_own_web_server_may_listen_here_and_nowhere_else(place: Place, tmp_path: Path) -> None:
    with _listening("127.0.0.1", "dagster-webserver", home=place.home):
        assert place.found("exposed") == []
    with _listening("0.0.0.0", "dagster-webserver", home=tmp_path / "another"):
        assert place.found("exposed") == []
    with _listening("0.0.0.0", "dagster-webserver", home=place.home):
        [(level, says)] = place.found("exposed")
    assert level == FAIL
    assert "has no login" in says


@pytest.mark.parametrize(
    ("address", "command", "is_encrypted", "expected"),
    [
        ("::", "python -m dagster dev", True, FAIL),
        ("::1", "python -m dagster dev", True, None),
        ("::ffff:127.0.0.1", "python -m dagster api grpc", True, None),
        ("::ffff:10.0.0.1", "python -m dagster api grpc", True, WARN),
        ("0.0.0.0", "python bin/ab-pipeline serve", False, FAIL),
        ("0.0.0.0", "python bin/ab-pipeline serve", True, None),
        ("10.0.0.1", "python bin/ab-pipeline watch", True, WARN),
    ],
)
def test_what_is_open_is_judged_by_what_it_is(
    address: str, command: str, is_encrypted: bool, expected: Level | None
) -> None:
    found = [one.level for one in judged([Port(address, 3000, command)], is_encrypted=is_encrypted)]
    assert found == ([expected] if expected else [])


# versions


def test_dagsters_family_is_of_one_release() -> None:
    right = {"dagster": "1.13.27", "dagster-aws": "0.29.27", "dagster-webserver": "1.13.27"}
    assert [one.level for one in family(right)] == [Level.OK]
    [wrong] = family({**right, "dagster-aws": "0.29.26"})
    assert (wrong.level, wrong.says.partition(":")[0]) == (FAIL, "dagster is 1.13.27, but dagster-aws 0.29.26")


def test_what_is_installed_is_held_against_the_lock() -> None:
    lock = 'a==1.0 \\\n    --hash=sha256:0\nb[x]==2.0 ; python_version < "3.0" \\\n    --hash=sha256:0\n'
    assert [one.level for one in against_the_lock({"a": "1.0"}, lock)] == [Level.OK]
    assert [one.says for one in against_the_lock({"a": "1.1"}, lock)] == [
        "installed is not what was tested: a is 1.1, locked is 1.0"
    ]
    assert [one.level for one in against_the_lock({}, lock)] == [FAIL]
