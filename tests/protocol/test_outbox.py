"""Delivery by an outbox: every parcel arrives, and what became of it is told once, whoever reads the receipt."""

import asyncio
import contextlib
import threading
import time
from collections import Counter

import pytest
from protocol.raw_http import framed, post

from harness.errors import FarmError
from harness.farm.config import Address
from harness.rpc import event_loop
from harness.rpc.errors import RemoteError
from harness.rpc.lane import BUSY, Parcel
from harness.rpc.limits import Limits
from harness.rpc.outbox import Outbox
from harness.rpc.responder import VOID
from harness.rpc.server import RpcServer

HOST = "127.0.0.12"


class Taker:
    """Takes tensors; says busy, or refuses for good, as often as it is told to."""

    def __init__(self, *, busy=0, refuse=0):
        self.tags = []
        self.busy, self.refuse = busy, refuse

    def forward(self, input, next, tag):  # noqa: A002
        """Note the tag and the size."""
        assert next == "fc1"
        if self.busy:
            self.busy -= 1
            raise RemoteError(f"{BUSY}: try again")
        if self.refuse:
            self.refuse -= 1
            raise RemoteError("never")
        self.tags.append((tag, len(input)))


@contextlib.asynccontextmanager
async def delivering(taker, deadline_s=5.0, **limits):
    """A server with this handler, an outbox, and what it reports: (tag, error) in the order of the reports."""
    server = RpcServer(taker, Limits(**{"max_message_bytes": 10**6} | limits))
    host, port = await server.start((HOST, 0))
    outbox = Outbox(deadline_s)
    reports: list[tuple[str, FarmError | None]] = []

    def send(tag, size=100):
        parcel = Parcel(bytes(size), "fc1", tag, lambda error: reports.append((tag, error)))
        outbox.put(Address(host, port), parcel)

    try:
        yield send, reports, server
    finally:
        await outbox.close()
        await server.close()


async def until(condition, within_s=5.0):
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  looked at, since no event tells it
            await asyncio.sleep(0.005)


def test_many_threads_deliver_each_parcel_once():
    """Parcels that four threads bring at once all arrive once, in the order of each thread, and are reported once."""

    async def scenario():
        taker = Taker()
        async with delivering(taker) as (send, reports, _):

            def bring(thread):
                for number in range(200):
                    send(f"{thread}-{number}", size=100 if number % 7 else 60_000)

            threads = [threading.Thread(target=bring, args=(thread,)) for thread in range(4)]
            for thread in threads:
                thread.start()
            await until(lambda: len(reports) == 800, 30)
            for thread in threads:
                thread.join()
            return taker.tags, reports

    tags, reports = event_loop.run(scenario())
    assert Counter(tag for tag, _ in tags).most_common(1)[0][1] == 1
    assert all(error is None for _, error in reports)
    assert Counter(tag for tag, _ in reports) == Counter(tag for tag, _ in tags)
    for thread in range(4):
        own = [int(tag.split("-")[1]) for tag, _ in tags if tag.startswith(f"{thread}-")]
        assert own == list(range(200))


def test_the_last_receipt_is_read_without_another_parcel():
    """A single parcel is reported soon; before its receipt was read it is not."""

    async def scenario():
        async with delivering(Taker()) as (send, reports, _):
            send("first")
            await until(lambda: reports)
            first = list(reports)
            send("second")
            at_once = list(reports)
            await until(lambda: len(reports) == 2)
            return first, at_once

    first, at_once = event_loop.run(scenario())
    assert first == [("first", None)]
    assert at_once == first


@pytest.mark.parametrize(("busy_first", "busy_later"), [(3, 0), (0, 3)], ids=["at first", "later"])
def test_a_busy_receiver_is_asked_again(busy_first, busy_later):
    """A parcel that met a busy receiver arrives later, after which the others follow in order."""

    async def scenario():
        taker = Taker(busy=busy_first)
        async with delivering(taker) as (send, reports, _):
            send("0")
            await until(lambda: reports)
            taker.busy = busy_later
            for number in range(1, 5):
                send(str(number))
            await until(lambda: len(reports) == 5)
            return taker.tags, reports

    tags, reports = event_loop.run(scenario())
    assert [tag for tag, _ in tags] == list("01234")
    assert reports == [(str(number), None) for number in range(5)]


