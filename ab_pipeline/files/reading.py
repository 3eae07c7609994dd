"""How a file is to be read, where the file does not say so itself."""

from __future__ import annotations

import codecs
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ab_pipeline.files.errors import FileError


@dataclass(frozen=True)
class Reading:
    """What a person says of a file. All of it is found out where nothing is said."""

    encoding: str | None = None
    """A name that Python knows, such as `latin-1`."""
    delimiter: str | None = None
    decimal: str | None = None
    """`.` or `,`."""
    nulls: tuple[str, ...] = ()
    """Words that stand for nothing, instead of the usual ones."""
    nulls_in_texts: bool = True
    """Whether they are nothing in a column of texts too, where they stand without quotes."""
    columns: dict[str, str] = field(default_factory=dict)
    """The name that is wanted, and the file's own."""
    header: tuple[str, ...] = ()
    """The names of the columns of a file that has no line of names."""
    zone: str = "UTC"
    """Whose wall clock a time is put on that says its zone."""

    def __post_init__(self) -> None:
        if self.encoding:
            try:
                codecs.lookup(self.encoding)
            except LookupError as error:
                raise FileError(
                    [f"--encoding {self.encoding}: no encoding is called so; try utf-16 or latin-1"]
                ) from error
        if self.delimiter is not None and len(self.delimiter.encode()) != 1:
            raise FileError([f"--delimiter {self.delimiter!r}: it has to be one character"])
        own = list(self.columns.values())
        if twice := {name for name in own if own.count(name) > 1}:
            raise FileError([f"--columns: {min(twice)} is named for two columns"])

    def to_json(self) -> str:
        """What was said, so that the file can be read again in the same way."""
        return json.dumps({name: value for name, value in asdict(self).items() if value}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Reading:
        """The inverse of `to_json`."""
        said: dict[str, Any] = json.loads(text)
        return cls(**dict[str, Any]((name, tuple(one) if isinstance(one, list) else one) for name, one in said.items()))
