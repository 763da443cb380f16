"""Text from elsewhere made fit to be shown, and figures with the digits that mean something (pure)."""

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


def written(value: float, u: float | None = None) -> str:
    """A figure with the digits that its uncertainty leaves: two of the uncertainty, and as many decimals.

    GUM (JCGM 100:2008) 7.2.6. Four significant digits where no uncertainty is known.

    Args:
        value: the figure.
        u: its uncertainty, in the same unit.
    """
    known = u is not None and u > 0 and math.isfinite(u)
    size = u if known and u is not None else abs(value)
    digits = 2 if known else 4
    if size == 0 or not math.isfinite(size):
        return f"{value:g}"
    decimals = min(max(digits - 1 - math.floor(math.log10(size)), 0), 12)
    return f"{value:.{decimals}f}"
