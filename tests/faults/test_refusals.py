"""Rows 17 to 19 and 22: what a node must not take, and that it goes on after it has refused it."""

from __future__ import annotations

import asyncio
import resource
import socket
import time

import psutil
import pytest
from farms import Farm
from faults.by_hand import ANSWER_S, FIRST, LAST, work
from protocol.conftest import serving
from protocol.raw_http import exchange, forward_message, framed, post, read_answer

from harness.rpc import event_loop
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerUnreachableError, RemoteError
from harness.rpc.responder import VOID

GIB = 2**30
ROOM_BYTES = 2**28
GOOD = post(framed(forward_message()))
ANSWERED = (200, framed(VOID))


def test_row_17_stale_half(farm: Farm) -> None:
    """A half of an older run is refused, naming both runs, and meets no half of the present one.

    Control: the present run's own half is taken in its place, and the result is that of the right pair.
    """

    async def scenario() -> None:
        async with work(farm) as at:
            wanted = (await at.plain(1, LAST))[0]
            await at.begin()
            captured = {"input": at.tensor(7, LAST, 0), "next": LAST, "tag": at.tag(0, LAST, 0)}
            await at.call(LAST, "forward", captured)
            before = at.run
            await at.begin()
            right = {"input": at.tensor(0, LAST, 1), "next": LAST, "tag": at.tag(0, LAST, 1)}
            await at.call(LAST, "forward", right)
            with pytest.raises(RemoteError) as refused:
                await at.call(LAST, "forward", captured)
            assert before in refused.value.text
            assert at.run in refused.value.text
            await asyncio.sleep(0.3)
            assert at.results == {}, "the stale half made no pair"
            await at.call(LAST, "forward", {"input": at.tensor(0, LAST, 0), "next": LAST, "tag": at.tag(0, LAST, 0)})
            await at.until(1)
            assert at.results == {0: wanted}

    event_loop.run(scenario())


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda tag, model: tag.replace(model, "0123456789abcdef"), ("model", "0123456789abcdef")),
        (lambda tag, _: tag.replace("part=0/2", "part=0/3"), ("0 of 3",)),
        (lambda tag, _: tag.replace("part=0/2", "part=2/3"), ("2 of 3",)),
        (lambda tag, _: tag.replace("tensor=", "tensor=other-"), ("other-",)),
    ],
    ids=["weights or model", "split", "part", "tensor"],
)
def test_row_18_other_model(farm: Farm, change, shown: tuple[str, ...]) -> None:
    """A tensor of other weights, another model or split is refused, and both sides are shown; nothing is computed.

    That a run refuses nodes of another seed or split before it sends is in test_liars. Control: the same tensor under
    its right name is taken.
    """

    async def scenario() -> None:
        async with work(farm) as at:
            await at.begin()
            own = (await at.call(LAST, "describe", {}))["model_fingerprint"]
            good = {"input": at.tensor(0, LAST, 0), "next": LAST, "tag": at.tag(0, LAST, 0)}
            with pytest.raises(RemoteError) as refused:
                await at.call(LAST, "forward", {**good, "tag": change(good["tag"], own)})
            assert all(text in refused.value.text for text in shown), refused.value.text
            if "model" in shown:
                assert own in refused.value.text
            counted = await at.statistics(LAST)
            assert (counted["received"], counted["computed"], counted["refused"]) == (0, 0, 1)
            await at.call(LAST, "forward", good)
            assert (await at.statistics(LAST))["received"] == 1

    event_loop.run(scenario())


def test_row_19_two_nodes_on_one_address(farm: Farm) -> None:
    """A second node for an address ends at once, naming the port and the process that has it; the first serves on."""
    address = farm.document()[FIRST][0]
    first = farm.processes()[address]
    begun_s = time.monotonic()
    second = farm.command("node", "--target", str(farm.file), "--address", address)
    assert time.monotonic() - begun_s < ANSWER_S
    assert second.returncode == 2
    assert "ready" not in second.stdout
    host, port = address.split(":")
    assert f"port {port} on {host} is taken by process {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr

    async def scenario() -> None:
        async with work(farm) as at:
            assert (await at.call(FIRST, "describe", {}))["pid"] == first.pid
            await at.plain(1)

    event_loop.run(scenario())


def test_row_22_memory_exhausted() -> None:
    """A message for which there is no memory is refused with the reason, to any client; the next one is answered.

    Control: the same server takes an announcement of that size once its limit is lifted.
    """
    with serving(max_message_bytes=2 * GIB - 1) as served:
        assert exchange(served.address, [GOOD]) == ANSWERED
        process = psutil.Process(served.pid)
        _, most = process.rlimit(resource.RLIMIT_AS)
        process.rlimit(resource.RLIMIT_AS, (process.memory_info().vms + ROOM_BYTES, most))
        for _ in range(3):
            status, reason = exchange(served.address, [post(b"", length=GIB)])
            assert (status, reason) == (503, b"there is no memory for this message\n")
            assert exchange(served.address, [GOOD]) == ANSWERED
        pieces = (b"100000\r\n" + bytes(2**20) + b"\r\n" for _ in range(ROOM_BYTES // 2**20 + 64))
        chunked = [post(b"", "Transfer-Encoding: chunked", length=-1), *pieces]
        assert (exchange(served.address, chunked) or (503,))[0] == 503
        assert exchange(served.address, [GOOD]) == ANSWERED

        async def scenario() -> None:
            client = RpcClient(*served.address)
            with pytest.raises(PeerUnreachableError, match="there is no memory for this message"):
                await client.forward(memoryview(bytes(GIB // 2)), "fc1", "t", ANSWER_S)
            await client.forward(b"1234", "fc1", "t", ANSWER_S)
            await client.close()

        event_loop.run(scenario())
        process.rlimit(resource.RLIMIT_AS, (most, most))
        with socket.create_connection(served.address, timeout=ANSWER_S) as sock:
            sock.sendall(post(b"", "Expect: 100-continue", length=GIB))
            assert sock.recv(100).startswith(b"HTTP/1.1 100 "), "the control"


def test_row_22_more_than_a_node_can_hold(farm: Farm) -> None:
    """A real node refuses a gigabyte before it comes, and grows by nothing near it; its next frame is computed."""
    host, port = farm.document()[FIRST][0].split(":")
    process = farm.processes()[f"{host}:{port}"]

    async def frame_is_computed() -> None:
        async with work(farm) as at:
            await at.plain(1)

    event_loop.run(frame_is_computed())
    before_bytes = process.memory_info().rss
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=ANSWER_S) as sock:
            sock.sendall(post(b"", length=GIB))
            status, reason = read_answer(sock)
            assert (status, b"1073741824 bytes" in reason) == (413, True)
    event_loop.run(frame_is_computed())
    assert process.memory_info().rss - before_bytes < 32 * 2**20
