"""Our client against servers that are away, late, broken or something else; and the server's life."""

import asyncio
import contextlib
import hashlib
import socket

import numpy as np
import pytest
from protocol.raw_http import chunked, framed, post

from harness.errors import BadInputError, FarmError
from harness.rpc import event_loop
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, ProtocolError, RemoteError
from harness.rpc.limits import Limits
from harness.rpc.responder import VOID
from harness.rpc.server import RpcServer

HOST = "127.0.0.11"
ACKNOWLEDGED = post(framed(VOID), line="HTTP/1.1 200 OK")


class Sizes:
    """Answers `probe` and `forward`; the rest is not called here."""

    def probe(self, input):  # noqa: A002
        """The size."""
        return len(input)

    def forward(self, input, next, tag):  # noqa: A002
        """Takes everything."""


@contextlib.asynccontextmanager
async def scripted(*scripts):
    """A peer that follows a script on each connection in turn: bytes are sent for each request, None closes.

    Yields the address, and a list with the requests of each connection.
    """
    seen: list[list[bytes]] = []

    async def serve(reader, writer):
        number = len(seen)
        seen.append([])
        for step in scripts[min(number, len(scripts) - 1)]:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            seen[number].append(await reader.readexactly(length))
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif step is not None:
                writer.write(step)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname(), seen
    finally:
        server.close()


@contextlib.asynccontextmanager
async def connected(address, **options):
    """A client of ours."""
    client = RpcClient(*address[:2], **options)
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def running(**limits):
    """A server of ours in this process, and its address."""
    server = RpcServer(Sizes(), Limits(**{"max_message_bytes": 10**6} | limits))
    address = await server.start((HOST, 0))
    try:
        yield server, address
    finally:
        await server.close()


async def failure(call) -> FarmError:
    """The error that a call ends in."""
    with pytest.raises(FarmError) as caught:
        await call
    return caught.value


def test_nobody_there():
    """A refused connection is one line with host and port, exit code 3."""

    async def run():
        with socket.socket() as unused:
            unused.bind((HOST, 0))
            address = unused.getsockname()
            async with connected(address) as client:
                return address, await failure(client.forward(b"abc", "fc1", "t", 5))

    (host, port), error = event_loop.run(run())
    assert isinstance(error, PeerUnreachableError)
    assert (error.host, error.port, error.exit_code) == (host, port, 3)
    assert f"{host}:{port}" in str(error)
    assert "\n" not in str(error)


def test_an_unknown_host_is_unreachable():
    """A name that no one knows ends as an unreachable peer too."""

    async def run():
        async with connected(("no-such-host.invalid", 1)) as client:
            return await failure(client.call("describe", {}, 10))

    assert isinstance(event_loop.run(run()), PeerUnreachableError)


def test_a_late_answer_is_not_taken_for_the_next():
    """After a time-out the next call has its own answer on a new connection."""

    async def run():
        late = [0.5, ACKNOWLEDGED]
        async with scripted(late, [ACKNOWLEDGED]) as (address, seen), connected(address) as client:
            error = await failure(client.forward(b"first", "fc1", "t", 0.1))
            await client.forward(b"second", "fc1", "t", 10)
            return error, seen

    error, seen = event_loop.run(run())
    assert isinstance(error, PeerTimeoutError)
    assert "did not answer within 0.1 s" in str(error)
    assert [len(requests) for requests in seen] == [1, 1]


def test_a_closed_idle_connection_is_replaced_once():
    """A kept connection that the server has closed is replaced unnoticed, with the same request."""

    async def run():
        async with (
            scripted([ACKNOWLEDGED, None], [ACKNOWLEDGED]) as (address, seen),
            connected(address) as client,
        ):
            await client.forward(b"first", "fc1", "t", 10)
            await client.forward(b"second", "fc1", "t", 10)
            return seen

    seen = event_loop.run(run())
    assert [len(requests) for requests in seen] == [2, 1]
    assert seen[0][1] == seen[1][0]
    assert seen[0][0] != seen[1][0]


