"""The read-out of a file of users."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from ab_pipeline.experiments.declaration import Experiment, Metric, Variant
from ab_pipeline.experiments.evidence import Evidence
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.report.page import Report
from ab_pipeline.experiments.series import Series
from ab_pipeline.user_table.file import UserFile, UserTableError, open_users
from ab_pipeline.user_table.question import Question, metrics_asked
from ab_pipeline.user_table.segments import segments_of_a_user
from ab_pipeline.user_table.sums import assigned_users, bins_of, cells_of


def analyze(question: Question, today: dt.date) -> Report:
    """The answer, and what its page shows. The file is taken to be of an experiment that is over.

    Raises:
        UserTableError: the file does not fit the question.
    """
    with open_users(question.path) as file:
        metrics = metrics_asked(question, file)
        variant = file.quoted(question.variant, "--variant")
        _one_row_a_user(question, file)
        segments = segments_of_a_user(file, question.segments)
        assigned = assigned_users(file, variant, segments)
        experiment = _experiment(question, sorted({row.variant_id for row in assigned}), today)
        cells = [
            cell
            for metric in metrics
            for cell in cells_of(file, experiment, metric, variant, segments, covariate=question.covariate)
        ]
        bins = [one for metric in metrics for one in bins_of(file, metric, variant)]
        remarks = _remarks(question, file, metrics, variant)
    counts = Evidence(assigned, 0 if question.user else None, None)
    readout = read_out(experiment, metrics, cells, counts, today)
    readout = replace(readout, reasons=(*readout.reasons, *remarks))
    sources = (("Every number", str(question.path)),)
    return Report(experiment, tuple(metrics), readout, Series(bins=tuple(bins)), sources)


def _one_row_a_user(question: Question, file: UserFile) -> None:
    if question.user is None:
        return
    user = file.quoted(question.user, "--user")
    [(nameless,)] = file.rows(f"select count(*) from users where {user} is null")
    if nameless:
        raise UserTableError(f"--user {question.user}: {nameless:,} rows do not say which user they are of.")
    twice = file.rows(f"select {user}, count(*) from users group by 1 having count(*) > 1 order by 2 desc, 1")
    if twice:
        name, rows = twice[0]
        more = f", one of {len(twice):,} users with several" if len(twice) > 1 else ""
        raise UserTableError(
            f"--user {question.user}: user {name} is in {rows} rows{more}."
            " The file has to have one row per user: sum up each user's rows first."
        )


def _experiment(question: Question, names: Sequence[str], today: dt.date) -> Experiment:
    if len(names) < 2:
        only = f"only {names[0]!r}" if names else "no value at all"
        raise UserTableError(f"--variant {question.variant}: two variants are needed, and the column has {only}.")
    usual = next((name for name in names if name.lower() == "control"), names[0])
    control = usual if question.control is None else question.control
    for option, given in (("--control", {control}), ("--weight", question.weights.keys())):
        if unknown := set(given) - set(names):
            there = ", ".join(names)
            raise UserTableError(f"{option} {min(unknown)}: there is no such variant. There are: {there}.")
    variants = tuple(Variant(name, name == control, question.weights.get(name, 1.0)) for name in names)
    stem = question.path.stem
    pre_period_days = 1 if question.covariate else 0
    return Experiment(stem, stem, "", "", today, today, pre_period_days, 1.0, variants)


def _remarks(question: Question, file: UserFile, metrics: Sequence[Metric], variant: str) -> list[str]:
    """What was done with empty cells, and what could not be checked."""
    [(rows, without)] = file.rows(f"select count(*), count(*) filter (where {variant} is null) from users")
    remarks = [f"{without:,} of {rows:,} rows have no {question.variant} and are left out."] if without else []
    columns = [column for metric in metrics for column in (metric.numerator, metric.denominator)]
    for column in dict.fromkeys(filter(None, [*columns, question.covariate])):
        name = file.quoted(column, "--metric")
        [(empty,)] = file.rows(f"select count(*) from users where {name} is null and {variant} is not null")
        if empty:
            remarks.append(f"{empty:,} users have no {column}: it counts as 0 for them.")
    if question.user is None:
        remarks.append("Not checked: whether a user is in several rows. --user COL names the users.")
    return remarks
