"""The index of a scoreboard with many rows: what is sorted and filtered stands in columns, the rest in JSON.

It is made of the files and of nothing else, so it can be thrown away and made again at any time. SQLite serves one
machine, PostgreSQL many users; both answer the same questions in the same order.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from harness.board.catalogue.changes import Changes
from harness.board.catalogue.database import CACHE_KIB, open_database
from harness.board.catalogue.frontier import frontier_keys
from harness.board.catalogue.query import (
    FILTERS,
    LARGEST_PAGE,
    NUMBERS,
    SORTS,
    Mark,
    Query,
    clean,
    read_mark,
    write_mark,
)
from harness.board.catalogue.tables import CARDS, INDEXES, ROWS, STATE, TABLES, Card, Prepared, documents_of, where
from harness.board.row import Row
from harness.errors import BadInputError

__all__ = ["Card", "Catalogue", "Changes", "Page"]

LAYOUT = "2"
"""Version of the tables; others are made again."""
_BATCH = 5000
_ROOMY_KIB = 512 * 1024  # while all is made anew; afterwards as little as before
_LOCK = 1768912978


@dataclass(frozen=True)
class Page:
    """Some rows, and what to ask with for those around them.

    Attributes:
        documents: rows in the order that was asked for, as `Row.to_document` wrote them.
        previous: the mark to go back from; None on the first page.
        next: the mark to go on from; None on the last page.
    """

    documents: tuple[dict[str, Any], ...]
    previous: str | None
    next: str | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows."""
        return tuple(map(Row.from_document, self.documents))


