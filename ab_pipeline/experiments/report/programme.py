"""The page of all experiments: those that wait for a decision first, and what each said from day to day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from markupsafe import Markup

from ab_pipeline.experiments.declaration import Experiment
from ab_pipeline.experiments.report.page import Report, environment, long_date
from ab_pipeline.experiments.report.scale import Scale
from ab_pipeline.experiments.report.svg import element
from ab_pipeline.experiments.report.tables import Tables
from ab_pipeline.experiments.result import Readout, Verdict

DAYS_TO_DECIDE = 14
"""An experiment waits so long after its planned end; then it belongs to those that have ended."""
_WIDTH, _HEIGHT = 300, 16
_SHOWN_CHANGES = 4


class Standing(StrEnum):
    """Where an experiment stands in the programme, in the order of the page."""

    WAITS = "waits for a decision"
    RUNS = "is running"
    PLANNED = "has not started"
    ENDED = "has ended"

    @property
    def anchor(self) -> str:
        """The name of its filter in the page's address."""
        return self.name.lower()


@dataclass(frozen=True)
class Look:
    """What an experiment said as of a day."""

    as_of: dt.date
    verdict: Verdict


@dataclass(frozen=True)
class Entry:
    """An experiment in the programme."""

    experiment: Experiment
    standing: Standing
    history: tuple[Look, ...]
    """Every stored look, oldest first."""
    report: Report | None = None
    """None while it has no users."""
    link: str | None = None
    """The address of its page, relative to the programme's."""
    unread: str = ""
    """Why there is no report."""

    @property
    def tone(self) -> str:
        """The class of the style sheet."""
        return self.report.tone if self.report else "nothing"

    @property
    def tables(self) -> Tables | None:
        """For the effect on the first metric."""
        return self.report and Tables(self.experiment, self.report.metrics, self.report.readout)

    @property
    def timeline(self) -> Markup:
        """A strip from the start to the planned end or the newest look, coloured by what it said."""
        first = min([self.experiment.start_date, *(look.as_of for look in self.history)])
        last = max([self.experiment.end_date, *(look.as_of for look in self.history)])
        place = Scale(first.toordinal(), last.toordinal() + 1, 0, _WIDTH)
        bars = [
            element(
                "rect",
                class_=f"look {verdict.replace(' ', '-')}",
                x=place(start.toordinal()),
                y=3,
                width=round(place(end.toordinal() + 1) - place(start.toordinal()), 2),
                height=_HEIGHT - 6,
            )
            for verdict, start, end in stretches(self.history)
        ]
        end = place(self.experiment.end_date.toordinal() + 1)
        mark = element("line", class_="end", x1=end, x2=end, y1=0, y2=_HEIGHT)
        base = element("rect", class_="grid-bar", x=0, y=_HEIGHT / 2 - 1, width=_WIDTH, height=2)
        return element(
            "svg",
            [base, *bars, *([] if self.experiment.is_inferred else [mark])],
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            preserveAspectRatio="none",
            aria_hidden="true",
        )

    @property
    def changes(self) -> list[str]:
        """The same in words, the newest first."""
        found = [f"{verdict} since {long_date(start)}" for verdict, start, _ in stretches(self.history)][::-1]
        more = len(found) - _SHOWN_CHANGES
        return [*found[:_SHOWN_CHANGES], *([f"{more} before that"] if more > 0 else [])]


def stretches(history: Sequence[Look]) -> list[tuple[Verdict, dt.date, dt.date]]:
    """The verdicts that lasted, each with its first and last day."""
    return [
        (verdict, looks[0].as_of, looks[-1].as_of)
        for verdict, group in groupby(history, key=lambda look: look.verdict)
        for looks in [list(group)]
    ]


def standing_of(experiment: Experiment, readout: Readout | None, today: dt.date) -> Standing:
    """Where it stands on a day: the newest that anything is built of."""
    if readout is None:
        return Standing.ENDED if experiment.end_date < today else Standing.PLANNED
    if experiment.is_inferred:
        return Standing.RUNS
    is_over = readout.as_of >= experiment.end_date
    if is_over and (experiment.is_aa or (today - experiment.end_date).days > DAYS_TO_DECIDE):
        return Standing.ENDED
    is_settled = readout.verdict in (Verdict.SHIP, Verdict.DO_NOT_SHIP)
    return Standing.WAITS if is_over or is_settled else Standing.RUNS


def programme(entries: Sequence[Entry]) -> str:
    """The page. Filters are anchors, which take no script."""
    standings, verdicts = list(Standing), list(Verdict)

    def rank(entry: Entry) -> tuple[int, int, int]:
        verdict = verdicts.index(entry.report.readout.verdict) if entry.report else len(verdicts)
        return standings.index(entry.standing), verdict, -entry.experiment.end_date.toordinal()

    counts = {standing: sum(entry.standing == standing for entry in entries) for standing in Standing}
    return (
        environment()
        .get_template("index.html.j2")
        .render(entries=sorted(entries, key=rank), counts=counts, days_to_decide=DAYS_TO_DECIDE)
    )
