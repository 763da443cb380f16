"""The tables of a scoreboard's index, and how a row fills them."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import sqlalchemy as sa

from harness.board.catalogue.query import FILTERS, NO_MARK, NUMBERS, SEARCHED, SORTS, TEXTS, Query, clean, number
from harness.board.columns import DECLARED
from harness.board.row import EMULATED, PUBLISHED, WIRE, Row

TABLES = sa.MetaData()
# Compared byte by byte everywhere: a locale would sort one way here and another there.
_Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROWS = sa.Table(
    "board_rows",
    TABLES,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("id", _Text, nullable=False, unique=True),
    *(sa.Column(name, _Text, nullable=False) for name in TEXTS),
    *(sa.Column(name, sa.Double) for name in NUMBERS),
    sa.Column("basis", _Text, nullable=False),
    sa.Column("energy_basis", _Text, nullable=False),
)
"""What is sorted and filtered; rows that were withdrawn are not in it. Of equal rows the number decides, which the
database gives: in an index it costs a third of what an id does."""
CARDS = sa.Table(
    "board_cards",
    TABLES,
    sa.Column("id", _Text, primary_key=True),
    sa.Column("card", sa.Text, nullable=False),
    sa.Column("withdrawn", sa.Text),
)
"""Everything that is kept of each row, as JSON."""
STATE = sa.Table("board_state", TABLES, sa.Column("name", _Text, primary_key=True), sa.Column("value", sa.Text))
INDEXES = tuple(sa.Index(f"board_rows_by_{name}", ROWS.c[name], ROWS.c.number) for name in SORTS)

_FIELDS = frozenset(one.name for one in fields(Row))
_PLAIN = tuple(name for name in TEXTS if name != "marks")
_plain_of = operator.itemgetter(*_PLAIN)
_FIGURES = tuple(name for name in NUMBERS if name != "devices")


class Prepared(NamedTuple):
    """A card as it is written.

    Attributes:
        id: of the row.
        text: row and more as JSON.
        columns: what is sorted and filtered (`columns_of`); None for a row that was withdrawn.
        withdrawn: the note of it as JSON; None for a row that stands.
    """

    id: str
    text: str
    columns: tuple[Any, ...] | None
    withdrawn: str | None


@dataclass(frozen=True)
class Card:
    """Everything that is kept of a row.

    Attributes:
        document: the row as `Row.to_document` writes it.
        more: what else its keeper noted (files, uploader, findings); plain data.
        withdrawn: who took it back, when and why; None for a row that stands.
        text: row and more as JSON, where somebody has them in this form already.
    """

    document: dict[str, Any]
    more: dict[str, Any]
    withdrawn: dict[str, Any] | None = None
    text: str | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, row: Row, more: dict[str, Any] | None = None) -> Card:
        """The card of a row."""
        return cls(row.to_document(), more or {})

    @property
    def id(self) -> str:
        """Of the row."""
        return str(self.document["id"])

    @property
    def row(self) -> Row:
        """What is shown (KeyError, TypeError or ValueError for a document that is none)."""
        return Row.from_document(self.document)

    @property
    def fits(self) -> bool:
        """Whether the document has the fields of today's rows; one of an older program may not."""
        return self.document.keys() == _FIELDS

    def prepared(self) -> Prepared:
        """As it is written."""
        text = self.text or to_json({**self.more, "row": self.document})
        if self.withdrawn is not None:
            return Prepared(self.id, text, None, to_json(self.withdrawn))
        return Prepared(self.id, text, columns_of(self.document), None)

    @classmethod
    def from_json(cls, text: str, withdrawn: str | None) -> Card:
        """The card whose text this is."""
        more = json.loads(text)
        more.pop("event", None)
        return cls(more.pop("row"), more, None if withdrawn is None else json.loads(withdrawn))


def columns_of(document: dict[str, Any]) -> tuple[Any, ...]:
    """The values of `ROWS` for a row's document, in the order of its columns, without the number."""
    marks, declared = document["marks"], document["declared"]
    figures = document["figures"] | {name: declared.get(name) for name in DECLARED}
    return (
        document["id"],
        *map(clean, map(str, _plain_of(document))),
        clean("".join(f"|{mark}|" for mark in marks)),
        number(document["devices"]),
        *map(number, map(figures.get, _FIGURES)),
        *_bases(document["origin"], tuple(marks)),
    )


def where(query: Query) -> list[sa.ColumnElement[bool]]:
    """The conditions of a query."""
    wanted = [ROWS.c[name] == clean(value) for name in FILTERS if (value := getattr(query, name)) is not None]
    wanted.append(ROWS.c.verdict.in_(query.verdicts))
    if query.text:
        parts = (ROWS.c[name].icontains(clean(query.text), autoescape=True) for name in SEARCHED)
        wanted.append(sa.or_(*parts))
    if query.mark is not None:
        wanted.append(_wears(query.mark) if query.mark != NO_MARK else ROWS.c.marks == "")
    if query.without is not None:
        wanted.append(sa.not_(_wears(query.without)))
    return wanted


def documents_of(connection: sa.Connection, keys: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """The rows of some ids as plain data, in their order."""
    cards = connection.execute(sa.select(CARDS.c.id, CARDS.c.card).where(CARDS.c.id.in_(keys))).all()
    found = {one.id: one.card for one in cards}
    return tuple(json.loads(found[key])["row"] for key in keys)


def to_json(document: dict[str, Any]) -> str:
    """Compact JSON."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _wears(mark: str) -> sa.ColumnElement[bool]:
    # These are followed by their object.
    begins = mark in (EMULATED, PUBLISHED, WIRE)
    return ROWS.c.marks.contains(f"|{clean(mark)}" if begins else f"|{clean(mark)}|", autoescape=True)


@functools.lru_cache(maxsize=1024)
def _bases(origin: str, marks: tuple[str, ...]) -> tuple[str, str]:
    """What rows with such marks must share to stand on one frontier: without an energy, and with one."""
    row = Row("", origin, "", "", "", "", 1, "", {}, "VALID", marks=marks)
    return clean(row.basis(())), clean(row.basis(("energy_total_j",)))


assert TEXTS[:-1] == _PLAIN, "columns_of writes the marks behind the other texts"
assert NUMBERS[0] == "devices", "columns_of writes the devices before the other numbers"
