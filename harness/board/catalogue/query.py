"""What a reader of the scoreboard may ask for: filters, an order, and where the next page begins."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

from harness.board.columns import AXES, COLUMNS, is_energy
from harness.board.row import USABLE, VERDICTS
from harness.errors import BadInputError
from harness.metrics import Better

NUMBERS = ("devices", *(column.id for column in COLUMNS))
"""Columns of figures: what the table shows; a row's other figures stand in its JSON only."""
TEXTS = ("model", "system", "kind", "origin", "verdict", "started_utc", "marks")
SORTS = tuple(name for name in (*TEXTS, *NUMBERS) if name not in ("kind", "origin"))
"""Every column that rows can be sorted by; each costs an index."""
FILTERS = ("model", "system", "kind", "origin")
"""Columns that are filtered by one exact value."""
SEARCHED = ("model", "system", "marks", "id")
"""Columns that a text is looked for in."""
ANY, NO_MARK = "any", "none"
LONGEST_TEXT = 200
"""Characters of a text column; an index bounds what it can hold, and the row's JSON has the whole of it."""
LARGEST_PAGE = 500
_LONGEST_MARK = 2000
_LARGEST_NUMBER = 2**63 - 1  # that a database holds


@dataclass(frozen=True)
class Query:
    """Which rows, in which order.

    Attributes:
        model: exact name; None for all. So with `system`, `kind` and `origin`.
        verdict: one of `VERDICTS`, "any", or None for those that may be shown without asking (`USABLE`).
        mark: only rows that wear this mark ("virtual"); "emulated" stands for every emulated device, "wire" for every
            rounding one, "computed" for every other runtime or precision, "none" for no mark at all.
        without: only rows that do not wear this mark.
        text: only rows that hold it in one of `SEARCHED`, in small or capital letters.
        sort: one of `SORTS`.
        descending: the largest first; rows without the value come last in both directions.

    Raises:
        BadInputError: a column or a verdict that does not exist.
    """

    model: str | None = None
    system: str | None = None
    kind: str | None = None
    origin: str | None = None
    verdict: str | None = None
    mark: str | None = None
    without: str | None = None
    text: str = ""
    sort: str = "started_utc"
    descending: bool = True

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise BadInputError(f"rows cannot be sorted by {clean(self.sort)!r}", f"one of {', '.join(SORTS)}")
        verdicts = (*VERDICTS, ANY)
        if self.verdict is not None and self.verdict not in verdicts:
            raise BadInputError(f"there is no verdict {clean(self.verdict)!r}", f"one of {', '.join(verdicts)}")

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Verdicts of the rows that are asked for."""
        if self.verdict is None:
            return USABLE
        return VERDICTS if self.verdict == ANY else (self.verdict,)


@dataclass(frozen=True)
class Mark:
    """The last row of a page: the next one begins after it.

    Attributes:
        value: what it holds in the column that is sorted by; None where it has none.
        number: of its row, which decides between equal values.
    """

    value: str | float | None
    number: int


def write_mark(query: Query, mark: Mark) -> str:
    """The mark as a text that may stand in an address."""
    document = [query.sort, query.descending, mark.value, mark.number]
    return base64.urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).decode().rstrip("=")


def read_mark(query: Query, text: str) -> Mark:
    """The mark that `write_mark` wrote for the same order.

    Raises:
        BadInputError: it is none, or one of another order.
    """
    wrong = BadInputError("the mark of the next page is not one of this order", "begin again with the first page")
    if len(text) > _LONGEST_MARK:
        raise wrong
    try:
        document: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        sort, descending, value, row = document
    except (ValueError, TypeError, RecursionError):
        raise wrong from None
    if not isinstance(document, list) or [sort, descending] != [query.sort, query.descending]:
        raise wrong
    fits = isinstance(value, str) if query.sort in TEXTS else number(value) is not None
    numbered = isinstance(row, int) and 0 <= row <= _LARGEST_NUMBER
    if not numbered or not (fits or (value is None and query.sort in NUMBERS)):
        raise wrong
    return Mark(clean(value) if isinstance(value, str) else number(value), row)


def clean(text: str) -> str:
    """A text as a column holds it: no NUL and no half surrogates (databases refuse them), short enough for an index."""
    if len(text) <= LONGEST_TEXT and text.isascii() and "\0" not in text:
        return text
    return text[:LONGEST_TEXT].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def number(value: Any) -> float | None:
    """A finite float, or None for whatever is no such number."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def axes(x: str, y: str) -> tuple[Better, Better, bool]:
    """Which way two metrics are better, and whether one of them is an energy.

    Raises:
        BadInputError: one is no axis of the plots, or both are the same.
    """
    known = {axis.id: axis.metric.better for axis in AXES}
    for name in (x, y):
        if name not in known:
            raise BadInputError(f"there is no frontier over {clean(name)!r}", f"one of {', '.join(known)}")
    if x == y:
        raise BadInputError(f"a frontier needs two metrics, and both are {x}", "name another one")
    return known[x], known[y], is_energy(x) or is_energy(y)
