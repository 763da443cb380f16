"""Reads a whole journal for a new index; of a long one, another process reads ahead while this one writes."""

from __future__ import annotations

import gc
import multiprocessing
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from harness.board.catalogue.tables import Card, Prepared
from harness.board.service.store import event_of, lines_between

_LONG_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 8 * 1024 * 1024
_AHEAD = 3


def card_of(line: bytes, withdrawn: Mapping[str, dict[str, Any]]) -> Card | None:
    """The card of a stored record; None for another event, or for one that an older program wrote differently.

    Args:
        line: of the journal.
        withdrawn: id -> the event that took it back.
    """
    event = event_of(line)
    if event is None or event.get("event") != "stored":
        return None
    # The line itself is kept as the card's text: a million of them are written soonest as they are.
    card = Card(event["row"], event, withdrawn.get(event["id"]), line.decode())
    return card if card.fits else None


def prepared_cards(journal: Path, end: int) -> Iterator[Prepared]:
    """Every record of a journal, ready to be written into an index, in its order.

    Args:
        journal: its file.
        end: how many bytes of it are read.
    """
    withdrawn = {}
    for _, line in lines_between(journal, 0, end):
        if b'"withdrawn"' in line and (event := event_of(line)) and event.get("event") == "withdrawn":
            withdrawn[event["id"]] = event
    pieces = [(start, min(start + _PIECE_BYTES, end)) for start in range(0, end, _PIECE_BYTES)]
    if end < _LONG_BYTES:
        for piece in pieces:
            yield from _prepare(journal, *piece, withdrawn)
        return
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), gc.disable) as reader:
        ahead: deque[Future[list[Prepared]]] = deque()
        for piece in pieces:
            ahead.append(reader.submit(_prepare, journal, *piece, withdrawn))
            if len(ahead) > _AHEAD:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()


def _prepare(journal: Path, start: int, end: int, withdrawn: Mapping[str, dict[str, Any]]) -> list[Prepared]:
    cards = (card_of(line, withdrawn) for _, line in lines_between(journal, start, end))
    return [card.prepared() for card in cards if card is not None]
