"""Files that could not be loaded."""

from __future__ import annotations

from ab_pipeline.files.errors import FileError


class LoadError(FileError):
    """Nothing was loaded: one line a problem, the first ten of `count`."""

    remedy = "Nothing was loaded. Correct this and load again."


def as_load_error(*errors: FileError) -> LoadError:
    """The problems of several files in one error."""
    return LoadError([problem for error in errors for problem in error.problems], sum(error.count for error in errors))