class Catalogue:
    """The rows of a scoreboard.

    Args:
        url: a path of SQLite ("sqlite:///board.sqlite") or an address of PostgreSQL.

    Raises:
        BadInputError: the database cannot be opened, or is of a kind that is not supported.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        with self._writing() as connection:
            TABLES.create_all(connection)
            changes = Changes(connection)
            layout = changes.state("layout")
            if layout not in (None, LAYOUT):
                TABLES.drop_all(connection)
                TABLES.create_all(connection)
            if layout != LAYOUT:
                changes.set_state("layout", LAYOUT)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def changing(self) -> Iterator[Changes]:
        """All changes of the block at once, or none of them; other writers wait."""
        with self._writing() as connection:
            yield Changes(connection)

    def rebuild(self, cards: Iterable[Card | Prepared], **state: str) -> int:
        """Throw all rows away and make them again; readers see the old ones until all new ones are there.

        Args:
            cards: of every row, in any order; a later one of the same id replaces an earlier one.
            state: what `Changes.state` is to answer afterwards.

        Returns:
            How many cards there were.
        """
        count = 0
        with self._writing() as connection, _without_cycles():
            for table in (ROWS, CARDS, STATE):
                table.drop(connection)
            TABLES.create_all(connection)
            for index in INDEXES:
                index.drop(connection)
            changes = Changes(connection)
            roomy = connection.dialect.name == "sqlite"
            if roomy:
                connection.exec_driver_sql(f"PRAGMA cache_size=-{_ROOMY_KIB}")
            for batch in _batched(cards):
                changes.write([one if isinstance(one, Prepared) else one.prepared() for one in batch])
                count += len(batch)
            # One sorted pass for each index is several times quicker than keeping it up row by row.
            for index in INDEXES:
                index.create(connection)
            for name, value in {"layout": LAYOUT, **state}.items():
                changes.set_state(name, value)
            if roomy:
                connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE_KIB}")
        self.analyze()
        return count

    def analyze(self) -> None:
        """Let the database count its values, by which it chooses an index."""
        with self._writing() as connection:
            # Of all rows: a sample takes VALID, nearly every row, for a rare value, and pages go the wrong way round.
            connection.execute(sa.text("ANALYZE"))

    def card(self, key: str) -> Card | None:
        """Everything about one row, withdrawn or not; None where there is none."""
        with self._engine.connect() as connection:
            return Changes(connection).card(key)

    def page(self, query: Query, mark: str | None = None, limit: int = 100, *, back: bool = False) -> Page:
        """Rows that follow a mark, by keyset: page 10,000 costs what page 1 costs.

        Args:
            query: which rows, in which order.
            mark: of a page that was read before; None for the first page.
            limit: most rows.
            back: the rows before the mark instead, in the same order.

        Raises:
            BadInputError: the mark is not one of this order, or the limit is out of bounds.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise BadInputError(f"a page of {limit} rows cannot be had", f"between 1 and {LARGEST_PAGE}")
        begin = read_mark(query, mark) if mark else None
        found: list[Any] = []
        with self._engine.connect() as connection:
            for statement in _portions(query, begin, back=back):
                if len(found) <= limit:
                    found += connection.execute(statement.limit(limit + 1 - len(found))).all()
            more, found = len(found) > limit, found[:limit]
            if back:
                found.reverse()
            documents = documents_of(connection, [one[0] for one in found])
        edges = [write_mark(query, Mark(one[2], one[1])) for one in (found[0], found[-1])] if found else ["", ""]
        before, after = (more, begin is not None) if back else (begin is not None, more)
        return Page(documents, edges[0] if before and found else None, edges[1] if after and found else None)

    def count(self, query: Query) -> int:
        """How many rows a query has on all its pages."""
        with self._engine.connect() as connection:
            return int(
                connection.execute(sa.select(sa.func.count()).select_from(ROWS).where(*where(query))).scalar_one()
            )

    def values(self, column: str, limit: int = 200) -> tuple[str, ...]:
        """The different values of a column that is filtered by, sorted; the first `limit` of them."""
        if column not in FILTERS or column not in SORTS:
            raise BadInputError(f"the values of {clean(column)!r} are not listed", "model or system")
        found: list[str] = []
        smallest = sa.select(sa.func.min(ROWS.c[column]))
        with self._engine.connect() as connection:
            # A jump along the index for each value, where DISTINCT would read all rows.
            value = connection.execute(smallest).scalar_one()
            while value is not None and len(found) < limit:
                found.append(value)
                value = connection.execute(smallest.where(ROWS.c[column] > value)).scalar_one()
        return tuple(found)

    def frontier(self, query: Query, x: str, y: str, limit: int = LARGEST_PAGE) -> tuple[Row, ...]:
        """Rows that no other of the same model and basis (`Row.basis`) beats in both metrics, over the whole table.

        A row is beaten by one that is at least as good in both and better in one; equal rows stand together. Rows that
        lack one of the two are left out.

        Args:
            query: which rows compete; its order does not matter.
            x: one of `harness.board.columns.AXES`.
            y: another one.
            limit: how many rows are returned at most.

        Returns:
            Rows by model and basis, and from the best `x` to the worst.

        Raises:
            BadInputError: a metric has no better direction.
        """
        with self._engine.connect() as connection:
            documents = documents_of(connection, frontier_keys(connection, query, x, y, limit))
        return tuple(map(Row.from_document, documents))

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            # SQLite has one writer anyhow; here two that start at once must not both make the tables.
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection


def _portions(query: Query, begin: Mark | None, *, back: bool) -> list[sa.Select[Any]]:
    """Statements whose rows, one behind the other, are what follows a mark: rows with a value, then those without."""
    column, key = ROWS.c[query.sort], ROWS.c.number
    falling = query.descending != back
    chosen = sa.select(ROWS.c.id, key, column).where(*where(query))
    chosen = chosen.order_by(column.desc(), key.desc()) if falling else chosen.order_by(column, key)
    portions = []
    for empty in (False, True) if query.sort in NUMBERS else (False,):
        portion = chosen.where(column.is_(None) if empty else column.is_not(None))
        if begin is not None and empty == (begin.value is None):
            here, there = (
                (key, sa.literal(begin.number))
                if empty
                else (
                    sa.tuple_(column, key),
                    sa.tuple_(sa.literal(begin.value), sa.literal(begin.number)),
                )
            )
            portion = portion.where(here < there if falling else here > there)
        elif begin is not None and empty == back:
            continue  # this portion lies wholly on the other side of the mark
        portions.append(portion)
    return portions[::-1] if back else portions


@contextmanager
def _without_cycles() -> Iterator[None]:
    """No search for cycles: a million small documents have none, and looking takes longer than reading them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _batched(cards: Iterable[Card | Prepared]) -> Iterator[tuple[Card | Prepared, ...]]:
    remaining = iter(cards)
    while batch := tuple(itertools.islice(remaining, _BATCH)):
        yield batch
