"""What may be changed in a scoreboard's index, within one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from harness.board.catalogue.query import clean
from harness.board.catalogue.tables import CARDS, ROWS, STATE, Card, Prepared, to_json


class Changes:
    """One transaction; made by `harness.board.catalogue.Catalogue.changing`.

    Args:
        connection: within a transaction.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        self._put_row, self._put_card = (_upsert(table, mark) for table in (ROWS, CARDS))

    def state(self, name: str) -> str | None:
        """A note that was kept with the rows; None where there is none."""
        found = self._connection.execute(sa.select(STATE.c.value).where(STATE.c.name == name))
        value: str | None = found.scalar_one_or_none()
        return value

    def set_state(self, name: str, value: str) -> None:
        """Keep a note: it holds exactly as long as the changes that it stands beside."""
        self._connection.execute(STATE.delete().where(STATE.c.name == name))
        self._connection.execute(STATE.insert().values(name=name, value=value))

    def card(self, key: str) -> Card | None:
        """Everything about one row, withdrawn or not, with the changes that were made so far."""
        found = self._connection.execute(sa.select(CARDS).where(CARDS.c.id == clean(key))).one_or_none()
        return None if found is None else Card.from_json(found.card, found.withdrawn)

    def put(self, cards: Iterable[Card]) -> None:
        """Add rows, or replace those of the same id."""
        self.write([card.prepared() for card in cards])

    def write(self, cards: Sequence[Prepared]) -> None:
        """As `put`, with cards that somebody prepared."""
        # Straight to the driver: a statement compiler's care would double the time of a million rows.
        texts = [(card.id, card.text, card.withdrawn) for card in cards]
        if texts:
            self._connection.exec_driver_sql(self._put_card, texts)
        standing = [card.columns for card in cards if card.columns is not None]
        if standing:
            self._connection.exec_driver_sql(self._put_row, standing)
        self._remove((ROWS,), [card.id for card in cards if card.columns is None])

    def withdraw(self, key: str, note: dict[str, Any]) -> None:
        """Take a row out of every list; its card stays, with the note."""
        self._remove((ROWS,), [key])
        self._connection.execute(CARDS.update().where(CARDS.c.id == key).values(withdrawn=to_json(note)))

    def remove_published(self) -> None:
        """Take out the published rows, to put those of today in their place."""
        old = sa.select(ROWS.c.id).where(ROWS.c.origin == "published")
        self._remove((ROWS, CARDS), list(self._connection.execute(old).scalars()))

    def _remove(self, tables: tuple[sa.Table, ...], keys: list[str]) -> None:
        for table in tables:
            if keys:
                gone = table.delete().where(table.c.id == sa.bindparam("gone"))
                self._connection.execute(gone, [{"gone": key} for key in keys])


def _upsert(table: sa.Table, mark: str) -> str:
    """SQL that both databases know; every name in it is ours."""
    names = [column.name for column in table.c if column is not ROWS.c.number]
    fresh = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}) "  # noqa: S608
        f"ON CONFLICT (id) DO UPDATE SET {fresh}"
    )
