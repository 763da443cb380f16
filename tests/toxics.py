"""What a bad network does to one connection: seven toxics with the names and meaning of Shopify's toxiproxy."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Stream = Literal["upstream", "downstream"]
_SLICE_S = 0.02


class Chunk(NamedTuple):
    """Bytes, and when they came (the loop's clock, s)."""

    data: bytes
    came_s: float


Chunks = AsyncIterator[Chunk]


class Cut(Exception):  # noqa: N818  an event, not an error
    """A toxic ends the connection: in order, or with a reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass
class Wire:
    """One direction of one connection, as a toxic sees it.

    Attributes:
        number: of the connection, from 0.
        chance: this wire's own source of chance for this toxic.
        notes: what a toxic keeps about this connection; shared by its two directions.
    """

    number: int
    chance: random.Random
    notes: dict[object, object] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Toxic:
    """Lets everything pass; the base of all others.

    Attributes:
        stream: which direction suffers: "upstream" is from client to server.
        toxicity: share of the connections that have it.
        first: only so many connections have it, counted from the proxy's start; None for all.
        on: whether it acts now.
    """

    stream: Stream = "downstream"
    toxicity: float = 1.0
    first: int | None = None
    on: bool = True

    def begin(self, seed: str) -> None:
        """The proxy starts."""

    def stage(self, wire: Wire, chunks: Chunks) -> Chunks:
        """What becomes of the bytes of its own direction."""
        del wire
        return chunks

    def back(self, wire: Wire, chunks: Chunks) -> Chunks:
        """What becomes of the bytes of the other direction."""
        del wire
        return chunks

    async def watch(self) -> None:
        """Runs beside the connection; may raise `Cut`."""


@dataclass(kw_only=True, eq=False)
class Latency(Toxic):
    """Everything comes later: by `latency_s`, give or take `jitter_s`; in order."""

    latency_s: float
    jitter_s: float = 0.0

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: D102
        async for chunk in chunks:
            if self.on:
                late_s = self.latency_s + wire.chance.uniform(-self.jitter_s, self.jitter_s)
                await _sleep_until(chunk.came_s + late_s)
            yield chunk


@dataclass(kw_only=True, eq=False)
class Bandwidth(Toxic):
    """At most so many bytes a second."""

    bytes_per_s: float

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: ARG002, D102
        free_s = 0.0
        async for chunk in chunks:
            size = max(1, int(self.bytes_per_s * _SLICE_S)) if self.on else len(chunk.data)
            for piece in _pieces(chunk.data, size):
                if self.on:
                    free_s = max(free_s, now_s()) + len(piece) / self.bytes_per_s
                    await _sleep_until(free_s)
                yield Chunk(piece, now_s())


@dataclass(kw_only=True, eq=False)
class LimitData(Toxic):
    """So many bytes pass, then the connection is closed; with `reset` it is reset instead."""

    limit_bytes: int
    reset: bool = False

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: ARG002, D102
        left = self.limit_bytes
        if self.on and left == 0:
            raise Cut(reset=self.reset)
        async for chunk in chunks:
            if not self.on:
                yield chunk
                continue
            piece, left = chunk.data[:left], left - len(chunk.data)
            if piece:
                yield Chunk(piece, chunk.came_s)
            if left <= 0:
                raise Cut(reset=self.reset)


@dataclass(kw_only=True, eq=False)
class ResetPeer(Toxic):
    """The connection is reset (RST, unsent bytes lost) when it is `after_s` old."""

    after_s: float = 0.0

    async def watch(self) -> None:  # noqa: D102
        await asyncio.sleep(self.after_s)
        await _until(self, on=True)
        raise Cut(reset=True)


@dataclass(kw_only=True, eq=False)
class Slicer(Toxic):
    """Bytes come in pieces of `average_bytes`, give or take `variation_bytes`, with a pause after each."""

    average_bytes: int
    variation_bytes: int = 0
    pause_s: float = 0.0

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: D102
        async for chunk in chunks:
            rest = chunk.data
            while self.on and rest:
                size = self.average_bytes + wire.chance.randint(-self.variation_bytes, self.variation_bytes)
                piece, rest = rest[: max(1, size)], rest[max(1, size) :]
                yield Chunk(piece, now_s())
                await asyncio.sleep(self.pause_s)
            if rest:
                yield Chunk(rest, chunk.came_s)


@dataclass(kw_only=True, eq=False)
class SlowClose(Toxic):
    """The end of the stream is told `delay_s` late."""

    delay_s: float

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: ARG002, D102
        async for chunk in chunks:
            yield chunk
        if self.on:
            await asyncio.sleep(self.delay_s)


@dataclass(kw_only=True, eq=False)
class Timeout(Toxic):
    """Nothing comes through, not even an end; the connection is closed when it is `after_s` old, never if None."""

    after_s: float | None = None

    async def stage(self, wire: Wire, chunks: Chunks) -> Chunks:  # noqa: ARG002, D102
        async for chunk in chunks:
            if not self.on:
                yield chunk
        await _until(self, on=False)

    async def watch(self) -> None:  # noqa: D102
        if self.after_s is not None:
            await asyncio.sleep(self.after_s)
            await _until(self, on=True)
            raise Cut(reset=False)


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[begin : begin + size] for begin in range(0, len(data), size))


def now_s() -> float:
    """The time of the running loop."""
    return asyncio.get_running_loop().time()


async def _sleep_until(when_s: float) -> None:
    await asyncio.sleep(max(0.0, when_s - now_s()))


async def _until(toxic: Toxic, *, on: bool) -> None:
    while toxic.on != on:  # noqa: ASYNC110  a test in another thread switches it
        await asyncio.sleep(_SLICE_S)
