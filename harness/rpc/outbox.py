"""Delivery of tensors to other nodes: one persistent connection and one queue for each address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import FarmError
from harness.farm.config import Address
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, RemoteError

BUSY = "busy"
"""First word of the error with which a node says that its queue is full: try again."""

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


@dataclass(frozen=True)
class Parcel:
    """One message on its way.

    Attributes:
        payload: raw bytes of the tensor (float32 little endian, or uint8 for a frame).
        next: role that the receiver shall compute.
        tag: the identity of the payload as text.
        done: called once on the event loop: None when the receiver has it, else why it does not.
    """

    payload: bytes | memoryview
    next: str
    tag: str
    done: Callable[[FarmError | None], None]


class Outbox:
    """Sends parcels in order to each address, again until the deadline when the receiver is busy or away.

    A parcel is delivered at least once: when an answer is lost it is sent again, and the receiver drops the
    second one by its identity.

    Args:
        deadline_s: how long one parcel may take, all attempts together.
    """

    def __init__(self, deadline_s: float = 10.0) -> None:
        self._deadline_s = deadline_s
        self._queues: dict[Address, asyncio.Queue[Parcel]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._clients: list[RpcClient] = []

    def put(self, address: Address, parcel: Parcel) -> None:
        """Queue a parcel (call it on the event loop; the caller bounds how many are under way)."""
        queue = self._queues.get(address)
        if queue is None:
            queue = self._queues[address] = asyncio.Queue()
            client = RpcClient(address.host, address.port)
            self._clients.append(client)
            self._tasks.append(asyncio.get_running_loop().create_task(self._deliver_all(queue, client)))
        queue.put_nowait(parcel)

    async def close(self) -> None:
        """Stop sending; what is still queued is dropped."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients:
            await client.close()

    async def _deliver_all(self, queue: asyncio.Queue[Parcel], client: RpcClient) -> None:
        while True:
            parcel = await queue.get()
            try:
                await self._deliver(parcel, client)
            except FarmError as error:
                parcel.done(error)
            else:
                parcel.done(None)

    async def _deliver(self, parcel: Parcel, client: RpcClient) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_s
        pause_s = _FIRST_PAUSE_S
        while True:
            left_s = deadline - loop.time()
            try:
                await client.forward(parcel.payload, parcel.next, parcel.tag, timeout_s=max(left_s, 0.001))
            except (PeerUnreachableError, PeerTimeoutError, RemoteError) as error:
                refused = isinstance(error, RemoteError) and not error.text.startswith(BUSY)
                if refused or loop.time() + pause_s >= deadline:
                    raise
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
