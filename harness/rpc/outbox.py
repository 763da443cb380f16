"""Delivery of tensors to other nodes: a lane with a persistent connection for each address."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection

from harness.farm.config import Address
from harness.rpc.client import RpcClient
from harness.rpc.lane import Lane, Parcel
from harness.rpc.security import Security

_LOOK_S = 0.1


class Outbox:
    """Sends parcels in order to each address, again until the deadline when the receiver is busy or away.

    A parcel is delivered at least once: when an answer is lost it is sent again, and the receiver drops the
    second one by its identity. Made on the event loop; used from any thread.

    Args:
        deadline_s: how long one parcel may take, all attempts together.
        security: the keys of mutual TLS; None speaks plain.
    """

    def __init__(self, deadline_s: float = 10.0, security: Security | None = None) -> None:
        self._security = security
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[Address, Lane] = {}
        self._lock = threading.Lock()
        self._looking = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def put(self, address: Address, parcel: Parcel) -> None:
        """Send a parcel as soon as those before it have arrived; the caller bounds how many are under way."""
        lane = self._lanes.get(address)
        if lane is None:
            with self._lock:
                lane = self._lanes.get(address)
                if lane is None:
                    client = RpcClient(address.host, address.port, security=self._security)
                    lane = self._lanes[address] = Lane(client, self._deadline_s, self._loop)
        lane.put(parcel)
        if not self._looking:
            self._looking = True
            self._loop.call_soon_threadsafe(self._look_later)

    def settle(self) -> None:
        """Read the receipts that are here; to be called on the event loop."""
        now_s = time.monotonic()
        for lane in tuple(self._lanes.values()):
            lane.look(now_s)

    def forget(self) -> None:
        """Drop everything that has not been delivered; to be called on the event loop."""
        for lane in tuple(self._lanes.values()):
            lane.forget()

    def silent(self, for_s: float) -> list[Address]:
        """Who has been sent something, and has not been heard of for so long."""
        since_s = time.monotonic() - for_s
        return [address for address, lane in tuple(self._lanes.items()) if lane.silent(since_s)]

    def keep(self, addresses: Collection[Address]) -> None:
        """Drop what has not been delivered to anybody else; to be called on the event loop."""
        for address, lane in tuple(self._lanes.items()):
            if address not in addresses:
                lane.forget()

    async def close(self) -> None:
        """Stop sending; what is still queued is dropped."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))

    def _look_later(self) -> None:
        if not self._closed:
            self._timer = self._loop.call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        """Look after the lanes for as long as something is under way; then there is nothing to wake up for."""
        self._looking = False
        now_s = time.monotonic()
        busy = [lane.look(now_s) for lane in tuple(self._lanes.values())]
        if any(busy) and not self._looking:
            self._looking = True
            self._look_later()
