"""Storage over time, as earlier clean-ups measured it, and its picture."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import AssetKey, DagsterInstance

from ab_pipeline.maintenance.cleanup.inventory import Inventory

STORAGE = AssetKey("dagster_storage")
"""What each clean-up records; Dagster itself plots its numbers, too."""
_BEFORE, _AFTER = "bytes_before", "bytes_after"
_SHOWN = 400


@dataclass(frozen=True)
class Measured:
    """Bytes in all, at a time."""

    at: datetime
    bytes: int
    when: str
    """`before` or `after` a clean-up."""


def measurements(before: Inventory, after: Inventory) -> dict[str, int]:
    """What a clean-up records, by name."""
    return {_BEFORE: before.bytes, _AFTER: after.bytes, "runs_before": len(before.runs), "runs_after": len(after.runs)}


def measured_before(instance: DagsterInstance) -> list[Measured]:
    """What is still known of earlier clean-ups, oldest first."""
    found: list[Measured] = []
    for record in instance.fetch_materializations(STORAGE, limit=_SHOWN, ascending=False).records:
        materialization = record.asset_materialization
        for name, when in ((_BEFORE, "before"), (_AFTER, "after")):
            value = materialization.metadata.get(name) if materialization else None
            if value and isinstance(value.value, int):
                found.append(Measured(datetime.fromtimestamp(record.timestamp, UTC), value.value, when))
    return sorted(found, key=lambda measured: (measured.at, measured.when != "before"))


def picture(measured: Sequence[Measured]) -> str:
    """The bytes over time as a PNG, in Markdown that the UI shows."""
    import altair as alt
    import vl_convert

    rows = [
        {"time": each.at.isoformat(), "bytes": each.bytes, "measured": f"{each.when} a clean-up"} for each in measured
    ]
    chart = (
        alt.Chart(alt.Data(values=rows), width=640, height=240, title="Dagster's storage")
        .mark_line(point=True)
        .encode(
            x=alt.X("time:T", title=None, axis=alt.Axis(format="%d %b %H:%M", labelAngle=0, tickCount=6)),
            y=alt.Y("bytes:Q", scale=alt.Scale(zero=True), axis=alt.Axis(format="~s")),
            color=alt.Color("measured:N", title=None, sort=["before a clean-up", "after a clean-up"]),
        )
    )
    png = vl_convert.vegalite_to_png(chart.to_dict(), scale=1.5)
    return f"![storage over time](data:image/png;base64,{base64.b64encode(png).decode()})"
