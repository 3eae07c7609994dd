"""The read-out as JSON, for programs: `readout.schema.json` describes every field."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from ab_pipeline.experiments.result import MetricResult, Readout

VERSION = 1
"""Goes up when a field changes its meaning or goes away."""
SCHEMA_PATH = Path(__file__).with_name("readout.schema.json")
_RESULT_FIELDS = [field.name for field in fields(MetricResult) if field.name != "reason"]


def to_json(readout: Readout) -> str:
    """The contract's fields and no others. A number that does not exist is null, and a reason says why."""
    return json.dumps(
        {
            "version": VERSION,
            "experiment_id": readout.experiment_id,
            "as_of": readout.as_of.isoformat(),
            "verdict": readout.verdict,
            "reasons": list(readout.reasons),
            "gates": [asdict(gate) for gate in readout.gates],
            "results": [{name: getattr(row, name) for name in _RESULT_FIELDS} for row in readout.results],
        },
        indent=2,
        ensure_ascii=False,
        allow_nan=False,
    )
