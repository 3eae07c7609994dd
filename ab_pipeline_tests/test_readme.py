"""The README shows the project as it is."""

from __future__ import annotations

import re

from ab_pipeline.paths import PROJECT_ROOT

REGENERATE = (
    "`.venv/bin/python -m ab_pipeline_tests.asset_graph` prints the picture for README.md, between ```mermaid and ```"
)


def test_the_picture_of_the_asset_graph_is_drawn_from_the_definitions() -> None:
    from ab_pipeline_tests.asset_graph import mermaid

    pictures = re.findall(
        r"^```mermaid\n(.*?)\n```$", (PROJECT_ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert mermaid() in pictures, REGENERATE
