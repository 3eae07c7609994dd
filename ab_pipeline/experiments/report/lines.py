"""A chart of lines over days, with bands around them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ab_pipeline.experiments.report.scale import Scale, domain
from ab_pipeline.experiments.report.svg import COLOURS, element, picture, points

WIDTH, HEIGHT = 360.0, 208.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 8.0, 10.0, 22.0


@dataclass(frozen=True)
class Line:
    """One variant's values by day."""

    name: str
    colour: int
    """0 is the control."""
    values: Sequence[tuple[dt.date, float]]
    band: Sequence[tuple[dt.date, float, float]] = ()
    """Day, low, high."""


def line_chart(
    title: str,
    lines: Sequence[Line],
    y_text: Callable[[float], str],
    *,
    zero: bool = False,
    minimum_effects: Sequence[float] = (),
    planned_end: dt.date | None = None,
) -> Markup:
    """Lines with their bands, and what they are to be compared with. The band's first days may leave the picture."""
    days = sorted({day for line in lines for day, _ in line.values})
    x = Scale(days[0].toordinal(), max(days[-1], days[0] + dt.timedelta(days=1)).toordinal(), _LEFT, WIDTH - _RIGHT)
    settled = days[len(days) // 2]
    heights = [value for line in lines for _, value in line.values] if not zero else [0.0, *minimum_effects]
    heights += [end for line in lines for day, *ends in line.band if day >= settled for end in ends]
    y = Scale(*domain(heights), HEIGHT - _BOTTOM, _TOP)
    inside = [
        *(_band(line, x, y) for line in lines if line.band),
        *(_line(line, x, y, y_text) for line in lines),
    ]
    return picture(
        WIDTH,
        HEIGHT,
        title,
        [
            *_y_axis(y, y_text),
            *_x_axis(days, x),
            *([_level(0.0, y, "zero")] if zero else []),
            *(_level(effect, y, "minimum") for effect in minimum_effects),
            *_end(planned_end, days, x),
            _clipped(inside),
        ],
    )


def _clipped(content: Sequence[Markup]) -> Markup:
    """A drawing within the drawing cuts off what leaves it."""
    x, y, width, height = _LEFT, _TOP - 6, WIDTH - _LEFT - 4, HEIGHT - _TOP - _BOTTOM + 6
    return element("svg", content, x=x, y=y, width=width, height=height, viewBox=f"{x:g} {y:g} {width:g} {height:g}")


def _y_axis(y: Scale, text: Callable[[float], str]) -> list[Markup]:
    marks: list[Markup] = []
    for tick in y.ticks(4):
        marks.append(_level(tick, y, "grid"))
        marks.append(element("text", text(tick), x=_LEFT - 5, y=y(tick) + 3.5, text_anchor="end"))
    return marks


def _x_axis(days: Sequence[dt.date], x: Scale) -> list[Markup]:
    shown = sorted({days[0], days[len(days) // 2], days[-1]})
    anchors = {days[0]: "start", days[-1]: "end"}
    return [
        element(
            "text", f"{day.day} {day:%b}", x=x(day.toordinal()), y=HEIGHT - 6, text_anchor=anchors.get(day, "middle")
        )
        for day in shown
    ]


def _level(value: float, y: Scale, class_: str) -> Markup:
    return element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y(value), y2=y(value), class_=class_)


def _end(day: dt.date | None, days: Sequence[dt.date], x: Scale) -> list[Markup]:
    if day is None or not days[0] <= day <= days[-1]:
        return []
    place = x(day.toordinal())
    return [element("line", x1=place, x2=place, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="end")]


def _band(line: Line, x: Scale, y: Scale) -> Markup:
    upper = [(x(day.toordinal()), _near(y(high))) for day, _, high in line.band]
    lower = [(x(day.toordinal()), _near(y(low))) for day, low, _ in reversed(line.band)]
    return element("polygon", points=points([*upper, *lower]), class_=f"band v{line.colour % COLOURS}")


def _line(line: Line, x: Scale, y: Scale, text: Callable[[float], str]) -> Markup:
    places = [(x(day.toordinal()), _near(y(value))) for day, value in line.values]
    day, value = line.values[-1]
    tip = element("title", f"{line.name}, {day}: {text(value)}")
    colour = f"v{line.colour % COLOURS}"
    return element(
        "g",
        [
            element("polyline", points=points(places), class_=f"line {colour}"),
            element("circle", [tip], cx=places[-1][0], cy=places[-1][1], r=3, class_=colour),
        ],
    )


def _near(place: float) -> float:
    """What is cut off anyway need not be miles away."""
    return max(-HEIGHT, min(2 * HEIGHT, place))
