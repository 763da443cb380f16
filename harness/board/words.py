"""Text from elsewhere made fit to be shown (pure)."""

from __future__ import annotations

import math
from typing import Any

from harness.records.privacy import Private

LONGEST = 160
"""Characters of a text that a page shows; a longer one is cut and says so."""
UNKNOWN = "unknown"
MISSING = "\N{EN DASH}"
"""What stands in a cell without a figure."""

_NOT_FINITE = "a number that is not finite"


def plain(text: str, longest: int = LONGEST) -> str:
    """Text in which every letter can be seen; what cannot be printed, or turns the direction, becomes �."""
    shown = "".join(letter if letter.isprintable() else "�" for letter in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def text_of(value: Any, longest: int = LONGEST) -> str:
    """A value of a record as text: what is missing is "unknown", what is no text or number is named by its type."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not math.isfinite(value):
        return _NOT_FINITE
    if isinstance(value, str | int | float):
        return plain(value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value))
    return plain(f"a {type(value).__name__}", longest)


def private(text: str) -> str:
    """The text with stand-ins for addresses of machines and for absolute paths: a scoreboard is for others to read."""
    return Private().text(text)


def range_text(low: str, high: str) -> str:
    """Two ends of a range as one text."""
    return f"{low} \N{EN DASH} {high}"
