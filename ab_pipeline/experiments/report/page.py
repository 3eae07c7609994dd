"""The page of an experiment."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ab_pipeline.experiments import words
from ab_pipeline.experiments.declaration import Experiment, Metric
from ab_pipeline.experiments.judgement import phase_of
from ab_pipeline.experiments.report import methods, wording
from ab_pipeline.experiments.report.plots import Plots
from ab_pipeline.experiments.report.tables import Tables
from ab_pipeline.experiments.result import Readout, Verdict
from ab_pipeline.experiments.series import Series

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Report:
    """All that a page shows."""

    experiment: Experiment
    metrics: tuple[Metric, ...]
    readout: Readout
    series: Series
    sources: tuple[tuple[str, str], ...] = ()
    """What, and the table or file it is in: `("Effects", "analytics.experiment_results")`."""
    notices: tuple[str, ...] = ()
    """Sentences on what else has been said or declared."""

    @property
    def headline(self) -> str:
        """The verdict as an order."""
        more = {
            Verdict.SHIP: f" {self.readout.winner}",
            Verdict.KEEP_RUNNING: f" until about {long_date(self.experiment.end_date)}",
        }
        return self.readout.verdict.capitalize() + more.get(self.readout.verdict, "")

    @property
    def tone(self) -> str:
        """The class of the style sheet. An A/A experiment that found nothing has done well."""
        is_calm = self.experiment.is_aa and self.readout.verdict == Verdict.DO_NOT_SHIP
        return "nothing" if is_calm else self.readout.verdict.replace(" ", "-")

    @property
    def planned_days(self) -> int:
        """One of a single file, which knows no days."""
        return (self.experiment.end_date - self.experiment.start_date).days + 1

    @property
    def has_plan(self) -> bool:
        """Whether its days were planned: not those of a single file, nor of what nobody declared."""
        return self.planned_days > 1 and not self.experiment.is_inferred

    @property
    def days(self) -> int:
        """Since the start, with the day of the read-out."""
        return phase_of(self.experiment, self.readout.as_of).days

    @property
    def progress(self) -> str:
        """`day 12 of 28`."""
        if self.experiment.is_inferred:
            return "no end is planned"
        return f"day {self.days} of {self.planned_days}" if self.days < self.planned_days else "the planned end"

    @property
    def share_done(self) -> float:
        """0 to 1."""
        return min(1.0, max(0.0, self.days / self.planned_days))


def page(report: Report) -> str:
    """One experiment as one HTML file."""
    return (
        environment()
        .get_template("experiment.html.j2")
        .render(
            report=report,
            experiment=report.experiment,
            readout=report.readout,
            gates=sorted(report.readout.gates, key=lambda gate: list(words.STATUSES).index(gate.status)),
            tables=Tables(report.experiment, report.metrics, report.readout),
            plots=Plots(report.experiment, report.metrics, report.readout, report.series),
            notes=methods.NOTES,
        )
    )


def long_date(day: dt.date) -> str:
    """`3 March 2025`."""
    return f"{day.day} {day:%B %Y}"


@cache
def environment() -> Environment:
    """The templates, with the filters that they use."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "change": wording.change,
        "share": wording.share,
        "p_value": wording.p_value,
        "unbroken": wording.unbroken,
        "levels": wording.levels,
        "long_date": long_date,
        "method": words.METHODS.__getitem__,
        "gate": words.GATES.__getitem__,
        "status": words.STATUSES.__getitem__,
    }
    environment.globals["style"] = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment
