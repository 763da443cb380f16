"""The imitated way of messages: each leaves when its time on the network has passed, then travels as ever.

A message takes the network in turns of a hundredth of a second, so that a small one need not wait until a large one of
another sender has passed; those to one receiver go one after the other. Behind the last turn comes the latency. By the
honest protocol the next message to that receiver goes out meanwhile; by those of 2018 it waits until this one has been
computed there (`harness.emulate.published`).
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from typing import Final, NamedTuple, Protocol

from harness.emulate.published import HONEST, protocol_of
from harness.emulate.reservations import Booking
from harness.errors import FarmError
from harness.farm.config import Address
from harness.rpc.lane import Parcel

TURN_S: Final = 0.01
"""A message books the network for so long at most, and then again."""
_DROPPED: Final = FarmError("given up: another run has begun")


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


class Event(NamedTuple):
    """What happens to a message next.

    Attributes:
        due_s: when, on the monotonic clock.
        number: tells events of one instant apart.
        address: of the receiver.
        parcel: the message; None where the receiver's slot becomes free.
        air_s: seconds that it still needs on the network; None where it arrives.
    """

    due_s: float
    number: int
    address: Address
    parcel: Parcel | None
    air_s: float | None = None


class Links:
    """The network as one sender sees it.

    Args:
        outbox: sends what has waited.
        air: books the network for so many seconds, from an instant on.
        bandwidth_bytes_per_s: of the network.
        latency_s: of each message.
        receiver: books the device at an address for what a message asks of it, from its arrival on.
    """

    def __init__(
        self,
        outbox: Outgoing,
        air: Callable[[float, float], Booking],
        bandwidth_bytes_per_s: float,
        latency_s: float,
        receiver: Callable[[Address, str, float], Booking],
    ) -> None:
        self._outbox = outbox
        self._air = air
        self._bandwidth_bytes_per_s = bandwidth_bytes_per_s
        self._latency_s = latency_s
        self._receiver = receiver
        self._requests = False
        self._condition = threading.Condition()
        self._numbers = itertools.count()
        self._due: list[Event] = []
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
            if not self._closed:
                self._queues[address].append(parcel)
                self._next_message(address, time.monotonic())
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

    def _next_message(self, address: Address, now_s: float) -> None:
        """Begin with the next message to a receiver, if its slot is free; the caller has the lock."""
        queue = self._queues[address]
        if address not in self._taken and queue:
            self._taken.add(address)
            parcel = queue.popleft()
            self._next_turn(address, parcel, len(parcel.payload) / self._bandwidth_bytes_per_s, now_s)

    def _next_turn(self, address: Address, parcel: Parcel, air_s: float, from_s: float) -> None:
        """Book the network for the next piece of a message; the caller has the lock."""
        turn_s = min(air_s, TURN_S)
        # From the end of the turn before, not from now: waking up late must not cost air.
        self._at(self._air(turn_s, from_s).end_s, address, parcel, air_s - turn_s)

    def _at(self, due_s: float, address: Address, parcel: Parcel | None, air_s: float | None = None) -> None:
        heapq.heappush(self._due, Event(due_s, next(self._numbers), address, parcel, air_s))

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closed and not (self._due and self._due[0].due_s <= time.monotonic()):
                    self._condition.wait(self._due[0].due_s - time.monotonic() if self._due else None)
                if self._closed:
                    return
                arrived = self._happen(heapq.heappop(self._due))
            if arrived is not None:
                self._outbox.put(*arrived)

    def _happen(self, event: Event) -> tuple[Address, Parcel] | None:
        """Go on with a message; returns one that arrives; the caller has the lock."""
        due_s, _, address, parcel, air_s = event
        if parcel is None:
            self._taken.discard(address)
            self._next_message(address, due_s)
            return None
        if air_s is None:
            if self._requests:
                self._at(self._receiver(address, parcel.next, due_s).end_s, address, None)
            return address, parcel
        if air_s > 0:
            self._next_turn(address, parcel, air_s, due_s)
            return None
        # What a request costs beside its bytes is counted before it is computed; its reply is then at once.
        self._at(due_s + self._latency_s, address, parcel)
        if not self._requests:
            self._taken.discard(address)
            self._next_message(address, due_s)
        return None

    def _drop(self, unwanted: Callable[[Address], bool]) -> None:
        with self._condition:
            dropped = [one.parcel for one in self._due if one.parcel is not None and unwanted(one.address)]
            self._due = [one for one in self._due if not unwanted(one.address)]
            heapq.heapify(self._due)
            for address in [address for address in self._queues if unwanted(address)]:
                dropped += self._queues.pop(address)
            self._taken = {address for address in self._taken if not unwanted(address)}
        for parcel in dropped:
            parcel.done(_DROPPED)
