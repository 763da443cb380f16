"""Source and sink of a chain: keeps frames in flight, and compares each that comes back with what was sent."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contestant import BenchmarkError
from benchmarks.scaling.chain import HOP_BYTES, MODEL
from harness.bench.nodes import Nodes
from harness.errors import FarmError
from harness.models.graph import FRAME
from harness.partition.partition import INITIAL
from harness.plan.plan import Plan
from harness.rpc.errors import RemoteError
from harness.rpc.identity import BY_NUMBER, Identity
from harness.rpc.lane import Parcel
from harness.rpc.limits import Limits
from harness.rpc.outbox import Outbox
from harness.rpc.server import RpcServer

_IMAGES = 8
_STALL_S = 30.0
_WARM_UP_ROUNDS = 2


class ChainSource:
    """Sends frames into a chain and takes them back, on the running event loop.

    Frames name no way, as those of senders that know no table do: a way of more than 64 stops fits into no tag.

    Args:
        plan: the chain.
        in_flight: frames under way at once.
    """

    def __init__(self, plan: Plan, in_flight: int) -> None:
        generator = np.random.default_rng(len(plan.placements))
        self._images = [generator.bytes(HOP_BYTES) for _ in range(_IMAGES)]
        self._plan = plan
        self._in_flight = in_flight
        self._first = plan.placements[0]
        self._nodes = Nodes(plan)
        self._outbox = Outbox()
        handlers: Any = self
        self._server = RpcServer(handlers, Limits.for_input(HOP_BYTES))
        self._run = ""
        self._next = self._out = 0
        self._sending = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self.returned = 0
        """Frames that came back as they were sent."""

    async def start(self) -> None:
        """Listen, and begin a run on every node."""
        await self._server.start((self._plan.farm.initial.host, self._plan.farm.initial.port))
        self._run = secrets.token_hex(8)
        await self._nodes.begin(self._run)
        self._tag_of = Identity(self._run, 0, FRAME, 0, 1, MODEL).tags()

    async def close(self) -> None:
        """Let go of the chain."""
        await self._nodes.close()
        await self._outbox.close()
        await self._server.close()

    async def measure(self, run_s: float, look: Callable[[], float]) -> tuple[int, float, float]:
        """Keep the chain full, and look at it in the middle of the work.

        Args:
            run_s: seconds between the two looks.
            look: gives the processor time of all nodes.

        Returns:
            Frames that came back between the looks, seconds, and processor time of the nodes in seconds.

        Raises:
            BenchmarkError: a frame was not delivered, came back changed, or nothing comes back.
        """
        self._sending = True
        for _ in range(self._in_flight):
            self._send()
        warm = self.returned + _WARM_UP_ROUNDS * self._in_flight
        await self._until(lambda: self.returned >= warm)
        begin_s, frames, cpu_s = time.perf_counter(), self.returned, look()
        await asyncio.sleep(run_s)
        elapsed_s, frames, cpu_s = time.perf_counter() - begin_s, self.returned - frames, look() - cpu_s
        self._sending = False
        await self._until(lambda: self._out == 0)
        return frames, elapsed_s, cpu_s

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached() and self._failure is None:
            self._changed.clear()
            try:
                async with asyncio.timeout(_STALL_S):
                    await self._changed.wait()
            except TimeoutError:
                why = await self._nodes.explain_stall(self._run, _STALL_S)
                raise BenchmarkError(f"{self._plan.partition.name}: {why}") from None
        if self._failure is not None:
            raise BenchmarkError(f"{self._plan.partition.name}: {self._failure}")

    def _send(self) -> None:
        frame, self._next = self._next, self._next + 1
        self._out += 1
        parcel = Parcel(self._images[frame % _IMAGES], self._first.role, self._tag_of(frame, BY_NUMBER), self._done)
        self._outbox.put(self._first.address, parcel)

    def _done(self, error: FarmError | None) -> None:
        if error is not None:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._changed.set()

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002  the protocol's names
        """Take a frame that has gone all the way."""
        identity = Identity.parse(tag)
        if next != INITIAL or identity.run != self._run:
            raise RemoteError(f"not a result of this run: {tag}")
        if input != self._images[identity.frame % _IMAGES]:
            self._fail(BenchmarkError(f"frame {identity.frame} came back changed"))
        self.returned += 1
        self._out -= 1
        if self._sending:
            self._send()
        if self.returned % self._in_flight == 0 or not self._out:
            self._changed.set()
