"""The initial's account of frames: each counts once, none is forgotten, and work goes where it is done soonest."""

from __future__ import annotations

import heapq
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.dispatch import Arrival, Dispatcher, RetryBudget, Send
from harness.farm.config import Address
from harness.plan.assign import assign
from harness.plan.table import Share, Table

SHARES = [Share("block1", 0), Share("fc1", 0), Share("fc1", 1)]
COSTS_S = dict.fromkeys(SHARES, 1.0)
DEVICES = [Address("127.0.0.1", port) for port in range(1, 8)]

events = st.lists(
    st.one_of(
        st.just("offer"),
        st.tuples(st.just("arrive"), st.integers(0, 40)),
        st.tuples(st.just("again"), st.integers(0, 40)),
        st.tuples(st.just("wait"), st.floats(0, 3)),
        st.tuples(st.just("devices"), st.sets(st.sampled_from(DEVICES), min_size=1)),
    ),
    max_size=60,
)


@given(events)
def test_each_frame_counts_once_and_none_is_forgotten(happens: list[object]) -> None:
    """Whatever comes, goes, is late or comes twice: each frame counts once, and those not back are sent again."""
    dispatcher = Dispatcher(assign(COSTS_S, DEVICES), deadline_s=1.0)
    now_s, frames = 0.0, itertools.count()
    sent: list[Send] = []
    counted: set[int] = set()
    answered: set[tuple[int, int]] = set()
    for event in happens:
        match event:
            case "offer":
                sent.append(dispatcher.offer(next(frames), now_s))
            case ("arrive" | "again", int(number)) if sent:
                send = sent[number % len(sent)]
                found = dispatcher.arrived(send.frame, send.attempt)
                expected = (
                    Arrival.REPEATED
                    if (send.frame, send.attempt) in answered
                    else Arrival.LATE
                    if send.frame in counted
                    else Arrival.FIRST
                )
                assert found is expected
                answered.add((send.frame, send.attempt))
                counted.add(send.frame)
            case ("wait", float(seconds)):
                now_s += seconds
                sent += dispatcher.due(now_s)
            case ("devices", set(devices)):
                sent += dispatcher.change(assign(COSTS_S, devices, dispatcher.table), now_s)
        assert dispatcher.in_flight == len({one.frame for one in sent} - counted)
    # The way of each is one of its table, and no attempt was sent twice.
    assert len({(one.frame, one.attempt) for one in sent}) == len(sent)
    # Given time, whatever is not back is sent again, and again.
    missing = {one.frame for one in sent} - counted
    for _ in range(100):
        now_s += 1.0
        again = dispatcher.due(now_s)
        missing -= {one.frame for one in again}
    assert not missing
    assert sum(dispatcher.outstanding(one) for one in DEVICES) == dispatcher.in_flight * len(SHARES)


def test_frames_over_a_lost_device_are_sent_again_at_once() -> None:
    """A table without a device sends again what was on its way through it, and nothing else."""
    table = assign(COSTS_S, DEVICES[:4])
    dispatcher = Dispatcher(table, deadline_s=10.0)
    sent = {frame: dispatcher.offer(frame, 0.0) for frame in range(6)}
    (share,) = [one for one, found in table.holders.items() if len(found) == 2]
    gone = table.holders[share][0]
    after = assign(COSTS_S, set(DEVICES[:4]) - {gone}, table)
    again = dispatcher.change(after, 0.5)
    assert [one.frame for one in again] == [frame for frame, one in sent.items() if gone in table.stops(one.way)]
    assert 0 < len(again) < 6
    assert all((one.attempt, one.epoch) == (1, 1) for one in again)
    assert all(gone not in after.stops(one.way) for one in again)
    with pytest.raises(ValueError, match="not later"):
        dispatcher.change(after, 0.6)


