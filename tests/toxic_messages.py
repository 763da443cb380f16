"""Toxics for whole HTTP messages: what comes twice, and what comes in another order.

Only messages with a Content-Length are known here, as Avro over HTTP sends them.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from toxics import Chunk, Chunks, Toxic, Wire

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+) *\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


async def messages(chunks: Chunks) -> Chunks:
    """The bytes again, cut where a message ends; what is left unfinished at the end comes as it is."""
    held = bytearray()
    came_s = 0.0
    async for chunk in chunks:
        held += chunk.data
        came_s = chunk.came_s
        while (end := held.find(_HEAD_END)) >= 0:
            length = _LENGTH.search(held, 0, end + len(_HEAD_END))
            size = end + len(_HEAD_END) + (int(length[1]) if length else 0)
            if len(held) < size:
                break
            yield Chunk(bytes(held[:size]), came_s)
            del held[:size]
    if held:
        yield Chunk(bytes(held), came_s)


@dataclass(kw_only=True, eq=False)
class Duplicate(Toxic):
    """Messages come twice.

    Upstream a request reaches the server twice, and the client sees one answer; downstream an answer reaches the
    client twice.

    Attributes:
        share: of the messages.
        count: messages that were doubled so far.
    """

    share: float = 1.0
    count: int = 0

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: D102
        extra = self._extra(wire)
        async for message in messages(chunks):
            extra.append(False)
            yield message
            if self.on and wire.chance.random() < self.share:
                self.count += 1
                extra.append(True)
                yield message

    async def back(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: D102
        if self.stream == "downstream":
            async for chunk in chunks:
                yield chunk
            return
        extra = self._extra(wire)
        async for answer in messages(chunks):
            if not (extra and extra.popleft()):
                yield answer

    def _extra(self, wire: Wire) -> deque[bool]:
        return cast("deque[bool]", wire.notes.setdefault(self, deque()))


@dataclass
class _Held:
    """A request that waits for its turn."""

    number: int
    turn: asyncio.Future[None]
    answered: asyncio.Future[None]


@dataclass(kw_only=True, eq=False)
class Reorder(Toxic):
    """Requests of several connections reach the server in another order than they came.

    So many are held back until they are let go one after the other, shuffled, each once the one before is answered.
    Requests of one connection keep their order. Upstream only.

    Attributes:
        window: how many are held.
        hold_s: the longest that they wait for each other, and that one waits for the answer of the one before.
        released: of each batch the numbers of its requests, in the order in which they were let go.
    """

    window: int
    hold_s: float = 0.5
    released: list[list[int]] = field(default_factory=list)

    def begin(self, seed: str) -> None:  # noqa: D102
        assert self.stream == "upstream", "answers of different connections have no order"
        self._chance = random.Random(seed)
        self._held: list[_Held] = []
        self._came = 0
        self._timer: asyncio.TimerHandle | None = None
        self._letting_go: set[asyncio.Task[None]] = set()

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: D102
        waiting = self._waiting(wire)
        async for request in messages(chunks):
            if self.on:
                held = self._hold()
                await held.turn
                waiting.append(held.answered)
            else:
                waiting.append(asyncio.get_running_loop().create_future())
            yield request

    async def back(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: D102
        waiting = self._waiting(wire)
        async for answer in messages(chunks):
            if waiting and not (answered := waiting.popleft()).done():
                answered.set_result(None)
            yield answer

    def _waiting(self, wire: Wire) -> deque[asyncio.Future[None]]:
        return cast("deque[asyncio.Future[None]]", wire.notes.setdefault(self, deque()))

    def _hold(self) -> _Held:
        loop = asyncio.get_running_loop()
        held = _Held(self._came, loop.create_future(), loop.create_future())
        self._came += 1
        self._held.append(held)
        if len(self._held) >= self.window:
            self._let_go()
        elif len(self._held) == 1:
            self._timer = loop.call_later(self.hold_s, self._let_go)
        return held

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        batch, self._held = self._held, []
        self._chance.shuffle(batch)
        self.released.append([held.number for held in batch])
        task = asyncio.get_running_loop().create_task(self._one_by_one(batch))
        self._letting_go.add(task)
        task.add_done_callback(self._letting_go.discard)

    async def _one_by_one(self, batch: list[_Held]) -> None:
        for held in batch:
            if not held.turn.done():  # its connection may have gone
                held.turn.set_result(None)
                await asyncio.wait({held.answered}, timeout=self.hold_s)
