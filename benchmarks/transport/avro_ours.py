"""This project's Avro RPC: the server of a node, and the ways to send that its nodes and its commands use."""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import select
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from benchmarks.contestant import BenchmarkError
from benchmarks.transport.names import ROLE, TAGS
from benchmarks.transport.payloads import VARIANTS, Receiver
from benchmarks.transport.speaking import HOST, Loop, new_loop
from benchmarks.transport.timing import WARM_UP, Clock, Pace, Timing, one_by_one, one_by_one_async
from harness.errors import FarmError
from harness.farm.config import Address
from harness.rpc import event_loop
from harness.rpc.client import RpcClient
from harness.rpc.lane import Parcel
from harness.rpc.limits import Limits
from harness.rpc.outbox import Outbox
from harness.rpc.server import RpcServer

_LARGEST_BYTES = 4 * 2**20
_ANSWER_S = 60.0
_UNDER_WAY = 2
_LOOK_MS = 5


class _Handlers:
    """Hands `forward` to the receiver, on the event loop."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002  the protocol's names
        """Take one tensor."""
        assert next == ROLE
        assert tag
        self._receiver.take(input)


class OurServer:
    """`RpcServer` on an event loop, with the limits of a node; each message has memory of its own."""

    def serve(self, receiver: Receiver, ready: Callable[[int], None]) -> None:
        """See `Server`."""

        async def run() -> None:
            handlers: Any = _Handlers(receiver)
            server = RpcServer(handlers, Limits.for_input(_LARGEST_BYTES))
            _, port = await server.start((HOST, 0))
            gc.freeze()
            ready(port)
            await asyncio.Event().wait()

        event_loop.run(run())


class LaneClient:
    """A node's way to send: a thread puts parcels into the outbox, beside an event loop on another thread.

    The receipt of a parcel is read when the next one is put, as in a farm. A node computes meanwhile; this thread
    waits until the receipt can be read, and puts the next parcel then.
    """

    def connect(self, port: int) -> None:
        """See `Client`."""
        self._loop = Loop()
        self._address = Address(HOST, port)
        self._failures: list[str] = []
        self._credit: queue.SimpleQueue[None] = queue.SimpleQueue()

        async def outbox() -> Outbox:
            return Outbox()

        self._outbox = self._loop.run(outbox())
        self._put(b"\0", 0)
        self._settle(1)
        self._descriptor = _socket_to(port)

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        parcels = self._parcels(payloads)
        put, address = self._outbox.put, self._address
        readable = select.poll()
        readable.register(self._descriptor, select.POLLIN)
        wait = readable.poll

        delivered, sent = self._credit.qsize, 0

        def send(number: int) -> None:
            nonlocal sent
            put(address, parcels[number])
            sent += 1
            # The outbox looks after its lanes ten times a second, and may have read the receipt before us.
            while not wait(_LOOK_MS) and delivered() < sent:
                pass

        timing = one_by_one(send, pace)
        self._settle(timing.sent)
        return timing

    def _parcels(self, payloads: Sequence[bytes]) -> list[Parcel]:
        return [Parcel(memoryview(payload), ROLE, tag, self._done) for payload, tag in zip(payloads, TAGS, strict=True)]

    def _put(self, payload: bytes, number: int) -> None:
        self._outbox.put(self._address, Parcel(payload, ROLE, TAGS[number], self._done))

    def _done(self, error: FarmError | None) -> None:
        if error is not None:
            self._failures.append(str(error))
        self._credit.put(None)

    def _settle(self, parcels: int) -> None:
        """Have the last receipt read, and see that each parcel had one."""
        self._loop.loop.call_soon_threadsafe(self._outbox.settle)
        for _ in range(parcels):
            self._credit.get(timeout=_ANSWER_S)
        if self._failures or not self._credit.empty():
            raise BenchmarkError(f"our client: {self._failures or 'more receipts than parcels'}")


class WindowClient(LaneClient):
    """The same, and the thread does not wait: a further parcel is put as soon as one of two is delivered."""

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        parcels = self._parcels(payloads)
        for _ in range(_UNDER_WAY):
            self._credit.put(None)
        for number in range(WARM_UP):
            self._credit.get()
            self._outbox.put(self._address, parcels[number % VARIANTS])
        clock = Clock(pace)
        messages = 0
        while not clock.over(messages):
            self._credit.get()
            self._outbox.put(self._address, parcels[messages % VARIANTS])
            messages += 1
        timing = clock.stop(messages)
        self._settle(_UNDER_WAY)
        return timing


class AwaitClient:
    """`RpcClient.forward`, awaited on the event loop: the way of commands, and of parcels that are sent again."""

    def connect(self, port: int) -> None:
        """See `Client`."""
        self._loop = new_loop()
        self._client = RpcClient(HOST, port)

    def slot(self, payloads: Sequence[bytes], pace: Pace) -> Timing:
        """See `Client`."""
        forward = self._client.forward

        async def send(number: int) -> None:
            await forward(payloads[number], ROLE, TAGS[number], timeout_s=_ANSWER_S)

        return self._loop.run_until_complete(one_by_one_async(send, pace))


def _socket_to(port: int) -> int:
    """The descriptor of this process's connection to a port; found in the system, so the engine need not show it."""
    found = [
        one.fd for one in psutil.Process(os.getpid()).net_connections("tcp") if one.raddr and one.raddr.port == port
    ]
    if len(found) != 1:
        raise BenchmarkError(f"our client has {len(found)} connections to its server, not one")
    return int(found[0])
