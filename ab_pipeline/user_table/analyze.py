"""The read-out of a file of users."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from ab_pipeline.experiments.declaration import Experiment, Metric, Variant
from ab_pipeline.experiments.evidence import Evidence
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.report.page import Report
from ab_pipeline.experiments.result import Readout, Status
from ab_pipeline.experiments.series import Series
from ab_pipeline.user_table.file import UserFile, UserTableError, Watch, open_users
from ab_pipeline.user_table.one_row import guess_user, one_row_a_user
from ab_pipeline.user_table.question import Question, asked, metrics_of, number_columns
from ab_pipeline.user_table.segments import segments_of_a_user
from ab_pipeline.user_table.shapes import of_columns, of_counts
from ab_pipeline.user_table.sums import Groups, assigned_users, bins_of, cells_of
from ab_pipeline.user_table.variants import find_control, join_spellings, unknown_variant


def analyze(question: Question, today: dt.date, watch: Watch = lambda _: nullcontext()) -> Report:
    """The answer, and what its page shows. The file is taken to be of an experiment that is over.

    Raises:
        FileError: the file cannot be read, or does not fit the question.
    """
    with open_users(question.path, question.reading, watch) as file:
        remarks = list(file.scan.notes)
        if question.wide is not None:
            question, more = of_columns(file, question)
            remarks += more
        question, guessed_user = guess_user(file, question)
        names = {question.variant: "--variant"} | dict.fromkeys(question.segments, "--segment")
        file.make_names(names | ({question.user: "--user"} if question.user else {}))
        remarks += join_spellings(file, question)
        remarks += of_counts(file, question) if question.counts is not None else []
        metrics = asked(question, file)
        facts = file.make_numbers(number_columns(question, metrics))
        users = one_row_a_user(file, question, number_columns(question, metrics))
        metrics, guessed = metrics_of(question, file, metrics, facts)
        variant = file.quoted(question.variant, "--variant")
        segments = segments_of_a_user(file, question.segments)
        assigned = assigned_users(file, variant, segments)
        sizes = {row.variant_id: row.users for row in assigned if row.segment == ALL_USERS}
        experiment, control = _experiment(question, sizes, today)
        groups, drops_missing = Groups(variant, segments), question.missing == "drop"
        cells = [
            cell
            for metric in metrics
            for cell in cells_of(
                file, experiment, metric, groups, covariate=question.covariate, drops_missing=drops_missing
            )
        ]
        bins = [one for metric in metrics for one in bins_of(file, metric, variant, drops_missing=drops_missing)]
        remarks += [
            *users.remarks,
            *filter(None, [control]),
            *guessed_user,
            *guessed,
            *_of_cells(question, file, metrics, variant),
        ]
    readout = read_out(experiment, metrics, cells, Evidence(assigned, users.in_several_variants, None), today)
    remarks += _of_shares(question, readout, sizes)
    if question.user is None and question.counts is None:
        remarks.append("Not checked: whether a user is in several rows. --user COL names the users.")
    readout = replace(readout, reasons=(*readout.reasons, *remarks))
    sources = (("Every number", str(question.path)),)
    return Report(experiment, tuple(metrics), readout, Series(bins=tuple(bins)), sources)


def _experiment(question: Question, sizes: Mapping[str, int], today: dt.date) -> tuple[Experiment, str]:
    names = sorted(sizes)
    if len(names) < 2:
        only = f"only {names[0]!r}" if names else "no value at all"
        raise UserTableError([f"--variant {question.variant}: two variants are needed, and the column has {only}."])
    control, guess = find_control(question, sizes)
    if unknown := set(question.weights) - set(names):
        raise unknown_variant("--weight", min(unknown), names)
    variants = tuple(Variant(name, name == control, question.weights.get(name, 1.0)) for name in names)
    stem = question.path.name.split(".")[0] or question.path.name
    pre_period_days = 1 if question.covariate else 0
    return Experiment(stem, stem, "", "", today, today, pre_period_days, 1.0, variants), guess


def _of_cells(question: Question, file: UserFile, metrics: Sequence[Metric], variant: str) -> list[str]:
    """What was done with empty cells."""
    [(rows, without)] = file.rows(f"select count(*), count(*) filter (where {variant} is null) from users")
    remarks = [f"{without:,} of {rows:,} rows have no {question.variant} and are left out."] if without else []
    columns = [column for metric in metrics for column in (metric.numerator, metric.denominator)]
    for column in dict.fromkeys(filter(None, [*columns, question.covariate])):
        name = file.quoted(column, "--metric")
        by_variant = file.rows(
            f"select cast({variant} as varchar), count(*) filter (where {name} is null), count(*) from users"
            f" where {variant} is not null group by 1 order by 1"
        )
        empty = sum(missing for _, missing, _ in by_variant)
        if not empty:
            continue
        told = f"{empty:,} users have no {column}{file.nothing_in(column)}"
        if question.missing == "zero" or column == question.covariate:
            remarks.append(f"{told}: it counts as 0 for them.")
        else:
            shares = ", ".join(f"{100 * missing / of:.1f} % of {who}" for who, missing, of in by_variant)
            remarks.append(f"{told} and are left out of it: {shares}. The treatment may have changed who is measured.")
    return remarks


def _of_shares(question: Question, readout: Readout, sizes: Mapping[str, int]) -> list[str]:
    """How to say that the split was meant to be as it is."""
    [gate] = [gate for gate in readout.gates if gate.name == "sample_ratio"]
    if question.weights or gate.status != Status.FAIL:
        return []
    fewest = min(sizes.values())
    shares = " ".join(f"--weight {name}={users / fewest:.2g}" for name, users in sizes.items())
    return [f"Equal shares were expected. If the split was planned, say so by its planned shares, such as {shares}."]
