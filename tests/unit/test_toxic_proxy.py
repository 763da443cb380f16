"""The proxy of the fault tests: each toxic does what its name says, and nothing once it is switched off."""

import asyncio
import contextlib
import socket
import time

import pytest
from toxic_proxy import ToxicProxy, running
from toxics import Bandwidth, Latency, LimitData, ResetPeer, Slicer, SlowClose, Timeout

HOST = "127.0.0.14"
WAIT_S = 20
DATA = bytes(range(256)) * 400


class Echo(asyncio.Protocol):
    """Sends back what comes; closes when the client has ended its side, or after a first word "close"."""

    def __init__(self, pieces, broken):
        self.pieces, self.broken = pieces, broken

    def connection_made(self, transport):
        """Keep the way back."""
        self.transport = transport

    def data_received(self, data):
        """Note the piece, and send it back."""
        self.pieces.append(data)
        self.transport.write(data)
        if data == b"close":
            self.transport.close()

    def connection_lost(self, error):
        """Note whether it was reset."""
        self.broken.append(error)


@contextlib.asynccontextmanager
async def echoing(*toxics, seed=0):
    """A proxy before an echo: the proxy, the pieces that the echo received, and how its connections ended."""
    pieces, broken = [], []
    server = await asyncio.get_running_loop().create_server(lambda: Echo(pieces, broken), HOST, 0)
    try:
        async with ToxicProxy(server.sockets[0].getsockname(), *toxics, listen=(HOST, 0), seed=seed) as proxy:
            yield proxy, pieces, broken
    finally:
        server.close()


async def talk(proxy, data=b"word", end=True):
    """Send, and read to the end; what came, and what the connection broke with."""
    reader, writer = await asyncio.open_connection(*proxy.address)
    writer.write(data)
    if end:
        writer.write_eof()
    came = b""
    try:
        async with asyncio.timeout(WAIT_S):
            while piece := await reader.read(65536):
                came += piece
    except ConnectionResetError as error:
        return came, error
    finally:
        writer.close()
    return came, None


async def seconds(talking):
    """How long it takes, and what it gives."""
    begun_s = time.monotonic()
    given = await talking
    return time.monotonic() - begun_s, given


async def both(toxic, data=b"word", **options):
    """Seconds and answer with the toxic, and without: its control."""
    async with echoing(toxic) as (proxy, _, _):
        with_it = await seconds(talk(proxy, data, **options))
        toxic.on = False
        return with_it, await seconds(talk(proxy, data, **options))


def test_a_proxy_without_toxics_changes_nothing():
    """A megabyte goes there and back as it was; a server that is not there ends the connection."""

    async def scenario():
        async with echoing() as (proxy, _, broken):
            assert await talk(proxy, DATA * 10) == (DATA * 10, None)
            assert proxy.passed == {"upstream": 10 * len(DATA), "downstream": 10 * len(DATA)}
            assert broken == [None]
        with socket.create_server((HOST, 0)) as gone:
            nowhere = gone.getsockname()
        async with ToxicProxy(nowhere) as proxy:
            came, error = await talk(proxy)
            assert came == b""
            assert error is not None

    asyncio.run(scenario())


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_delays_and_keeps_the_order(stream):
    """All bytes come, in order, at least so much later."""

    async def scenario():
        late, plain = await both(Latency(stream=stream, latency_s=0.5, jitter_s=0.1), DATA)
        assert late[1] == plain[1] == (DATA, None)
        assert late[0] >= 0.4
        assert plain[0] < late[0]

    asyncio.run(scenario())


def test_jitter_is_drawn_from_the_seed():
    """Connections wait differently long, and the seed says which one longest: its draws are 0.2 s apart."""

    async def order(seed):
        async with echoing(Latency(latency_s=0.3, jitter_s=0.3), seed=seed) as (proxy, _, _):
            waits = [(await seconds(talk(proxy)))[0] for _ in range(3)]
        return sorted(range(3), key=waits.__getitem__)

    assert asyncio.run(order(39)) == [2, 0, 1]
    assert asyncio.run(order(165)) == [1, 2, 0]


