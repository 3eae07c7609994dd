"""What is wrong with a file, one line a problem."""

from __future__ import annotations

from collections.abc import Sequence

from ab_pipeline.errors import UserError

SHOWN_PROBLEMS = 10


class FileError(UserError):
    """Files cannot be read as asked: the first ten problems, and how many there are in all."""

    remedy = ""
    """What follows the problems."""

    def __init__(self, problems: Sequence[str], count: int | None = None) -> None:
        self.problems = tuple(problems[:SHOWN_PROBLEMS])
        self.count = len(problems) if count is None else count
        more = self.count - len(self.problems)
        lines = [*self.problems, *([f"... and {more:,} more."] if more else [])]
        super().__init__("\n".join([*lines, *([self.remedy] if self.remedy else [])]))