def test_what_was_never_sent_is_unknown() -> None:
    """A result of a frame or an attempt that was never sent counts as neither."""
    dispatcher = Dispatcher(assign(COSTS_S, DEVICES), deadline_s=1.0)
    dispatcher.offer(3, 0.0)
    assert dispatcher.arrived(4, 0) is Arrival.UNKNOWN
    assert dispatcher.arrived(3, 1) is Arrival.UNKNOWN
    assert dispatcher.arrived(3, -1) is Arrival.UNKNOWN
    assert dispatcher.arrived(3, 0) is Arrival.FIRST
    with pytest.raises(ValueError, match="sent before"):
        dispatcher.offer(3, 1.0)


def test_the_budget_bounds_repetitions() -> None:
    """A farm that answers nothing is not buried: ten and a fifth for each frame at once, then ten a second."""
    dispatcher = Dispatcher(assign(COSTS_S, DEVICES), deadline_s=1.0)
    for frame in range(100):
        dispatcher.offer(frame, 0.0)
    assert dispatcher.due(0.99) == []
    first = dispatcher.due(1.0)
    assert len(first) in (39, 40), "ten, a fifth of a hundred as the sum of floats, and ten for the second"
    assert [one.frame for one in first] == list(range(len(first)))
    assert dispatcher.due(1.0) == []
    assert len(dispatcher.due(1.5)) == 5


@given(st.lists(st.floats(0, 5), max_size=50))
def test_time_gives_no_more_than_its_rate(steps_s: list[float]) -> None:
    """Repetitions that are taken as soon as they are there never exceed ten and ten a second."""
    budget, now_s, spent = RetryBudget(), 0.0, 0
    budget.pass_to(now_s)
    for step_s in steps_s:
        now_s += step_s
        budget.pass_to(now_s)
        while budget.spend():
            spent += 1
    assert spent <= 10 + 10 * now_s + 1e-6


def rate_of(table: Table, services_s: dict[Address, float], in_flight: int, *, round_robin: bool = False) -> float:
    """Frames per second of a closed loop in simulated time; each device computes one frame after the other."""
    dispatcher = Dispatcher(table, deadline_s=1e9)
    chance = random.Random(7)
    free_s = dict.fromkeys(services_s, 0.0)
    back: list[tuple[float, int]] = []
    frames = itertools.count()
    (holders,) = table.holders.values()

    def send(now_s: float) -> None:
        frame = next(frames)
        (place,) = dispatcher.offer(frame, now_s).way
        device = holders[frame % len(holders)] if round_robin else holders[place]
        free_s[device] = max(free_s[device], now_s) + services_s[device] * chance.uniform(0.9, 1.1)
        heapq.heappush(back, (free_s[device], frame))

    for _ in range(in_flight):
        send(0.0)
    now_s, done = 0.0, 0
    while done < 4000:
        now_s, frame = heapq.heappop(back)
        assert dispatcher.arrived(frame, 0) is Arrival.FIRST
        done += 1
        send(now_s)
    return done / now_s


@pytest.mark.parametrize("slower", [5, 20])
def test_a_straggler_keeps_at_most_its_share(slower: int) -> None:
    """With one of seven devices 5 or 20 times slower, nine tenths of the sum of all rates are reached; in turn, not."""
    table = assign({SHARES[0]: 1.0}, DEVICES)
    services_s = dict.fromkeys(DEVICES, 1.0) | {DEVICES[3]: float(slower)}
    ideal = sum(1 / service_s for service_s in services_s.values())
    assert rate_of(table, services_s, 14) >= 0.9 * ideal
    assert rate_of(table, services_s, 14, round_robin=True) < 0.4 * ideal


def test_the_account_of_finished_frames_is_let_go() -> None:
    """A window's frames are forgotten when they are back, those in flight are not."""
    dispatcher = Dispatcher(assign(COSTS_S, DEVICES), deadline_s=1.0)
    for frame in range(10):
        dispatcher.offer(frame, 0.0)
        if frame != 4:
            dispatcher.arrived(frame, 0)
    dispatcher.forget(8)
    assert dispatcher.arrived(5, 0) is Arrival.UNKNOWN
    assert dispatcher.arrived(4, 0) is Arrival.FIRST
    assert dispatcher.arrived(9, 0) is Arrival.REPEATED