def test_bandwidth_bounds_bytes_per_second():
    """102 kB at 200 kB/s take half a second."""

    async def scenario():
        slow, plain = await both(Bandwidth(bytes_per_s=200_000), DATA)
        assert slow[1] == plain[1] == (DATA, None)
        assert slow[0] >= 0.45
        assert plain[0] < slow[0]

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", [0, 1, 1000, len(DATA) - 1])
@pytest.mark.parametrize("reset", [False, True])
def test_limit_data_ends_the_connection_at_a_byte(limit, reset):
    """Exactly so many bytes pass to the server, and then the end, or the reset, is told to both."""

    async def scenario():
        toxic = LimitData(stream="upstream", limit_bytes=limit, reset=reset)
        async with echoing(toxic) as (proxy, pieces, broken):
            _, error = await talk(proxy, DATA, end=False)
            async with asyncio.timeout(WAIT_S):
                while not broken:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert (error is not None, broken[0] is not None) == (reset, reset)
            assert proxy.passed["upstream"] == limit
            if not reset:
                assert sum(map(len, pieces)) == limit
            toxic.on = False
            assert await talk(proxy, DATA) == (DATA, None)

    asyncio.run(scenario())


def test_reset_peer_resets():
    """Both ends are reset in mid-connection; switched off, the connection lasts."""

    async def scenario():
        toxic = ResetPeer(after_s=0.1)
        async with echoing(toxic) as (proxy, _, broken):
            came, error = await talk(proxy, b"word", end=False)
            assert (came, type(error)) == (b"word", ConnectionResetError)
            toxic.on = False
            assert await talk(proxy, b"close") == (b"close", None)
            assert isinstance(broken[0], ConnectionResetError)

    asyncio.run(scenario())


def test_slicer_cuts_into_pieces():
    """The server gets many small pieces that make the whole; without it few."""

    async def scenario():
        toxic = Slicer(stream="upstream", average_bytes=500, variation_bytes=200, pause_s=0.001)
        async with echoing(toxic) as (proxy, pieces, _):
            assert await talk(proxy, DATA[:20_000]) == (DATA[:20_000], None)
            sliced = len(pieces)
            toxic.on = False
            assert await talk(proxy, DATA[:20_000]) == (DATA[:20_000], None)
            assert sliced >= 15
            assert len(pieces) - sliced < sliced

    asyncio.run(scenario())


def test_slow_close_tells_the_end_late():
    """The bytes come at once, the end later."""

    async def scenario():
        slow, plain = await both(SlowClose(delay_s=0.4), b"close", end=False)
        assert slow[1] == plain[1] == (b"close", None)
        assert slow[0] >= 0.4
        assert plain[0] < slow[0]

    asyncio.run(scenario())


def test_timeout_swallows_everything_and_closes():
    """Nothing comes through, in order or at all, until the connection is closed."""

    async def scenario():
        swallowed, plain = await both(Timeout(after_s=0.3), b"close", end=False)
        assert swallowed[1] == (b"", None)
        assert swallowed[0] >= 0.3
        assert plain[1] == (b"close", None)

    asyncio.run(scenario())


def test_timeout_without_an_end_is_a_partition_that_heals():
    """While it is on nothing passes and nothing is closed; switched off, what is sent later passes."""

    async def scenario():
        toxic = Timeout()
        async with echoing(toxic) as (proxy, pieces, _):
            reader, writer = await asyncio.open_connection(*proxy.address)
            writer.write(b"lost")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(100), 0.3)
            assert pieces == [b"lost"], "only the answers are held"
            toxic.on = False
            writer.write(b"found")
            assert await asyncio.wait_for(reader.read(100), WAIT_S) == b"found"
            writer.close()

    asyncio.run(scenario())


def test_some_connections_have_it_and_the_seed_says_which():
    """`first` and `toxicity` choose connections, the same ones for the same seed."""

    async def ill(seed, **which):
        async with echoing(LimitData(limit_bytes=0, **which), seed=seed) as (proxy, _, _):
            return [(await talk(proxy))[0] == b"" for _ in range(40)]

    assert asyncio.run(ill(1, first=3)) == [True] * 3 + [False] * 37
    half = asyncio.run(ill(1, toxicity=0.5))
    assert 8 < sum(half) < 32
    assert asyncio.run(ill(1, toxicity=0.5)) == half
    assert asyncio.run(ill(2, toxicity=0.5)) != half


def test_a_proxy_in_a_thread_serves_code_without_a_loop():
    """Sockets of this thread pass through it; after the block its port is free."""
    with socket.create_server((HOST, 0)) as server:
        with running(ToxicProxy(server.getsockname(), listen=(HOST, 0))) as proxy:
            with socket.create_connection(proxy.address, timeout=WAIT_S) as client:
                behind, _ = server.accept()
                client.sendall(b"word")
                assert behind.recv(100) == b"word"
                behind.close()
                assert client.recv(100) == b""
            where = proxy.address
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(where, timeout=WAIT_S)
