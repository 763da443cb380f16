"""The account of a run: a frame counts once, when its first reply equals the reference."""

import math
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bench.ledger import Ledger
from harness.metrics import METRICS
from harness.records.window import window_metrics

TOLERANCE = 1e-6
RIGHT, WRONG = 1e-8, 1e-3


@dataclass(frozen=True)
class Sent:
    """A frame goes out."""

    frame: int
    at_s: float


@dataclass(frozen=True)
class Reply:
    """Something comes back."""

    frame: int
    error: float
    at_s: float


Event = Sent | Reply
errors = st.sampled_from([0.0, RIGHT, TOLERANCE, WRONG, math.inf, math.nan])


@st.composite
def runs(draw: st.DrawFn) -> list[Event]:
    """What may happen in a window, in order of time: frames lost, repeated, wrong, and never sent."""
    sends = draw(st.integers(0, 20))
    steps = draw(st.lists(st.floats(1e-4, 10), min_size=4 * sends + 10, max_size=4 * sends + 10))
    clock_s = draw(st.floats(0, 1e6))
    events: list[Event] = []
    frame = draw(st.integers(0, 100))
    known: list[int] = []
    for step in steps:
        clock_s += step
        if len(known) < sends and (not known or draw(st.booleans())):
            events.append(Sent(frame, clock_s))
            known.append(frame)
            frame += 1
        elif draw(st.booleans()):
            target = draw(st.sampled_from(known)) if known else 0
            events.append(Reply(draw(st.just(target) | st.integers(200, 210)), draw(errors), clock_s))
    return events


def entered(events: list[Event]) -> Ledger:
    """The account of these events."""
    ledger = Ledger(TOLERANCE)
    for event in events:
        match event:
            case Sent(frame, at_s):
                ledger.sent(frame, frame % 8, at_s)
            case Reply(frame, error, at_s):
                ledger.replied(frame, error, at_s)
    return ledger


def first_replies(events: list[Event]) -> dict[int, Reply]:
    """The first reply to each frame that was sent."""
    sent = {event.frame for event in events if isinstance(event, Sent)}
    first: dict[int, Reply] = {}
    for event in events:
        if isinstance(event, Reply) and event.frame in sent:
            first.setdefault(event.frame, event)
    return first


@given(runs())
def test_every_event_is_counted_as_what_it_is(events: list[Event]) -> None:
    """Sent, returned, distinct and verified frames equal a second count made from the events themselves."""
    ledger = entered(events)
    first = first_replies(events)
    sent = [event.frame for event in events if isinstance(event, Sent)]
    replies = Counter(event.frame for event in events if isinstance(event, Reply))
    assert ledger.frames_sent == len(sent)
    assert ledger.frames_returned == replies.total()
    assert ledger.unknown == sum(number for frame, number in replies.items() if frame not in sent)
    assert ledger.frames_distinct == len(first)
    right = {frame for frame, reply in first.items() if reply.error <= TOLERANCE}
    assert ledger.frames_verified == len(right)
    samples = ledger.samples()
    assert [sample.frame for sample in samples] == sorted(sent)
    assert {sample.frame for sample in samples if sample.verified_s is not None} == right
    assert all(sample.replies == replies[sample.frame] for sample in samples)
    assert all(sample.image == sample.frame % 8 == ledger.image(sample.frame) for sample in samples)


@given(runs())
def test_samples_hold_no_number_that_a_record_refuses(events: list[Event]) -> None:
    """Times count from the first send, and an error that is no number is left out instead of written."""
    samples = entered(events).samples()
    first = first_replies(events)
    if samples:
        assert min(sample.sent_s for sample in samples) == 0
    for sample in samples:
        numbers = [sample.sent_s, sample.verified_s, sample.error]
        assert all(number is None or math.isfinite(number) for number in numbers)
        assert sample.latency_s is None or sample.latency_s > 0
        error = first[sample.frame].error if sample.frame in first else None
        assert sample.error == (error if error is not None and math.isfinite(error) else None)


@given(runs())
def test_repeated_replies_change_no_figure(events: list[Event]) -> None:
    """Throughput, latency and the largest error are the same with and without every later reply."""
    first = set(map(id, first_replies(events).values()))
    once = [event for event in events if isinstance(event, Sent) or id(event) in first]
    ledger, without = entered(events), entered(once)
    assert window_metrics(ledger.samples()) == window_metrics(without.samples())
    assert ledger.largest_error == without.largest_error


def test_counting_replies_makes_a_farm_look_faster() -> None:
    """The control: replies over time, as the published scripts counted, doubles what the account says."""
    events: list[Event] = []
    for frame in range(100):
        events += [
            Sent(frame, frame * 0.1),
            Reply(frame, RIGHT, frame * 0.1 + 0.1),
            Reply(frame, RIGHT, frame * 0.1 + 0.1),
        ]
    ledger = entered(events)
    figures = window_metrics(ledger.samples())
    assert figures["ips"] == pytest.approx(10)
    assert ledger.frames_returned / figures["window_s"] == pytest.approx(20)


