"""A bit that is not as it was written is found, wherever in a backup it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ab_pipeline.maintenance.backup.catalog import VERIFIED, BackupError, backups, check_files, find
from ab_pipeline.maintenance.backup.drill import drill
from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.backup.sealed_json import DamagedError, seal, unseal
from ab_pipeline.maintenance.object_store import SEAL, ObjectStore, open_store
from ab_pipeline.settings import Settings
from ab_pipeline_tests.maintenance.conftest import silent

pytestmark = pytest.mark.slow


@pytest.fixture
def backup(settings: Settings, home: Path, store: ObjectStore) -> Path:
    manifest = back_up(settings, home, store, silent)
    assert drill(store, manifest, silent).problems == ()
    return Path(store.location) / manifest.name


def _is_whole(store: ObjectStore, name: str) -> bool:
    try:
        check_files(store, find(store, name), silent)
    except BackupError:
        return False
    return True


@hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_is_found(backup: Path, data: st.DataObject) -> None:
    store = open_store(str(backup.parent))
    assert _is_whole(store, backup.name)
    files = sorted(path for path in backup.rglob("*") if path.is_file() and path.name != VERIFIED)
    file = data.draw(st.sampled_from(files))
    original = file.read_bytes()
    bit = data.draw(st.integers(0, len(original) * 8 - 1))
    damaged = bytearray(original)
    damaged[bit // 8] ^= 1 << bit % 8
    file.write_bytes(damaged)
    try:
        assert not _is_whole(store, backup.name)
    finally:
        file.write_bytes(original)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), st.data())
def test_a_sealed_file_is_read_only_as_it_was_written(payload: dict, data: st.DataObject) -> None:
    content = seal(payload)
    assert unseal(content) == payload
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedError):
        unseal(bytes(damaged))


def test_a_damaged_note_of_the_drill_does_not_count(backup: Path, store: ObjectStore) -> None:
    assert [found.verified_at is not None for found in backups(store)] == [True]
    note = backup / VERIFIED
    note.write_bytes(note.read_bytes().replace(b"20", b"21", 1))
    assert [found.verified_at for found in backups(store)] == [None]


def test_the_note_of_another_backup_does_not_count(backup: Path, store: ObjectStore) -> None:
    other = backup.with_name("2020-01-01T00-00-00.000000Z")
    shutil.copytree(backup, other)
    by_name = {found.name: found for found in backups(store)}
    assert by_name[other.name].problem == f"{SEAL}: its manifest is that of {backup.name}"
    assert by_name[other.name].verified_at is None


def test_a_file_that_is_cut_off_or_missing_is_named(backup: Path, store: ObjectStore) -> None:
    manifest = find(store, None)
    archive = backup / "dagster.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(BackupError, match=r"is damaged: dagster\.tar\.gz has .* bytes"):
        check_files(store, manifest, silent)
    assert "dagster.tar.gz has" in drill(store, manifest, silent).problems[0]
    archive.unlink()
    with pytest.raises(BackupError, match=r"dagster\.tar\.gz: there is no such file"):
        check_files(store, manifest, silent)
