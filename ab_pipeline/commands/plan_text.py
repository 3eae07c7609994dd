"""A plan in a terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from ab_pipeline.commands.terminal import console, show
from ab_pipeline.experiments import words
from ab_pipeline.experiments.plan import Plan
from ab_pipeline.experiments.report import wording

_BAR = 24


def print_plan(plan: Plan, remarks: tuple[str, ...], *, verbose: bool = False) -> None:
    """How long, what each metric takes, what the weeks can show, and what one more costs."""
    out = console()
    out.print(f"[bold]{plan.users:,} users in all variants: {plan.days:,} days, in whole weeks[/]")
    for remark in (*plan.doubts, *remarks):
        out.print(Padding(Text(remark), (0, 0, 0, 2)) if out.is_terminal else f"  {escape(remark)}")
    right = [
        Column(name, justify="right")
        for name in ("mean", "deviation", "correlation", "effect", "alpha", "power", "users", "days")
    ]
    table = Table("metric", "is", "means are", *right, title="For the smallest effect that matters")
    table.title_justify = "left"
    for one in plan.metrics:
        table.add_row(
            escape(one.metric_id),
            one.role,
            words.METHODS[one.method],
            wording.number(one.mean),
            wording.number(one.deviation),
            wording.MISSING if one.correlation is None else f"{one.correlation:.2f}",
            wording.share(one.minimum_effect),
            f"{one.alpha:.3g}",
            wording.share(one.power),
            f"{one.users:,}",
            f"{one.days:,}",
        )
    show(table, fold=("metric", "means are"), spare=("power", "alpha", "deviation", "mean", "is"), verbose=verbose)
    curve = Table(
        "metric", Column("days", justify="right"), Column("users", justify="right"), "effect that is found", ""
    )
    curve.title, curve.title_justify = "What whole weeks can show", "left"
    for one in plan.metrics:
        widest = one.reachable[0].effect
        for place, point in enumerate(one.reachable):
            name = escape(one.metric_id) if place == 0 else ""
            bar = "█" * max(1, round(_BAR * point.effect / widest))
            found = f"{wording.share(point.effect)}{' *' if point.effect <= one.minimum_effect else ''}"
            curve.add_row(name, str(point.days), f"{point.users:,}", found, bar)
    show(curve, fold=("metric",), spare=("",), verbose=verbose)
    out.print("* The smallest effect that matters, or less.")
    out.print(f"One more costs: {', '.join(f'a {what} {times:.2f} x the users' for what, times in plan.costs)}.")