@given(runs())
def test_figures_follow_from_the_samples(events: list[Event]) -> None:
    """IPS, time per frame and latencies agree with each other and with a second computation."""
    samples = entered(events).samples()
    figures = window_metrics(samples)
    done = [sample for sample in samples if sample.verified_s is not None]
    if not done:
        assert figures == {}
        return
    first_send_s = min(event.at_s for event in events if isinstance(event, Sent))
    first = first_replies(events)
    times = {event.frame: event.at_s for event in events if isinstance(event, Sent)}
    latencies = sorted(first[sample.frame].at_s - times[sample.frame] for sample in done)
    window_s = max(first[sample.frame].at_s for sample in done) - first_send_s
    assert figures["window_s"] == pytest.approx(window_s)
    assert figures["ips"] == pytest.approx(len(done) / window_s)
    assert figures["ips"] * figures["execution_time_classify"] == pytest.approx(1)
    assert figures["latency_max_s"] == pytest.approx(latencies[-1])
    assert figures["latency_mean_s"] == pytest.approx(sum(latencies) / len(latencies))
    shown = [figures[f"latency_p{percent}_s"] for percent in (50, 90, 95, 99) if f"latency_p{percent}_s" in figures]
    assert shown == sorted(shown)
    assert all(latencies[0] <= figure * (1 + 1e-9) for figure in shown)
    assert set(figures) <= set(METRICS)


@given(runs(), st.floats(-1e5, 1e5))
def test_figures_do_not_depend_on_the_clock(events: list[Event], offset_s: float) -> None:
    """Another zero of the monotonic clock gives the same window and the same latencies."""
    moved: list[Event] = [
        Sent(event.frame, event.at_s + offset_s)
        if isinstance(event, Sent)
        else Reply(event.frame, event.error, event.at_s + offset_s)
        for event in events
    ]
    assert window_metrics(entered(moved).samples()) == pytest.approx(
        window_metrics(entered(events).samples()), rel=1e-4
    )


@pytest.mark.parametrize(("frames", "named"), [(10, []), (11, [50]), (64, [50, 90]), (662, [50, 90, 95, 99])])
def test_only_supported_percentiles_are_computed(frames: int, named: list[int]) -> None:
    """A window shows a percentile when, and only when, so many frames support it."""
    ledger = Ledger(TOLERANCE)
    for frame in range(frames):
        ledger.sent(frame, 0, float(frame))
        ledger.replied(frame, RIGHT, frame + 0.5)
    figures = window_metrics(ledger.samples())
    assert [percent for percent in (50, 90, 95, 99) if f"latency_p{percent}_s" in figures] == named


def test_the_way_through_the_farm_is_part_of_the_window() -> None:
    """The window begins with the first send: frames that all come back at once did not take no time."""
    ledger = Ledger(TOLERANCE)
    for frame in range(4):
        ledger.sent(frame, 0, 100.0 + frame)
        ledger.replied(frame, RIGHT, 108.0)
    figures = window_metrics(ledger.samples())
    assert figures["window_s"] == 8
    assert figures["ips"] == 0.5
    assert figures["latency_max_s"] == 8


@given(errors, errors)
def test_the_first_reply_decides(first: float, second: float) -> None:
    """A wrong first reply stays wrong whatever comes later; no number is never equal."""
    ledger = Ledger(TOLERANCE)
    ledger.sent(3, 0, 0.0)
    assert ledger.replied(3, first, 1.0) is True
    assert ledger.replied(3, second, 2.0) is False
    assert ledger.frames_verified == (1 if first <= TOLERANCE else 0)
    assert ledger.largest_error == (math.inf if math.isnan(first) else first)


def test_an_empty_account_has_no_figures() -> None:
    """Nothing sent, or nothing back, gives no number at all rather than zero."""
    ledger = Ledger(TOLERANCE)
    assert ledger.samples() == ()
    assert ledger.largest_error is None
    assert window_metrics(ledger.samples()) == {}
    ledger.sent(0, 0, 5.0)
    assert ledger.largest_error is None
    assert ledger.samples()[0].latency_s is None
    assert window_metrics(ledger.samples()) == {}
    assert ledger.image(1) is None


def test_a_frame_number_is_used_once() -> None:
    """Sending a number again would hide a lost frame, and is a bug of the caller."""
    ledger = Ledger(TOLERANCE)
    ledger.sent(0, 0, 0.0)
    with pytest.raises(ValueError, match="frame 0 was sent twice"):
        ledger.sent(0, 1, 1.0)
    assert ledger.frames_sent == 1
