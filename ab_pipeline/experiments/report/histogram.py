"""How a heavy-tailed metric is spread over users: shares of users by the size of their total."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ab_pipeline.experiments.report.scale import Scale
from ab_pipeline.experiments.report.svg import COLOURS, element, picture
from ab_pipeline.experiments.report.wording import share, tick
from ab_pipeline.experiments.series import Bin

WIDTH, HEIGHT = 360.0, 208.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 8.0, 10.0, 22.0


def histogram(title: str, bins: Sequence[Bin], colours: dict[str, int]) -> Markup:
    """Bars of the variants side by side, one group a bin, without the users whose total is zero."""
    positive = [one for one in bins if one.high > 0]
    edges = sorted({(one.low, one.high) for one in positive})
    users = {variant_id: sum(one.users for one in bins if one.variant_id == variant_id) for variant_id in colours}
    shares = {
        (one.variant_id, one.low): one.users / users[one.variant_id] for one in positive if users.get(one.variant_id)
    }
    y = Scale(0.0, 1.05 * max(shares.values(), default=1.0), HEIGHT - _BOTTOM, _TOP)
    step = (WIDTH - _LEFT - _RIGHT) / max(len(edges), 1)
    width = 0.8 * step / max(len(colours), 1)
    marks: list[Markup] = []
    for level in y.ticks(4):
        marks.append(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y(level), y2=y(level), class_="grid"))
        marks.append(element("text", share(level), x=_LEFT - 5, y=y(level) + 3.5, text_anchor="end"))
    for index, (low, high) in enumerate(edges):
        left = _LEFT + index * step + 0.1 * step
        for place, (variant_id, colour) in enumerate(colours.items()):
            height = shares.get((variant_id, low), 0.0)
            tip = element("title", f"{variant_id}, {tick(low)} to {tick(high)}: {share(height)} of users")
            marks.append(
                element(
                    "rect",
                    [tip],
                    x=round(left + place * width, 2),
                    y=y(height),
                    width=round(width, 2),
                    height=round(y(0.0) - y(height), 2),
                    class_=f"bar v{colour % COLOURS}",
                )
            )
        if index % max(1, len(edges) // 5) == 0:
            marks.append(element("text", tick(low), x=round(left, 2), y=HEIGHT - 6))
    return picture(WIDTH, HEIGHT, title, marks)
