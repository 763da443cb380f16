"""Row 12: packets that get lost make a farm slower and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from farms import Farm
from faults.by_hand import ANSWER_S, FIRST, deliver, work
from faults.namespaces import namespace
from toxic_proxy import ToxicProxy
from toxics import Latency, LimitData, Slicer

from harness.rpc import event_loop
from harness.rpc.outbox import Outbox

PROGRAM = Path(__file__).with_name("lossy_network.py")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("percent", "frames"), [(0, 200), (1, 600), (5, 80), (20, 16)])
def test_row_12_loss(percent: int, frames: int) -> None:
    """Over a network that drops 1, 5 and 20 % of the packets every tensor arrives once and right; the rate is printed.

    Control: without loss nothing is dropped.
    """
    done = subprocess.run(
        [
            *namespace(12, instead="test_row_12_stalls stands in for it"),
            sys.executable,
            str(PROGRAM),
            str(percent),
            str(frames),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(f"{percent} % loss: {told}")
    assert (told["lost"], told["wrong"], told["again"], told["failed"]) == (0, 0, 0, 0)
    assert (told["dropped"] > 0) == (percent > 0)


@pytest.mark.parametrize("share", [0.2])
def test_row_12_stalls(farm: Farm, share: float) -> None:
    """What loss is to a connection, without privilege: pieces late, and some connections broken off amid a frame.

    Every frame comes back from the farm once and right. Control: the same frames without it.
    """
    frames = 30

    async def scenario() -> None:
        async with work(farm) as at:
            wanted = await at.plain(frames)
            await at.begin()
            size = len(at.tensor(0))
            toxics = [
                Latency(stream="upstream", latency_s=share / 5, jitter_s=share / 5),
                Slicer(stream="upstream", average_bytes=9000, variation_bytes=8000),
                # A connection carries one frame and a part of the next before it breaks.
                *(LimitData(stream=to, limit_bytes=limit, reset=True, toxicity=share)
                  for to, limit in (("upstream", size + size // 3), ("downstream", 200)))
            ]  # fmt: skip
            first = at.address(FIRST)
            async with ToxicProxy((first.host, first.port), *toxics, seed=int(100 * share)) as proxy:
                for begin in range(0, frames, 3):
                    outbox = Outbox(ANSWER_S)
                    parcels = [at.parcel(frame) for frame in range(begin, begin + 3)]
                    assert not any(await deliver(outbox, proxy.address, *parcels))
                    await outbox.close()
                await at.until(frames)
                broken = proxy.lines - frames // 3
            await asyncio.sleep(0.2)
            assert at.results == wanted
            assert broken > 0 or share < 0.2

    event_loop.run(scenario())
