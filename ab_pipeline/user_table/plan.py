"""The plan of an experiment from a file of users as they were."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from ab_pipeline.experiments.declaration import Experiment
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.plan import Design, Plan, history_of, plan_of
from ab_pipeline.experiments.samples import NoNumberError
from ab_pipeline.user_table.file import UserTableError, Watch, open_users
from ab_pipeline.user_table.question import Question, asked, metrics_of, number_columns
from ab_pipeline.user_table.sums import Groups, cells_of


@dataclass(frozen=True)
class Planned:
    """The plan, and what was guessed."""

    plan: Plan
    remarks: tuple[str, ...]


def plan_from_file(
    question: Question,
    *,
    users_per_day: float,
    treatments: int,
    is_sequential: bool,
    watch: Watch = lambda _: nullcontext(),
) -> Planned:
    """Every user of the file counts, whatever variant it was in.

    Raises:
        FileError: the file cannot be read, or does not fit the question.
    """
    with open_users(question.path, question.reading, watch) as file:
        metrics = asked(question, file)
        facts = file.make_numbers(number_columns(question, metrics))
        metrics, guessed = metrics_of(question, file, metrics, facts)
        day = dt.date.min
        nobody = Experiment("history", "history", "", "", day, day, 1 if question.covariate else 0, 1.0, ())
        groups, drops = Groups("'history'", f"['{ALL_USERS}']"), question.missing == "drop"
        histories = []
        for metric in metrics:
            cells = cells_of(file, nobody, metric, groups, covariate=question.covariate, drops_missing=drops)
            moments = {cell.is_capped: cell.moments for cell in cells}
            if False not in moments:
                raise UserTableError([f"--metric {metric.metric_id}: no user of {question.path} has it."])
            try:
                found = history_of(
                    metric, moments[False], moments.get(True), has_pre_period=question.covariate is not None
                )
            except NoNumberError as error:
                raise UserTableError([f"{question.path}: {error}"]) from error
            histories.append(found)
    design = Design(_shares(question.weights, treatments), users_per_day, is_sequential)
    return Planned(plan_of(histories, design), (*file.scan.notes, *guessed))


def _shares(weights: Mapping[str, float], treatments: int) -> tuple[float, ...]:
    """The first one is the control's."""
    given = list(weights.values()) or [1.0] * (treatments + 1)
    if len(given) < 2:
        raise UserTableError(
            ["--weight: a plan takes the share of the control and of each treatment, the control first."]
        )
    return tuple(weight / sum(given) for weight in given)
