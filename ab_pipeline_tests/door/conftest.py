"""One door for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ab_pipeline_tests.door.doors import InFront, door


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InFront]:
    with door(tmp_path_factory.mktemp("door") / "home") as opened:
        yield opened
