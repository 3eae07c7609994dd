"""The known faults are still faults of this code, and their tests are still there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline_tests.seeded_faults.__main__ import Fault, FaultError, applied, read_faults

ALL = read_faults()


def test_there_are_enough_over_all_of_the_code() -> None:
    assert len(ALL) >= 40
    assert len({fault.name for fault in ALL}) == len(ALL)
    assert {"ab_pipeline", "dbt_project"} == {fault.file.split("/")[0] for fault in ALL}


@pytest.mark.parametrize("fault", ALL, ids=[fault.name for fault in ALL])
def test_each_applies_and_its_test_is_there(fault: Fault) -> None:
    assert (PROJECT_ROOT / fault.file).read_text().count(fault.old) == 1
    file, _, name = fault.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (PROJECT_ROOT / file).read_text()


def test_one_that_no_longer_applies_is_named_and_none_stays(tmp_path: Path) -> None:
    fault = ALL[0]
    file = tmp_path / fault.file
    file.parent.mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / fault.file, file)
    before = file.read_text()
    with applied(fault, tmp_path):
        assert fault.new in file.read_text()
    assert file.read_text() == before
    with (
        pytest.raises(FaultError, match=f"{fault.name} applies 0 times"),
        applied(replace(fault, old="no such text"), tmp_path),
    ):
        pass
