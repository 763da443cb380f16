"""Load generators: how many frames go out, and when, on a clock that only the test moves."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bench.load import ClosedLoop, OpenLoop
from harness.node.node import QUEUE_FRAMES

START_S = 1000.0


class Skipping(selectors.DefaultSelector):
    """Looks at once, and counts how long it was asked to wait."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now."""
        self.skipped_s += timeout or 0.0
        return super().select(0)


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop that never sleeps: waiting moves its clock instead."""

    def __init__(self) -> None:
        self.selector = Skipping()
        self.busy_s = 0.0
        super().__init__(self.selector)

    def time(self) -> float:
        """Seconds of virtual time: what was waited for, and what a test says that work took."""
        return START_S + self.selector.skipped_s + self.busy_s


def on_virtual_clock(scenario: Callable[[VirtualClock], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario on a clock of its own."""
    loop = VirtualClock()
    try:
        loop.run_until_complete(scenario(loop))
    finally:
        loop.close()


# The closed loop


@given(st.integers(1, 60), st.integers(1, QUEUE_FRAMES), st.lists(st.booleans(), max_size=200))
def test_a_closed_loop_keeps_so_many_in_flight(frames: int, in_flight: int, returns: list[bool]) -> None:
    """It sends exactly the frames asked for, never more at once than allowed, and as many as allowed while it can."""
    sent: list[int] = []
    load = ClosedLoop(lambda _due_s: sent.append(len(sent)), frames, in_flight)
    assert not load.finished
    load.start()
    back = 0
    for _ in [*(step for step in returns if step), *range(frames)]:
        assert len(sent) - back == min(in_flight, frames - back)
        assert load.finished is (back == frames)
        if back < frames:
            load.returned()
            back += 1
    assert len(sent) == frames
    assert load.finished
    assert load.dropped == 0


def test_a_closed_loop_that_is_stopped_sends_no_more() -> None:
    """After stop a result sends nothing, and the load is finished when what was out is back."""
    sent: list[int] = []
    load = ClosedLoop(lambda _due_s: sent.append(0), 100, 3)
    load.start()
    load.stop()
    for _ in range(3):
        assert not load.finished
        load.returned()
    assert len(sent) == 3
    assert load.finished


# The open loop


@given(st.integers(1, 200), st.floats(0.01, 1e4))
def test_an_open_loop_sends_at_its_rate(frames: int, rate_fps: float) -> None:
    """Frame k goes out k periods after the first, whatever the rate, and none before it is due."""
    sent_s: list[float] = []

    async def scenario(loop: VirtualClock) -> None:
        def send(due_s: float | None) -> None:
            sent_s.append(loop.time() - START_S)
            loop.call_soon(load.returned)

        load = OpenLoop(send, frames, rate_fps)
        load.start()
        await asyncio.sleep((frames + 1) / rate_fps)
        assert load.finished
        assert load.dropped == 0

    on_virtual_clock(scenario)
    assert len(sent_s) == frames
    assert sent_s == pytest.approx([frame / rate_fps for frame in range(frames)], rel=1e-9, abs=1e-6)


def test_lateness_does_not_add_up() -> None:
    """A sender that is held up catches up, and says of each frame when it was due, not when it came to it."""
    sent_s: list[float] = []
    due_times_s: list[float] = []

    async def scenario(loop: VirtualClock) -> None:
        def send(due_s: float | None) -> None:
            assert due_s is not None
            due_times_s.append(due_s - START_S)
            sent_s.append(loop.time() - START_S)
            if len(sent_s) == 3:
                loop.busy_s += 0.35
            loop.call_soon(load.returned)

        load = OpenLoop(send, 8, 10)
        load.start()
        await asyncio.sleep(10)
        assert load.finished

    on_virtual_clock(scenario)
    assert sent_s == pytest.approx([0, 0.1, 0.2, 0.55, 0.55, 0.55, 0.6, 0.7], abs=1e-6)
    assert due_times_s == pytest.approx([frame / 10 for frame in range(8)], abs=1e-6)


@given(st.integers(1, 200), st.integers(0, 100))
def test_a_frame_that_is_due_while_the_farm_is_full_is_dropped(frames: int, served: int) -> None:
    """The open loop holds no queue: a farm that answers only so many frames makes it drop and count the rest."""

    async def scenario(loop: VirtualClock) -> None:
        sent: list[float] = []

        def send(due_s: float | None) -> None:
            sent.append(loop.time())
            if len(sent) <= served:
                loop.call_soon(load.returned)

        load = OpenLoop(send, frames, 100)
        load.start()
        await asyncio.sleep(frames)
        out = max(0, min(len(sent) - served, QUEUE_FRAMES))
        assert len(sent) == min(frames, served + QUEUE_FRAMES)
        assert len(sent) + load.dropped == frames
        assert load.finished is (out == 0)
        for _ in range(out):
            assert not load.finished
            load.returned()
        assert load.finished

    on_virtual_clock(scenario)


def test_an_open_loop_that_is_stopped_sends_no_more() -> None:
    """After stop no timer fires, and the load is finished when what was out is back."""

    async def scenario(loop: VirtualClock) -> None:
        sent: list[float] = []
        load = OpenLoop(lambda _due_s: sent.append(loop.time()), 100, 10)
        load.start()
        await asyncio.sleep(0.25)
        assert len(sent) == 3
        load.stop()
        await asyncio.sleep(100)
        assert len(sent) == 3
        for _ in sent:
            assert not load.finished
            load.returned()
        assert load.finished

    on_virtual_clock(scenario)
