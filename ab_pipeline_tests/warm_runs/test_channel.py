"""What two processes of a host say to each other over a socket in DAGSTER_HOME."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ab_pipeline.warm_runs.channel import Channel, TemplateError, call, listening


def test_each_hears_what_the_other_says(tmp_path: Path) -> None:
    with listening(tmp_path) as server, call(tmp_path, 1) as here, Channel(server.accept()[0], 1) as there:
        here.say({"run": "ä\n"})
        assert there.hear() == {"run": "ä\n"}
        there.say({"worker": 1})
        assert here.hear() == {"worker": 1}


def test_only_its_owner_may_call(tmp_path: Path) -> None:
    with listening(tmp_path):
        assert not (tmp_path / "template.sock").stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_a_folder_with_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 40)
    home.mkdir()
    with listening(home) as server, call(home, 1) as here, Channel(server.accept()[0], 1) as there:
        here.say({})
        assert there.hear() == {}


def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    with listening(tmp_path):
        pass
    with pytest.raises(TemplateError, match="none runs"):
        call(tmp_path, 1)
    with listening(tmp_path), call(tmp_path, 1):
        pass


def test_where_nobody_listens_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="none runs on this host"):
        call(tmp_path / "nowhere", 1)


def test_a_silent_side_is_waited_for_no_longer_than_the_patience(tmp_path: Path) -> None:
    with (
        listening(tmp_path),
        call(tmp_path, 0.05) as here,
        pytest.raises(TemplateError, match="no answer within"),
    ):
        here.hear()


def test_a_side_that_hangs_up_is_heard(tmp_path: Path) -> None:
    with listening(tmp_path) as server, call(tmp_path, 5) as here:
        there, _ = server.accept()
        there.close()
        with pytest.raises(TemplateError, match="ended without an answer"):
            here.hear()
