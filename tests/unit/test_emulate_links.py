"""Imitated links: what is sent leaves in order and never before its time, and requests of 2018 wait for each other."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from harness.emulate.links import Links
from harness.emulate.published import HONEST, REQUESTS, run_name
from harness.emulate.reservations import Booking, Reservations
from harness.errors import FarmError
from harness.farm.config import Address
from harness.rpc.lane import Parcel

A, B = Address("127.0.0.1", 1), Address("127.0.0.2", 2)
LATENCY_S, BYTES_PER_S, COMPUTE_S = 0.02, 1e5, 0.05


class Sent:
    """An outbox that notes what leaves, and when."""

    def __init__(self) -> None:
        self.left: queue.Queue[tuple[float, Address, str]] = queue.Queue()
        self.forgotten = 0

    def put(self, address: Address, parcel: Parcel) -> None:
        """Note it."""
        self.left.put((time.monotonic(), address, parcel.tag))

    def settle(self) -> None:
        """Nothing is under way."""

    def forget(self) -> None:
        """Note it."""
        self.forgotten += 1

    def silent(self, for_s: float) -> list[Address]:
        """Somebody."""
        return [A] if for_s else []

    def keep(self, addresses: Collection[Address]) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is open."""

    def take(self, count: int) -> list[tuple[float, Address, str]]:
        """So many messages, as they left."""
        return [self.left.get(timeout=30) for _ in range(count)]


@pytest.fixture
def linked(tmp_path: Path) -> Callable[[str], tuple[Links, Sent]]:
    """Makes links on a medium of their own, for a run by a protocol."""
    air, devices = Reservations(tmp_path / "air", 1), Reservations(tmp_path / "devices", 2)
    made: list[Links] = []

    def receiver(address: Address, _role: str, at_s: float) -> Booking:
        return devices.book(0 if address == A else 1, COMPUTE_S, at_s)

    def make(protocol: str) -> tuple[Links, Sent]:
        sent = Sent()
        links = Links(sent, lambda seconds, from_s: air.book(0, seconds, from_s), BYTES_PER_S, LATENCY_S, receiver)
        links.begin(run_name(protocol))
        made.append(links)
        return links, sent

    yield make
    for links in made:
        asyncio.run(links.close())


def parcel(tag: str, size: int = 1000, done: Callable[[FarmError | None], None] = lambda _error: None) -> Parcel:
    """A message."""
    return Parcel(bytes(size), "fc1", tag, done)


def test_messages_share_the_medium_in_order(linked) -> None:
    """Messages of two senders leave in order, none before its bytes, and those before it, have had their time."""
    (one, first), (other, second) = linked(HONEST), linked(HONEST)
    begun_s = time.monotonic()
    for number in range(5):
        one.put(A, parcel(f"{number}"))
        other.put(B, parcel(f"{number}"))
    last_s = 0.0
    for sent, address in ((first, A), (second, B)):
        for number, (left_s, to, tag) in enumerate(sent.take(5)):
            assert (to, tag) == (address, str(number))
            assert left_s - begun_s >= (number + 1) * 1000 / BYTES_PER_S + LATENCY_S - 1e-4
            last_s = max(last_s, left_s)
    assert last_s - begun_s >= 10 * 1000 / BYTES_PER_S + LATENCY_S - 1e-4, "one medium for both"


def test_a_small_message_passes_between_the_turns_of_a_large_one(linked) -> None:
    """A large message does not hold up the small one of another sender; to one receiver they keep their order."""
    (one, first), (other, second) = linked(HONEST), linked(HONEST)
    one.put(A, parcel("large", 30 * 1000))
    one.put(A, parcel("behind", 1))
    other.put(B, parcel("small", 1000))
    ((small_s, _, _),) = second.take(1)
    (large_s, _, tag), (behind_s, _, _) = first.take(2)
    assert tag == "large"
    assert small_s < large_s < behind_s


def test_a_request_waits_for_the_one_before(linked) -> None:
    """By the requests of 2018 a receiver's next message leaves when the one before is computed; others do not wait."""
    links, sent = linked(REQUESTS)
    for number in range(3):
        links.put(A, parcel(f"a{number}", 100))
    links.put(B, parcel("b", 100))
    left = sent.take(4)
    at_s = {tag: when_s for when_s, _, tag in left}
    assert [tag for _, _, tag in left][:2] == ["a0", "b"]
    for before, after in (("a0", "a1"), ("a1", "a2")):
        assert at_s[after] - at_s[before] >= COMPUTE_S + LATENCY_S - 0.01  # it is noted when it has left
    assert links.silent(1.0) == [A]


def test_an_honest_message_does_not_wait(linked) -> None:
    """The control: the same messages by the honest protocol are all under way at once."""
    links, sent = linked(HONEST)
    links.put(A, parcel("large", 3000))
    for number in range(3):
        links.put(A, parcel(f"a{number}", 1))
    assert [tag for _, _, tag in sent.take(4)] == ["large", "a0", "a1", "a2"]


def test_what_is_forgotten_never_leaves(linked) -> None:
    """Messages of a run that was broken off are given up and reported, queued and under way alike."""
    for protocol in (HONEST, REQUESTS):
        links, sent = linked(protocol)
        reports: list[FarmError | None] = []
        for number in range(3):
            links.put(A, parcel(f"a{number}", 60_000, reports.append))
        links.put(B, parcel("b", 60_000, reports.append))
        links.keep({B})
        assert len(reports) == 3
        links.forget()
        assert len(reports) == 4
        assert all(isinstance(one, FarmError) for one in reports)
        assert sent.forgotten == 1
        links.begin(run_name(HONEST))
        links.put(A, parcel("new", 1))
        assert [tag for _, _, tag in sent.take(1)] == ["new"]
