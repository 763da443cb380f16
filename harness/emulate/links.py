"""The imitated way of messages: each leaves when its time on the network has passed, then travels as ever.

By the honest protocol a message is under way for its bytes / bandwidth, booked on the medium or on the sender's own
link, and for the network's latency; the next one need not wait for it to arrive. By those of 2018 a request to a
receiver waits until the one before has been computed there (`harness.emulate.published`).
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from typing import Protocol

from harness.emulate.published import HONEST, protocol_of
from harness.emulate.reservations import Booking
from harness.errors import FarmError
from harness.farm.config import Address
from harness.rpc.lane import Parcel

_DROPPED = FarmError("given up: another run has begun")


class Outgoing(Protocol):
    """What sends parcels: `harness.rpc.outbox.Outbox`, or links before one."""

    def put(self, address: Address, parcel: Parcel) -> None:
        """Send a parcel."""

    def settle(self) -> None:
        """Read the receipts that are here."""

    def forget(self) -> None:
        """Drop everything that has not been delivered."""

    def silent(self, for_s: float) -> list[Address]:
        """Who has not been heard of."""

    def keep(self, addresses: Collection[Address]) -> None:
        """Drop what is for anybody else."""

    async def close(self) -> None:
        """Stop sending."""


class Links:
    """The network as one sender sees it.

    Args:
        outbox: sends what has waited.
        air: books the network for so many payload bytes, from an instant on.
        latency_s: of each message.
        receiver: books the device at an address for what a message asks of it, from its arrival on; by the protocols
            of 2018, its end frees the sender's slot.
    """

    def __init__(
        self,
        outbox: Outgoing,
        air: Callable[[int, float], Booking],
        latency_s: float,
        receiver: Callable[[Address, str, float], Booking],
    ) -> None:
        self._outbox = outbox
        self._air = air
        self._latency_s = latency_s
        self._receiver = receiver
        self._requests = False
        self._condition = threading.Condition()
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Address, Parcel | None]] = []
        self._queues: defaultdict[Address, deque[Parcel]] = defaultdict(deque)
        self._taken: set[Address] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="links", daemon=True)
        self._thread.start()

    def begin(self, run: str) -> None:
        """A run begins: its name tells by which protocol messages go."""
        with self._condition:
            self._requests = protocol_of(run) != HONEST

    def put(self, address: Address, parcel: Parcel) -> None:
        """Send a parcel when its time on the network has passed; may be called from any thread."""
        with self._condition:
            if self._closed:
                return
            if self._requests:
                self._queues[address].append(parcel)
                self._next_request(address, time.monotonic())
            else:
                left_s = self._air(len(parcel.payload), time.monotonic()).end_s
                self._at(left_s + self._latency_s, address, parcel)
            self._condition.notify()

    def settle(self) -> None:
        """Read the receipts that are here; to be called on the event loop."""
        self._outbox.settle()

    def forget(self) -> None:
        """Drop everything that has not been delivered; to be called on the event loop."""
        self._drop(lambda _address: True)
        self._outbox.forget()

    def silent(self, for_s: float) -> list[Address]:
        """Who has been sent something, and has not been heard of for so long."""
        return self._outbox.silent(for_s)

    def keep(self, addresses: Collection[Address]) -> None:
        """Drop what has not been delivered to anybody else; to be called on the event loop."""
        self._drop(lambda address: address not in addresses)
        self._outbox.keep(addresses)

    async def close(self) -> None:
        """Stop sending; what is still under way is dropped."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        await self._outbox.close()

    def _next_request(self, address: Address, now_s: float) -> None:
        """By the protocols of 2018: the next request to a receiver, if its slot is free; the caller has the lock."""
        queue = self._queues[address]
        if address in self._taken or not queue:
            return
        parcel = queue.popleft()
        self._taken.add(address)
        # What a request costs beside its bytes is counted before it is computed; the reply is then at once.
        arrives_s = self._air(len(parcel.payload), now_s).end_s + self._latency_s
        self._at(arrives_s, address, parcel)

    def _at(self, due_s: float, address: Address, parcel: Parcel | None) -> None:
        heapq.heappush(self._due, (due_s, next(self._numbers), address, parcel))

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closed and not (self._due and self._due[0][0] <= time.monotonic()):
                    self._condition.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._closed:
                    return
                due_s, _, address, parcel = heapq.heappop(self._due)
                if parcel is None:
                    self._taken.discard(address)
                    self._next_request(address, due_s)
                elif self._requests:
                    self._at(self._receiver(address, parcel.next, due_s).end_s, address, None)
            if parcel is not None:
                self._outbox.put(address, parcel)

    def _drop(self, unwanted: Callable[[Address], bool]) -> None:
        with self._condition:
            dropped = [parcel for _, _, address, parcel in self._due if parcel is not None and unwanted(address)]
            self._due = [entry for entry in self._due if not unwanted(entry[2])]
            heapq.heapify(self._due)
            for address in [address for address in self._queues if unwanted(address)]:
                dropped += self._queues.pop(address)
            self._taken = {address for address in self._taken if not unwanted(address)}
        for parcel in dropped:
            parcel.done(_DROPPED)