def test_a_refusal_is_final_and_harms_no_other():
    """A parcel that is refused is reported with the reason; the next ones arrive."""

    async def scenario():
        taker = Taker()
        async with delivering(taker) as (send, reports, _):
            send("good")
            await until(lambda: len(reports) == 1)
            taker.refuse = 1
            send("bad")
            send("better")
            await until(lambda: len(reports) == 3)
            return taker.tags, reports

    tags, reports = event_loop.run(scenario())
    assert [tag for tag, _ in tags] == ["good", "better"]
    assert [error is None for _, error in reports] == [True, False, True]
    assert "never" in str(reports[1][1])


def test_a_connection_that_the_receiver_closed_is_replaced():
    """After the receiver has closed the idle connection the next parcel arrives over a new one."""

    async def scenario():
        taker = Taker()
        async with delivering(taker, idle_timeout_s=0.1) as (send, reports, server):
            for number in range(3):
                send(str(number))
                await until(lambda count=number + 1: len(reports) == count)
                await until(lambda: server.connections == 0)
            return taker.tags, reports

    tags, reports = event_loop.run(scenario())
    assert [tag for tag, _ in tags] == list("012")
    assert reports == [(str(number), None) for number in range(3)]


def test_a_receiver_that_is_away_is_reported_after_the_deadline():
    """Nobody listens: the parcel fails within its time, and not before another attempt was made."""

    async def scenario():
        outbox = Outbox(0.4)
        reports = []
        begun_s = time.monotonic()
        outbox.put(Address(HOST, 9), Parcel(b"1234", "fc1", "lost", reports.append))
        await until(lambda: reports)
        await outbox.close()
        return reports, time.monotonic() - begun_s

    reports, took_s = event_loop.run(scenario())
    assert "cannot be reached" in str(reports[0])
    assert 0.1 < took_s < 3


@pytest.mark.parametrize("extra", [True, False], ids=["liar", "honest"])
def test_an_answer_to_nothing_is_no_receipt(extra):
    """A second answer to one call is not taken as the receipt of the next: that one is sent on a new connection."""
    receipt = post(framed(VOID), line="HTTP/1.1 200 OK")
    connections = []

    async def serve(reader, writer):
        connections.append(0)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                connections[-1] += 1
                writer.write(receipt)
                if extra:
                    await asyncio.sleep(0.02)
                    writer.write(receipt)
        writer.close()

    async def scenario():
        server = await asyncio.start_server(serve, HOST, 0)
        host, port = server.sockets[0].getsockname()
        outbox, reports = Outbox(5.0), []
        for number in range(3):
            outbox.put(Address(host, port), Parcel(b"1234", "fc1", str(number), reports.append))
            await until(lambda count=number + 1: len(reports) == count)
            await asyncio.sleep(0.05)
        await outbox.close()
        server.close()
        return reports

    assert event_loop.run(scenario()) == [None, None, None]
    assert connections == ([1, 1, 1] if extra else [3])


@pytest.mark.parametrize("forget", [True, False])
def test_what_is_forgotten_is_never_sent(forget):
    """Parcels for a receiver that is away are dropped by `forget`, and arrive later without it."""

    async def scenario():
        taker = Taker()
        server = RpcServer(taker, Limits(max_message_bytes=10**6))
        host, port = await server.start((HOST, 0))
        await server.close()
        outbox, reports = Outbox(5.0), []
        for number in range(3):
            outbox.put(Address(host, port), Parcel(b"1234", "fc1", str(number), reports.append))
        await asyncio.sleep(0.05)
        if forget:
            outbox.forget()
        server = RpcServer(taker, Limits(max_message_bytes=10**6))
        await server.start((host, port))
        outbox.put(Address(host, port), Parcel(b"1234", "fc1", "new", reports.append))
        await until(lambda: len(reports) == 4)
        await outbox.close()
        await server.close()
        return [tag for tag, _ in taker.tags], [error is None for error in reports]

    tags, delivered = event_loop.run(scenario())
    assert tags == (["new"] if forget else ["0", "1", "2", "new"])
    assert sum(delivered) == len(tags)