@pytest.mark.parametrize(
    ("scripts", "requests"),
    [
        ([[None]], [1]),
        ([[ACKNOWLEDGED, None], [None]], [2, 1]),
        ([[ACKNOWLEDGED, ACKNOWLEDGED[:20]]], [2]),
        ([[ACKNOWLEDGED[:-3]]], [1]),
    ],
    ids=["a new connection", "the replacement", "amid the head of an answer", "amid the body of an answer"],
)
def test_any_other_break_is_reported_at_once(scripts, requests):
    """A break on a new connection, on the replacement or within an answer is not tried again."""

    async def run():
        async with scripted(*scripts) as (address, seen), connected(address) as client:
            errors = []
            for _ in range(2):
                try:
                    await client.forward(b"tensor", "fc1", "t", 10)
                except PeerUnreachableError as error:
                    errors.append(error)
                    break
            return errors, seen

    errors, seen = event_loop.run(run())
    assert len(errors) == 1
    assert "broke the connection" in str(errors[0])
    assert [len(one) for one in seen] == requests


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        post(b"<html>not here</html>", line="HTTP/1.1 404 Not Found"),
        post(b"<html>hello</html>", line="HTTP/1.1 200 OK"),
        post(framed(b""), line="HTTP/1.1 200 OK"),
        post(framed(VOID) + b"x", line="HTTP/1.1 200 OK"),
        post(framed(VOID[:-1]), line="HTTP/1.1 200 OK"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        post(framed(bytes(2000)), line="HTTP/1.1 200 OK"),
    ],
    ids=[
        "SSH",
        "a 404",
        "a web page",
        "no message",
        "bytes behind",
        "half an answer",
        "bad chunks",
        "too long",
    ],
)
def test_a_peer_of_another_kind_is_named(answer):
    """What is not Avro over HTTP ends in a protocol error with host and port, and the next call is not harmed."""

    async def run():
        async with scripted([answer], [ACKNOWLEDGED]) as (address, _):
            async with connected(address, max_response_bytes=1000) as client:
                error = await failure(client.forward(b"abc", "fc1", "t", 10))
                await client.forward(b"abc", "fc1", "t", 10)
            return address, error

    address, error = event_loop.run(run())
    assert isinstance(error, ProtocolError)
    assert str(error).startswith(f"{address[0]}:{address[1]} ")


@pytest.mark.parametrize(
    "answer",
    [
        ACKNOWLEDGED,
        b"HTTP/1.1 100 Continue\r\n\r\n" + ACKNOWLEDGED,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"\0\0\0", b"\6" + VOID + b"\0", b"\0\0\0"),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + framed(VOID),
        b"HTTP/1.0 200 OK\r\n\r\n" + framed(VOID[:3], VOID[3:]),
    ],
    ids=["a length", "an interim answer", "chunks", "until the end", "HTTP/1.0"],
)
def test_answers_in_any_dress_are_read(answer):
    """Answers with a length, in chunks, or up to the end of the connection are understood."""

    async def run():
        async with scripted([answer]) as (address, _), connected(address) as client:
            await client.forward(b"abc", "fc1", "t", 10)

    event_loop.run(run())


def test_a_server_that_takes_no_more_connections_is_unreachable():
    """HTTP 503 is told from a peer of another kind: trying later may help."""

    async def run():
        busy = post(b"256 connections are open\n", line="HTTP/1.1 503 Service Unavailable")
        async with scripted([busy]) as (address, _), connected(address) as client:
            return await failure(client.forward(b"abc", "fc1", "t", 10))

    error = event_loop.run(run())
    assert isinstance(error, PeerUnreachableError)
    assert "256 connections" in str(error)


def test_a_refusal_during_sending_is_read():
    """A server that refuses a long message before it has read it is heard, not taken for a broken one."""

    async def run():
        async with running(max_message_bytes=1000) as (_, address), connected(address) as client:
            error = await failure(client.forward(bytes(50_000_000), "fc1", "t", 10))
            return error, await client.call("probe", {"input": b"abc"}, 10)

    error, size = event_loop.run(run())
    assert isinstance(error, ProtocolError)
    assert "413" in str(error)
    assert size == 3


def test_callers_wait_for_each_other():
    """Calls of many tasks on one client all get their own answer, one after the other on one connection."""

    async def run():
        async with running() as (server, address), connected(address) as client:
            calls = [client.call("probe", {"input": bytes(1000 * size)}, 10) for size in range(50)]
            return await asyncio.gather(*calls), server.connections

    sizes, connections = event_loop.run(run())
    assert sizes == [1000 * size for size in range(50)]
    assert connections == 1


def test_a_cancelled_call_leaves_nothing_behind():
    """After a call was cancelled while it waited, the next one has its own answer."""

    async def run():
        async with scripted([5.0], [ACKNOWLEDGED]) as (address, seen), connected(address) as client:
            call = asyncio.create_task(client.forward(b"first", "fc1", "t", 10))
            async with asyncio.timeout(10):
                while not seen or not seen[0]:  # noqa: ASYNC110  the peer of the script has no event to wait for
                    await asyncio.sleep(0.01)
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            await client.forward(b"second", "fc1", "t", 10)
            return call.cancelled(), len(seen)

    assert event_loop.run(run()) == (True, 2)


