"""An imitated device: one frame at a time, results when its own time has passed, lateness told."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning import TINY, pi_farm

from harness.emulate.busy_book import BusyBook
from harness.emulate.device import DeviceTime, EmulatedDevice, device_time
from harness.errors import BadInputError
from harness.models.catalogue import model
from harness.models.split import Split
from harness.plan.cuts import candidate_ways
from harness.plan.stage_cost import StageModel
from harness.plan.table import Share
from harness.plan.traffic import part_blocks
from harness.plan.way import WHOLE, Way
from harness.profile.profile import Device, LayerFigure, ModelFigures, Profile
from harness.profile.times import BlockTimes
from power.errors import PowerError
from power.virtual.busy_load import BusyFile, parse_busy

SHARE = Share("fc", 0)


class Machine:
    """A clock that only computing and sleeping move."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s = 0.0

    def clock(self) -> float:
        """Now."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds >= 0
        self.now_s += seconds
        self.slept_s += seconds


class Block:
    """Takes so long as the machine is told, and answers its input."""

    fingerprint = "ab"

    def __init__(self, machine: Machine, costs_s: list[float]) -> None:
        self._machine = machine
        self._costs_s = iter(costs_s)

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute."""
        self._machine.now_s += next(self._costs_s)
        return inputs


@given(st.floats(0.001, 5), st.lists(st.floats(0, 10), min_size=1, max_size=20))
def test_a_result_is_held_until_the_device_would_have_it(warm_s: float, costs_s: list[float]) -> None:
    """A frame takes the device's time, or the machine's where that is longer, and only then counts as late."""
    machine, told = Machine(), []
    device = EmulatedDevice(
        {SHARE: DeviceTime(warm_s, 2 * warm_s)}, lambda *one: told.append(one), clock=machine.clock, sleep=machine.sleep
    )
    block = device.paced(SHARE, Block(machine, costs_s))
    assert block.fingerprint == "ab"
    for number, cost_s in enumerate(costs_s):
        begun_s, own_s = machine.now_s, 2 * warm_s if number == 0 else warm_s
        frame = np.array([number])
        assert block(frame)[0] is frame
        assert machine.now_s - begun_s == pytest.approx(max(own_s, cost_s))
    late = sum(cost_s > (2 * warm_s if number == 0 else warm_s) + 1e-9 for number, cost_s in enumerate(costs_s))
    assert device.late == pytest.approx(late, abs=sum(abs(c - w) < 1e-6 for c in costs_s for w in (warm_s, 2 * warm_s)))
    assert told[-1][:2] == (pytest.approx((len(costs_s) + 1) * warm_s), 0.0), "busy for the device's time, not longer"
    assert [since_s > 0 for _, since_s, _ in told] == [False, *[True, False] * len(costs_s)]


def test_a_machine_that_wakes_up_late_says_so() -> None:
    """A result that is handed on well behind its time counts as late, however quickly it was computed."""
    machine = Machine()
    late = iter([0.0, 0.04, 0.06])
    device = EmulatedDevice(
        {SHARE: DeviceTime(1.0, 1.0)}, clock=machine.clock, sleep=lambda seconds: machine.sleep(seconds + next(late))
    )
    block = device.paced(SHARE, Block(machine, [0.1] * 3))
    seen = []
    for _ in range(3):
        block(np.zeros(1))
        seen.append(device.late)
    assert seen == [0, 0, 1]


def test_an_error_of_the_block_leaves_the_device_free() -> None:
    """The control: a block that fails says so, and the next frame is computed."""
    machine = Machine()
    device = EmulatedDevice({SHARE: DeviceTime(1.0, 1.0)}, clock=machine.clock, sleep=machine.sleep)
    block = device.paced(SHARE, Block(machine, [0.5]))
    block(np.zeros(1))
    with pytest.raises(StopIteration):
        block(np.zeros(1))
    assert device.paced(SHARE, Block(machine, [0.1]))(np.zeros(1))


def _profile(cold_s: float | None, memory_bytes: int = 10**9) -> Profile:
    figures = tuple(
        LayerFigure(layer.name, 1, 0.5, cold_s, None, None, None, None, "measured", "made up") for layer in TINY.layers
    )
    device = Device("Made up", 1, memory_bytes, 0, 2.0, None, None, None, {})
    return Profile("made", device, {"tiny": ModelFigures(TINY.digest(), figures, None, "")}, {})


def test_times_come_from_the_profile() -> None:
    """Warm is the sum of the layers and their messages, cold what the profile has of the first frame, else warm."""
    ((first,), (rest,)) = (part_blocks(TINY, *span, WHOLE) for span in ((0, 2), (2, len(TINY.layers))))
    assert device_time(BlockTimes(_profile(None), TINY), first) == DeviceTime(1.0, 1.0)
    assert device_time(BlockTimes(_profile(0.75), TINY), first) == DeviceTime(1.0, 1.5)
    assert device_time(BlockTimes(_profile(0.75), TINY), first, messages_s=0.1) == DeviceTime(1.1, 1.6)
    with pytest.raises(BadInputError, match="more than made has"):
        device_time(BlockTimes(_profile(None, memory_bytes=10), TINY), rest)


@pytest.mark.parametrize("split", [Split.ROWS, Split.OUTPUT_CHANNELS, Split.INPUT_CHANNELS])
def test_a_part_of_a_convolution_takes_what_the_plan_says(split: Split) -> None:
    """The largest part of a split block takes as long imitated as planned, and the whole, the control, longer."""
    graph, site = model("alexnet"), pi_farm(4)
    begin, end = next(
        (begin, end)
        for begin in range(len(graph.layers))
        for end in range(begin + 1, len(graph.layers))
        if Way(2, split) in candidate_ways(graph, [layer.name for layer in graph.layers[begin:end]])
    )
    times = BlockTimes(site.devices[0].profile, graph)
    parts = [device_time(times, block).warm_s for block in part_blocks(graph, begin, end, Way(2, split))]
    planned_s = StageModel(graph, site, conv_splits="all").block(0, begin, end, Way(2, split)).seconds
    assert max(parts) == planned_s
    (whole,) = part_blocks(graph, begin, end, WHOLE)
    assert device_time(times, whole).warm_s > planned_s


def test_the_analyzer_reads_what_devices_tell(tmp_path: Path) -> None:
    """Energy is idle watts of all devices, and the busy ones' more; a file that is none is refused by name."""
    book = BusyBook(tmp_path / "busy", 2)
    now_s = 50.0
    file = BusyFile(book.path, lambda: now_s)
    assert (file.devices, file.busy_s(1), file.busy_s(3)) == (2, 0.0, None)
    book.write(1, 4.0, 49.0, 5.0)
    assert (file.busy_s(1), file.busy_s(2)) == (0.0, 5.0)
    book.write(1, 4.0, 49.0, 0.25)
    assert file.busy_s(2) == 4.25, "no longer than the block takes"
    load = parse_busy(f"busy:{book.path},devices=3,idle=1.3,busy=5.2", began_s=0.0)
    before_j = load.energy_j(0.0, 1.0)
    assert (load.devices, load.idle_w, load.busy_w) == (3, 1.3, 5.2)
    assert before_j >= 3 * 1.3
    for text, why in (
        (f"busy:{book.path},devices=3", "needs devices, idle and busy"),
        (f"busy:{tmp_path / 'none'},devices=3,idle=1,busy=2", "cannot be read"),
        (f"busy:{os.devnull},devices=3,idle=1,busy=2", "holds no busy times"),
    ):
        with pytest.raises(PowerError, match=why):
            parse_busy(text, 0.0)
    book.close()
