"""Delivery of tensors to other nodes: a lane with a persistent connection for each address."""

from __future__ import annotations

import asyncio
import threading

from harness.farm.config import Address
from harness.rpc.client import RpcClient
from harness.rpc.lane import Lane, Parcel

_SWEEP_S = 0.5


class Outbox:
    """Sends parcels in order to each address, again until the deadline when the receiver is busy or away.

    A parcel is delivered at least once: when an answer is lost it is sent again, and the receiver drops the
    second one by its identity. Made on the event loop; used from any thread.

    Args:
        deadline_s: how long one parcel may take, all attempts together.
    """

    def __init__(self, deadline_s: float = 10.0) -> None:
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[Address, Lane] = {}
        self._lock = threading.Lock()
        self._sweep = self._loop.call_later(_SWEEP_S, self._enforce)

    def put(self, address: Address, parcel: Parcel) -> None:
        """Send a parcel as soon as those before it have arrived; the caller bounds how many are under way."""
        lane = self._lanes.get(address)
        if lane is None:
            with self._lock:
                lane = self._lanes.get(address)
                if lane is None:
                    client = RpcClient(address.host, address.port)
                    lane = self._lanes[address] = Lane(client, self._deadline_s, self._loop)
        lane.put(parcel)

    async def close(self) -> None:
        """Stop sending; what is still queued is dropped."""
        self._sweep.cancel()
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))

    def _enforce(self) -> None:
        now_s = self._loop.time()
        for lane in tuple(self._lanes.values()):
            lane.enforce(now_s)
        self._sweep = self._loop.call_later(_SWEEP_S, self._enforce)
