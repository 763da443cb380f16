"""A farm driven by hand: the test sends the tensors and takes the results, and may stand anything in between."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from farms import Farm

from harness.errors import FarmError
from harness.farm.config import NODE_PORT, Address
from harness.partition.paper import partition
from harness.rpc.client import RpcClient
from harness.rpc.identity import Identity
from harness.rpc.lane import Parcel
from harness.rpc.limits import Limits
from harness.rpc.outbox import Outbox
from harness.rpc.server import RpcServer

ANSWER_S = 30.0
"""Generous: a machine may be busy with other things."""
FIRST, LAST = "block1", "block3"
"""The roles of alexnet-5 that take the frame, and that join two halves and give the result."""


class Results:
    """What the nodes take for the initial: keeps a digest of every result, by frame."""

    def __init__(self) -> None:
        self.came: dict[int, list[str]] = {}

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002
        """Keep a result."""
        assert next == "initial"
        self.came.setdefault(Identity.parse(tag).frame, []).append(hashlib.sha256(input).hexdigest())


class Work:
    """One run by hand on a farm that is up.

    Attributes:
        run: its name.
        results: digests of what came back, by frame.
    """

    def __init__(self, farm: Farm, model: str) -> None:
        self._farm = farm
        self._cut = partition(farm.partition)
        self._model = model
        self._results = Results()
        self.run = ""

    @property
    def results(self) -> dict[int, list[str]]:
        """Digests of the results so far."""
        return self._results.came

    def address(self, role: str, part: int = 0) -> Address:
        """Where a node of a role is."""
        return Address.parse(self._farm.document()[role][part], NODE_PORT)

    async def begin(self) -> None:
        """A new run on every node."""
        self.run = secrets.token_hex(8)
        self.results.clear()
        for role, addresses in self._farm.document().items():
            for part in range(len(addresses) if role != "initial" else 0):
                await self.call(role, "begin", {"run": self.run}, part)

    async def call(self, role: str, message: str, request: dict[str, Any], part: int = 0) -> Any:
        """Ask one node over a connection of its own."""
        where = self.address(role, part)
        client = RpcClient(where.host, where.port)
        try:
            return await client.call(message, request, ANSWER_S)
        finally:
            await client.close()

    async def statistics(self, role: str) -> dict[str, Any]:
        """What a node counted in this run."""
        counted: dict[str, Any] = await self.call(role, "statistics", {"run": self.run})
        return counted

    def tag(self, frame: int, role: str = FIRST, part: int = 0) -> str:
        """The identity of what a role takes for a frame: the whole of it, or one of its halves."""
        tensor = self._cut.inputs(role)[0]
        return str(Identity(self.run, frame, tensor, part, self._cut.parts_of(tensor), self._model))

    def parcel(self, frame: int, role: str = FIRST, part: int = 0) -> tuple[bytes, str, str]:
        """That tensor with its role and identity."""
        return self.tensor(frame, role, part), role, self.tag(frame, role, part)

    def tensor(self, frame: int, role: str = FIRST, part: int = 0) -> bytes:
        """Bytes for that tensor, of its own for each frame and part."""
        tensor = self._cut.inputs(role)[0]
        chance = np.random.default_rng((frame, part))
        shape = self._cut.message_shape(tensor)
        if self._cut.graph.dtype(tensor) == "uint8":
            return chance.integers(0, 256, shape, np.uint8).tobytes()
        return chance.random(shape, np.float32).tobytes()

    async def until(self, frames: int) -> None:
        """Wait until so many frames have a result."""
        async with asyncio.timeout(ANSWER_S):
            while len(self.results) < frames:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def plain(self, frames: int, role: str = FIRST) -> dict[int, list[str]]:
        """The results of so many frames in a run of their own in which nothing goes wrong: what all others must be."""
        await self.begin()
        for frame in range(frames):
            for part in range(self._cut.parts_of(self._cut.inputs(role)[0])):
                request = {"input": self.tensor(frame, role, part), "next": role, "tag": self.tag(frame, role, part)}
                await self.call(role, "forward", request)
        await self.until(frames)
        return {frame: list(digests) for frame, digests in self.results.items()}


@asynccontextmanager
async def work(farm: Farm) -> AsyncIterator[Work]:
    """Take the place of a farm's initial for the block."""
    document = farm.document()
    first = Address.parse(document[FIRST][0], NODE_PORT)
    client = RpcClient(first.host, first.port)
    described = await client.call("describe", {}, ANSWER_S)
    await client.close()
    given = Work(farm, described["model_fingerprint"])
    initial = Address.parse(document["initial"][0], NODE_PORT)
    server = RpcServer(given._results, Limits(max_message_bytes=10**6))
    await server.start((initial.host, initial.port))
    try:
        yield given
    finally:
        await server.close()


async def deliver(outbox: Outbox, where: tuple[str, int], *parcels: tuple[bytes, str, str]) -> list[FarmError | None]:
    """Hand payloads, each with role and tag, over as the farm does: in order; says what became of each."""
    loop = asyncio.get_running_loop()
    told: list[asyncio.Future[FarmError | None]] = []
    for payload, role, tag in parcels:
        future: asyncio.Future[FarmError | None] = loop.create_future()
        told.append(future)
        done = functools.partial(loop.call_soon_threadsafe, future.set_result)
        outbox.put(Address(*where), Parcel(payload, role, tag, done))
    return await asyncio.wait_for(asyncio.gather(*told), ANSWER_S)
