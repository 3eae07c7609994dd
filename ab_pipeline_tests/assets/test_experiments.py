"""How a gate of many experiments stands as one check."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from dagster import AssetCheckSeverity

from ab_pipeline.assets.experiments import gate_check
from ab_pipeline.experiments.result import Gate, Readout, Status, Verdict


def readout(name: str, status: Status, detail: str = "as it is") -> Readout:
    gates = (Gate("sample_ratio", status, None, detail), Gate("reconciles", Status.PASS, None, ""))
    return Readout(name, dt.date(2025, 1, 1), Verdict.KEEP_RUNNING, (), gates, ())


def test_a_gate_that_fails_in_one_experiment_is_an_error_that_names_it() -> None:
    check = gate_check("sample_ratio", [readout("good", Status.PASS), readout("bad", Status.FAIL, "60 to 40")])
    assert (check.passed, check.severity) == (False, AssetCheckSeverity.ERROR)
    assert check.description == "bad: 60 to 40"
    assert set(check.metadata) == {"good", "bad"}


def test_a_gate_that_only_warns_is_a_warning() -> None:
    check = gate_check("sample_ratio", [readout("a", Status.WARN), readout("b", Status.SKIPPED)])
    assert (check.passed, check.severity) == (False, AssetCheckSeverity.WARN)


def test_what_nobody_declared_is_a_warning() -> None:
    gates = (Gate("declared", Status.FAIL, None, "nobody declared blue"),)
    check = gate_check("declared", [replace(readout("inferred", Status.PASS), gates=gates)])
    assert (check.passed, check.severity) == (False, AssetCheckSeverity.WARN)


def test_a_gate_that_no_experiment_fails_passes() -> None:
    assert gate_check("sample_ratio", [readout("a", Status.PASS), readout("b", Status.SKIPPED)]).passed
    assert gate_check("reconciles", [readout("a", Status.FAIL)]).passed
    assert gate_check("sample_ratio", []).passed