def test_a_large_tensor_arrives_whole(server):
    """3.2 MB of float32 arrive byte for byte; with one bit flipped the comparison fails."""
    tensor = np.random.default_rng(7).standard_normal((224, 224, 16), dtype=np.float32)
    digest = hashlib.sha256(tensor.tobytes()).hexdigest()

    async def run():
        async with connected(server.address) as client:
            told = []
            for kind in (memoryview, bytearray):
                await client.call("begin", {"run": "large"}, 10)
                await client.forward(kind(tensor), "fc1", "t", 20)
                told.append(await client.call("statistics", {"run": "large"}, 10))
                tensor.view(np.uint32)[100, 100, 3] ^= 1
            return told

    whole, again = event_loop.run(run())
    assert whole["bytes_in"] == tensor.nbytes == 3_211_264
    assert whole["errors"][0] == digest
    assert again["errors"][0] != digest, "control: the flipped bit is seen"


def test_a_tensor_larger_than_any_socket_buffer_arrives():
    """What the kernel does not take at once follows, in order and to the last byte."""
    tensor = np.arange(10_000_000, dtype=np.float32)
    arrived = []

    class Keeper(Sizes):
        def forward(self, input, next, tag):  # noqa: A002
            """Keep it."""
            arrived.append((input, next, tag))

    async def run():
        server = RpcServer(Keeper(), Limits.for_input(tensor.nbytes))
        async with connected(await server.start((HOST, 0))) as client:
            await client.forward(memoryview(tensor), "fc1", "the tag", 60)
            await client.forward(b"short", "fc2", "t", 60)
        await server.close()

    event_loop.run(run())
    assert np.array_equal(np.frombuffer(arrived[0][0], np.float32), tensor)
    assert not np.array_equal(np.frombuffer(arrived[0][0], np.float32), tensor + 1)
    assert arrived[0][1:] == ("fc1", "the tag")
    assert bytes(arrived[1][0]) == b"short"


def test_all_other_messages(server):
    """Every message besides `forward` gets through, and a refusal carries its text."""

    async def run():
        async with connected(server.address) as client:
            begun = await client.call("begin", {"run": "r1"}, 10)
            description = await client.call("describe", {}, 10)
            statistics = await client.call("statistics", {"run": "r1"}, 10)
            size = await client.call("probe", {"input": bytes(100_000)}, 10)
            refusals = [
                await failure(client.call("statistics", {"run": "r0"}, 10)),
                await failure(client.call("stop", {"reason": "none"}, 10)),
                await failure(client.forward(b"", "bug", "t", 10)),
            ]
            return begun, description, statistics, size, refusals

    begun, description, statistics, size, refusals = event_loop.run(run())
    assert begun is None
    assert (description["pid"], description["role"], description["input_bytes"]) == (
        server.pid,
        "the role",
        7,
    )
    assert (statistics["run"], statistics["cpu_s"], statistics["compute_s"]) == ("r1", 0.5, [0.25, 0.5])
    assert size == 100_000
    assert all(isinstance(error, RemoteError) for error in refusals)
    texts = ["run r0 is not known here", "no reason to stop: none", "internal error: KeyError: 'a defect"]
    assert all(error.text.startswith(text) for error, text in zip(refusals, texts, strict=True))


def test_stop_ends_the_process_after_its_answer(start_server):
    """The answer to `stop` still arrives, and then nobody is there."""
    with start_server() as served:

        async def run():
            async with connected(served.address) as client:
                answer = await client.call("stop", {"reason": "end of the test"}, 10)
                for _ in range(100):
                    try:
                        await client.call("describe", {}, 10)
                    except PeerUnreachableError as error:
                        return answer, error
                    await asyncio.sleep(0.05)
                return answer, None

        answer, error = event_loop.run(run())
    assert answer is None
    assert error is not None


def test_a_taken_port_is_named():
    """A port in use, and an address of another machine, are bad input that says who and what."""

    async def run():
        async with running() as (_, address):
            for where in (address, ("203.0.113.9", 0), ("no-such-host.invalid", 0)):
                with pytest.raises(BadInputError) as caught:
                    await RpcServer(Sizes(), Limits(1000)).start(where)
                yield str(caught.value)

    async def collect():
        return [text async for text in run()]

    taken, foreign, unknown = event_loop.run(collect())
    assert f"port {taken.split()[1]} on {HOST} is taken by process" in taken
    assert "203.0.113.9 is not an address of this machine" in foreign
    assert "'no-such-host.invalid' is not known" in unknown


def test_a_server_takes_a_bound_socket_and_gives_the_port_back():
    """A socket that is bound already can be served on; after `close` its connections end and its port is free."""

    async def run():
        sock = socket.create_server((HOST, 0))
        server = RpcServer(Sizes(), Limits(1000))
        address = await server.start(sock)
        assert address == sock.getsockname() or address[0] == HOST
        async with connected(address) as client:
            size = await client.call("probe", {"input": b"abc"}, 10)
            await server.close()
            error = await failure(client.call("probe", {"input": b"abc"}, 10))
        again = RpcServer(Sizes(), Limits(1000))
        assert await again.start(address) == address
        await again.close()
        return size, error

    size, error = event_loop.run(run())
    assert size == 3
    assert isinstance(error, PeerUnreachableError)
