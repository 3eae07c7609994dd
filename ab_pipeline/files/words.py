"""The words that stand for nothing, for yes and for no."""

from __future__ import annotations

from ab_pipeline.files.reading import Reading
from ab_pipeline.files.sql import let, literal

NULLS = ("NA", "NULL", r"\N", "NaN")
"""Of a text they are nothing only where they are written so and without quotes: a quoted one is a text."""
_NULLS_OF_NAMES = (*NULLS, "N/A", "<NA>", "#N/A")
_NULLS_OF_NUMBERS = (*_NULLS_OF_NAMES, "None")
TRUE = ("true", "yes", "t", "y")
FALSE = ("false", "no", "f", "n")
_SPACES = " \t\N{NO-BREAK SPACE}"


def unquoted_nulls(reading: Reading) -> list[str]:
    """What stands for nothing where a text file has it without quotes."""
    return ["", *((reading.nulls or NULLS) if reading.nulls_in_texts else ())]


def cleaned(text: str, reading: Reading) -> str:
    """SQL of a number or time as text: without spaces around it, null for nothing, in any case of letters."""
    return _without(text, reading.nulls or _NULLS_OF_NUMBERS)


def name_of(text: str, reading: Reading) -> str:
    """SQL of a name such as a variant's: the same, but `None` may be a name."""
    return _without(text, reading.nulls or _NULLS_OF_NAMES)


def _without(text: str, words: tuple[str, ...]) -> str:
    nothing = ", ".join(literal(word.lower()) for word in ("", *words))
    return let("w", f"trim({text}, {literal(_SPACES)})", f"case when lower(w) not in ({nothing}) then w end")


def truth_of(clean: str) -> str:
    """SQL of 1 for a word that says yes, 0 for one that says no, null otherwise."""
    yes, no = (", ".join(map(literal, words)) for words in (TRUE, FALSE))
    return let("y", f"lower({clean})", f"case when y in ({yes}) then 1 when y in ({no}) then 0 end")
