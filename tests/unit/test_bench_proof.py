"""What `make bench` takes for granted: payloads that arrived, spreads, goals without a figure, parts that fail."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import measure_all
from benchmarks.contestant import BenchmarkError
from benchmarks.goal import Goal, goal_lines
from benchmarks.samples import spread
from benchmarks.scaling.chain import MODEL, chain_plan
from benchmarks.scaling.source import ChainSource
from benchmarks.section import Part, Section, Setting
from benchmarks.transport.contestants import OURS, RAW, STOCK, TRANSPORTS
from benchmarks.transport.page import hop_section
from benchmarks.transport.payloads import VARIANTS, Receiver, check, expected, payloads
from benchmarks.transport.suite import Hops, HopSlot
from harness.rpc.identity import Identity

SIZE = 64


def received(messages: int, *, harm: int | None = None, drop: int | None = None) -> dict[str, object]:
    """What a receiver says of so many messages; one may arrive with its middle byte changed, or not at all."""
    receiver = Receiver()
    for number in range(messages):
        payload = bytearray(payloads(SIZE)[number % VARIANTS])
        if number == harm:
            payload[SIZE // 2] ^= 1
        if number != drop:
            receiver.take(payload)
    return asdict(receiver.arrived())


@given(messages=st.integers(1, 50))
def test_what_was_sent_is_what_must_arrive(messages: int) -> None:
    """Proves that any number of whole messages passes the check."""
    assert received(messages) == asdict(expected(SIZE, messages))
    check("any", SIZE, messages, received(messages))


@given(messages=st.integers(2, 50), data=st.data())
def test_a_message_changed_or_lost_is_seen(messages: int, data: st.DataObject) -> None:
    """Proves that one byte changed in one message, and one message lost, fail the check."""
    which = data.draw(st.integers(0, messages - 1))
    for wrong in (received(messages, harm=which), received(messages, drop=which)):
        with pytest.raises(BenchmarkError, match="what arrived is not what was sent"):
            check("control", SIZE, messages, wrong)


def test_every_byte_of_the_last_message_counts() -> None:
    """Proves that a changed byte which no sample looks at is seen in a slot's last message."""
    receiver = Receiver()
    last = bytearray(payloads(SIZE)[0])
    last[1] ^= 1
    receiver.take(last)
    with pytest.raises(BenchmarkError, match="last"):
        check("control", SIZE, 1, asdict(receiver.arrived()))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_quartiles_are_those_of_numpy(samples: list[float]) -> None:
    """Proves that the quartiles interpolate as the field does, and that one sample is its own spread."""
    found = spread(samples)
    wanted = np.percentile(samples, (25, 50, 75))
    assert np.allclose((found.lower, found.median, found.upper), wanted, rtol=1e-9, atol=1e-6)
    assert (found.low, found.high, found.count) == (min(samples), max(samples), len(samples))


def test_a_goal_without_a_figure_is_unknown() -> None:
    """Proves that what was not measured is neither met nor missed, and never 0; a figure is one of the two."""
    nothing = Goal.of("x", None, 2.0, at_least=True)
    assert nothing.met is None
    assert nothing.row()[1:] == ["not measured", "at least 2", "unknown"]
    met, missed = (Goal.of("x", spread([value]), 2.0, at_least=True) for value in (2.0, 1.9))
    assert (met.met, missed.met) == (True, False)
    assert "not measured" not in "\n".join(goal_lines([met, missed]))


def test_goals_of_a_failed_part_stay_on_the_page() -> None:
    """Proves that a failed part shows as unknown, and that `--quick` judges nothing; a whole run, the control, does."""
    met = Goal.of("x", spread([2.0]), 2.0, at_least=True)
    page = "\n".join(goal_lines([met], ["start"]))
    assert "| start: every goal of this part | not measured |  | unknown |" in page
    assert "| yes |" in page
    quick = "\n".join(goal_lines([met], judged=False))
    assert "not judged" in quick
    assert "yes" not in quick


def hops(names: tuple[str, ...]) -> Hops:
    """Two rounds at 25 kB: each contestant is twice as slow as the one before."""
    slot = HopSlot(messages=1000, elapsed_s=0.25, client_cpu_s=1e-5, server_cpu_s=2e-5)
    slots = {name: replace(slot, elapsed_s=0.25 * 2**number) for number, name in enumerate(names)}
    return Hops(25_088, "two cores", 0.0, (slots, slots))


def test_ratios_of_the_hop() -> None:
    """Proves that the goals compare our row with the others' round by round, and leave out none that is missing."""
    section = hop_section([hops((RAW, OURS, STOCK))], [one for one in TRANSPORTS if one.package])
    found = {goal.text: goal.value for goal in section.goals}
    assert found["hop, 25,088 B, two cores: ours / raw sockets"] == 0.5
    assert found["hop, 25,088 B, two cores: ours / stock"] == 2.0
    assert found["hop, 25,088 B, two cores: ours / ZeroMQ"] is None
    page = "\n".join(section.lines)
    assert "Not measured: zeromq, because pyzmq is not installed." in page
    assert "4000 [4000 to 4000]" in page


def test_a_changed_frame_fails_a_chain(tmp_path: Path) -> None:
    """Proves that the sink of a chain compares every byte; the frame as it was sent passes."""

    async def fed(harm: int) -> ChainSource:
        source = ChainSource(chain_plan(2, "127.0.61", tmp_path), in_flight=1)
        source._run = "run"
        frame = bytearray(source._images[0])
        frame[1234] ^= harm
        source.forward(bytes(frame), "initial", str(Identity("run", 0, "link2", 0, 1, MODEL)))
        return source

    assert asyncio.run(fed(0))._failure is None
    assert "came back changed" in str(asyncio.run(fed(1))._failure)


def test_a_part_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    """Proves that the page says which part is missing and why, and holds the others."""

    def fails(_: Setting) -> Section:
        raise BenchmarkError("no room")

    parts = [Part("bad", "fails", fails), Part("good", "works", lambda _: Section(["## Good"], []))]
    sections, took_s, failed = measure_all(parts, 1, (0,), tmp_path, quick=True)
    assert (list(sections), failed) == (["good"], {"bad": "no room"})
    assert set(took_s) == {"good", "bad"}


def test_quick_run(tmp_path: Path) -> None:
    """Proves that the suite measures real transports and real nodes, checks them, and writes page and document."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--output", str(tmp_path)]
    command += [word for part in ("hop", "scaling", "command") for word in ("--only", part)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "bench.json").read_text())
    found = document["sections"]["hop"]["hops"]
    assert [hops["placement"] for hops in found] == ["two cores", "one core"]
    for hops in found:
        assert {one.name for one in TRANSPORTS if one.available} == set(hops["rounds"][0])
        assert all(slot["messages"] >= 4 for slot in hops["rounds"][0].values())
    assert [list(found) for found in document["sections"]["scaling"]["rounds"]] == [["2", "3"]]
    assert document["failed"] == {}
    page = (tmp_path / "bench.md").read_text()
    assert page == done.stdout
    assert "--quick" in page
    for heading in ("## Goals", "## The hop", "## Nodes, few and many", "## Start of the command line"):
        assert heading in page
