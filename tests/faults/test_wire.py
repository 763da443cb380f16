"""Rows 13 to 16: what a network does to messages, between real senders and real nodes.

Every row compares with the same frames sent in a run in which nothing goes wrong.
"""

from __future__ import annotations

import asyncio

import pytest
from farms import Farm
from faults.by_hand import ANSWER_S, FIRST, LAST, deliver, work
from protocol.conftest import serving
from toxic_messages import Duplicate, Reorder
from toxic_proxy import ToxicProxy
from toxics import LimitData, Slicer, Timeout

from harness.farm.config import Address
from harness.rpc import event_loop
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerUnreachableError, RpcError
from harness.rpc.outbox import Outbox

OFFSETS = 20


def _place(address: Address) -> tuple[str, int]:
    return address.host, address.port


def test_row_13_reset_at_byte_k(farm: Farm) -> None:
    """Connections reset at 20 places of a request, and before its answer: sent again, each result comes once and right.

    Control: a sender that tries once loses the frame at each of these places.
    """

    async def scenario() -> None:
        async with work(farm) as at:
            node = _place(at.address(FIRST))
            wanted = await at.plain(OFFSETS + 1)
            await at.begin()
            async with ToxicProxy(node) as proxy:
                client = RpcClient(*proxy.address)
                await client.forward(at.tensor(99), FIRST, at.tag(99), ANSWER_S)
                await client.close()
                whole = proxy.passed["upstream"]
            head = whole - len(at.tensor(0))
            inside = [0, 1, head // 4, head // 2, 3 * head // 4, head, head + 1]
            rest = OFFSETS - len(inside) - 2
            body = [head + (whole - head) * step // (rest + 1) for step in range(1, rest + 1)]
            resets = [LimitData(stream="upstream", limit_bytes=at, reset=True) for at in (*inside, *body)]
            resets += [LimitData(stream="upstream", limit_bytes=whole - back, reset=True) for back in (2, 1)]
            assert len(resets) == len({reset.limit_bytes for reset in resets}) == OFFSETS
            resets.append(LimitData(limit_bytes=0, reset=True))
            await at.until(1)
            await at.begin()
            for frame, reset in enumerate(resets):
                async with ToxicProxy(node, reset) as proxy:
                    once = RpcClient(*proxy.address)
                    with pytest.raises(PeerUnreachableError):
                        await once.forward(at.tensor(frame), FIRST, at.tag(frame), ANSWER_S)
                    await once.close()
            await asyncio.sleep(0.1)
            assert list(at.results) in ([], [OFFSETS]), "without another attempt only the answer's frame can arrive"
            await at.begin()
            for frame, reset in enumerate(resets):
                reset.first = 1
                outbox = Outbox(ANSWER_S)
                async with ToxicProxy(node, reset) as proxy:
                    assert await deliver(outbox, proxy.address, at.parcel(frame)) == [None], reset.limit_bytes
                    assert proxy.lines > 1, f"nothing was reset at {reset.limit_bytes}"
                await outbox.close()
            await at.until(len(resets))
            await asyncio.sleep(0.2)
            assert at.results == wanted
            assert (await at.statistics(FIRST))["duplicates"] <= 1

    event_loop.run(scenario())


@pytest.mark.parametrize("how", ["trickled", "truncated", "silent"])
def test_row_14_truncated_or_trickled(how: str) -> None:
    """A message that drips, ends early or never goes on is given up soon, by name; others are served meanwhile.

    Control: with the toxic off the same message arrives.
    """

    async def scenario() -> None:
        toxic = {
            "trickled": Slicer(stream="upstream", average_bytes=20, variation_bytes=10, pause_s=0.02),
            "truncated": LimitData(stream="upstream", limit_bytes=5000),
            "silent": Timeout(stream="upstream"),
        }[how]
        tensor = bytes(100_000)
        with serving(message_deadline_s=1.0) as served:
            good = RpcClient(*served.address)
            async with ToxicProxy(served.address, toxic) as proxy:
                ill = RpcClient(*proxy.address)
                trickling = asyncio.create_task(ill.forward(tensor, "fc1", "ill", 2.0))
                served_meanwhile = 0
                while not trickling.done():
                    await good.forward(tensor, "fc1", "good", ANSWER_S)
                    served_meanwhile += 1
                    await asyncio.sleep(0.02)
                with pytest.raises(RpcError) as failed:
                    await trickling
                assert f"{proxy.address[0]}:{proxy.address[1]}" in str(failed.value)
                assert served_meanwhile >= (1 if how == "truncated" else 10)
                toxic.on = False
                await ill.close()
                await ill.forward(tensor, "fc1", "well", ANSWER_S)
                await ill.close()
            await good.close()

    event_loop.run(scenario())


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
@pytest.mark.parametrize("role", [FIRST, LAST])
def test_row_15_duplicates(farm: Farm, role: str, stream: str) -> None:
    """Every request, or every answer, comes twice: one result for each frame, and the node counts what it dropped."""
    frames = 12

    async def scenario() -> None:
        async with work(farm) as at:
            wanted = await at.plain(frames, role)
            assert (await at.statistics(role))["duplicates"] == 0, "the control"
            await at.begin()
            toxic = Duplicate(stream=stream)
            parts = 2 if role == LAST else 1
            async with ToxicProxy(_place(at.address(role)), toxic) as proxy:
                outbox = Outbox(ANSWER_S)
                parcels = [at.parcel(frame, role, part) for frame in range(frames) for part in range(parts)]
                assert not any(await deliver(outbox, proxy.address, *parcels))
                await at.until(frames)
                await outbox.close()
            await asyncio.sleep(0.2)
            assert at.results == wanted
            counted = await at.statistics(role)
            assert (counted["received"], counted["computed"]) == (parts * frames, frames)
            if stream == "upstream":
                assert counted["duplicates"] == toxic.count == parts * frames

    event_loop.run(scenario())


def test_row_16_halves_out_of_order(farm: Farm) -> None:
    """Halves of four frames at a time arrive shuffled, two by two of different frames: each result is of its own pair.

    Control: halves under each other's names give another result.
    """
    frames, senders = 40, 4

    async def scenario() -> None:
        async with work(farm) as at:
            wanted = await at.plain(frames, LAST)
            assert len({digests[0] for digests in wanted.values()}) == frames
            await at.begin()
            toxic = Reorder(stream="upstream", window=senders, hold_s=5.0)
            async with ToxicProxy(_place(at.address(LAST)), toxic, seed=2018) as proxy:

                async def send(sender: int) -> None:
                    outbox = Outbox(ANSWER_S)
                    part, first = divmod(sender, 2)
                    parcels = [at.parcel(frame, LAST, part) for frame in range(first, frames, 2)]
                    assert not any(await deliver(outbox, proxy.address, *parcels))
                    await outbox.close()

                await asyncio.gather(*map(send, range(senders)))
            await at.until(frames)
            assert sum(batch != sorted(batch) for batch in toxic.released) > frames // 4
            assert at.results == wanted
            await at.begin()
            for part in range(2):
                swapped = {"input": at.tensor(0, LAST, 1 - part), "next": LAST, "tag": at.tag(0, LAST, part)}
                await at.call(LAST, "forward", swapped)
            await at.until(1)
            assert at.results[0] != wanted[0]

    event_loop.run(scenario())
