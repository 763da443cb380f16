"""Toxics of whole requests: what comes twice comes twice, what is shuffled is shuffled, and nothing else."""

import asyncio
import contextlib

from toxic_messages import Duplicate, Reorder
from toxic_proxy import ToxicProxy

HOST = "127.0.0.14"
WAIT_S = 20
DATA = bytes(range(256)) * 400


async def serve_counted(seen):
    """An HTTP server that answers each request with its number, and notes its body."""

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen.append(await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])))
                answer = str(len(seen)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        writer.close()

    return await asyncio.start_server(serve, HOST, 0)


async def post(streams, body):
    """One request and one answer."""
    reader, writer = streams
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S)
    return await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))


def test_duplicate_sends_requests_twice():
    """The server sees each request twice, the client one answer to each; without it each once. Long bodies, too."""

    async def scenario():
        seen, toxic = [], Duplicate(stream="upstream")
        server = await serve_counted(seen)
        bodies = [b"one", b"", DATA]
        async with ToxicProxy(server.sockets[0].getsockname(), toxic) as proxy:
            streams = await asyncio.open_connection(*proxy.address)
            assert [await post(streams, body) for body in bodies] == [b"1", b"3", b"5"]
            assert seen == [body for body in bodies for _ in range(2)]
            toxic.on = False
            assert [await post(streams, body) for body in bodies] == [b"7", b"8", b"9"]
            assert (toxic.count, seen[6:]) == (3, bodies)
            streams[1].close()
        server.close()

    asyncio.run(scenario())


def test_duplicate_sends_answers_twice():
    """Downstream the client gets each answer twice, and the server each request once."""

    async def scenario():
        seen = []
        server = await serve_counted(seen)
        async with ToxicProxy(server.sockets[0].getsockname(), Duplicate()) as proxy:
            streams = await asyncio.open_connection(*proxy.address)
            assert [await post(streams, body) for body in (b"one", b"two", b"six")] == [b"1", b"1", b"2"]
            assert seen == [b"one", b"two", b"six"]
            streams[1].close()
        server.close()

    asyncio.run(scenario())


def test_reorder_shuffles_connections_and_no_connection():
    """Requests of four connections arrive in another order, each connection's own in theirs; the seed says in which."""

    async def orders(seed, on=True):
        seen, toxic = [], Reorder(stream="upstream", window=4, on=on)
        server = await serve_counted(seen)
        async with ToxicProxy(server.sockets[0].getsockname(), toxic, seed=seed) as proxy:
            lines = [await asyncio.open_connection(*proxy.address) for _ in range(4)]

            async def client(number):
                for step in range(10):
                    await post(lines[number], b"%d-%d" % (number, step))

            await asyncio.gather(*map(client, range(4)))
            for _, writer in lines:
                writer.close()
        server.close()
        assert len(seen) == len(set(seen)) == 40
        for number in range(4):
            assert [body for body in seen if body.startswith(b"%d-" % number)] == [
                b"%d-%d" % (number, step) for step in range(10)
            ]
        return toxic.released

    shuffled = asyncio.run(orders(5))
    assert len(shuffled) == 10
    assert sum(batch != sorted(batch) for batch in shuffled) >= 5
    assert asyncio.run(orders(5)) == shuffled
    assert asyncio.run(orders(5, on=False)) == []


def test_reorder_holds_nobody_for_ever():
    """A request that stays alone is let go after a while, and so is one whose forerunner's client has gone."""

    async def scenario():
        seen = []
        server = await serve_counted(seen)
        toxic = Reorder(stream="upstream", window=2, hold_s=0.1)
        async with ToxicProxy(server.sockets[0].getsockname(), toxic) as proxy:
            streams = await asyncio.open_connection(*proxy.address)
            assert await post(streams, b"alone") == b"1"
            _, leaves = await asyncio.open_connection(*proxy.address)
            leaves.write(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\ngone")
            await asyncio.sleep(0.02)
            leaves.transport.abort()
            assert await post(streams, b"stays") in {b"2", b"3"}
            streams[1].close()
        server.close()

    asyncio.run(scenario())
