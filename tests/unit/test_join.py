"""The join: whatever the order of arrival, each frame comes out once, with its own parts in slot order."""

from collections.abc import Iterable
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.partition.join import Join, Offer

HALVES = (("fc1", 0), ("fc1", 1))

Slot = tuple[str, int]
Payload = tuple[int, Slot]
"""Says which frame and slot a part belongs to, so that a mix-up shows."""


class JoinsParts(Protocol):
    """What can be fed with messages."""

    def feed(self, frame: int, slot: Slot) -> list[Payload] | None:
        """Take one message; the parts of a frame when it became complete."""


class Ours:
    """The join under test, used as a node uses it."""

    def __init__(self, slots: tuple[Slot, ...], remember: int = 65_536) -> None:
        self.join: Join[int, Payload] = Join(slots, remember=remember)

    def feed(self, frame: int, slot: Slot) -> list[Payload] | None:
        """Offer the message, and take the frame when that completes it."""
        offer = self.join.offer(frame, slot, (frame, slot))
        return self.join.take(frame) if offer is Offer.COMPLETE else None


class InOrderOfArrival:
    """The control: joins the next so many messages whatever they are, as the published scripts did."""

    def __init__(self, slots: tuple[Slot, ...]) -> None:
        self.size = len(slots)
        self.queue: list[Payload] = []

    def feed(self, frame: int, slot: Slot) -> list[Payload] | None:
        """Queue the message, and empty the queue when it is long enough."""
        self.queue.append((frame, slot))
        if len(self.queue) < self.size:
            return None
        joined, self.queue = self.queue, []
        return joined


def joined(join: JoinsParts, messages: Iterable[tuple[int, Slot]]) -> list[list[Payload]]:
    """Everything that a join puts together."""
    return [parts for frame, slot in messages if (parts := join.feed(frame, slot)) is not None]


def is_right(found: list[list[Payload]], frames: Iterable[int], slots: tuple[Slot, ...]) -> bool:
    """Each frame once, made of its own parts in slot order."""
    wanted = {frame: [(frame, slot) for slot in slots] for frame in frames}
    return sorted(found) == sorted(wanted.values())


slot_sets = st.lists(
    st.tuples(st.sampled_from(["fc1", "space", "time"]), st.integers(0, 3)),
    min_size=1,
    max_size=5,
    unique=True,
).map(tuple)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[tuple[Slot, ...], set[int], list[tuple[int, Slot]]]:
    """Slots, frame numbers, and their messages in any order, each of them one to three times."""
    slots = draw(slot_sets)
    frames = draw(st.sets(st.integers(0, 2**40), min_size=1, max_size=8))
    each_once = [(frame, slot) for frame in sorted(frames) for slot in slots]
    again = draw(st.lists(st.sampled_from(each_once), max_size=2 * len(each_once)))
    return slots, frames, draw(st.permutations(each_once + again))


@given(arrivals())
def test_every_frame_comes_out_once_and_in_order(
    case: tuple[tuple[Slot, ...], set[int], list[tuple[int, Slot]]],
) -> None:
    """Any order, interleaving and repetition of the messages gives each frame exactly once, parts in slot order."""
    slots, frames, messages = case
    ours = Ours(slots)
    assert is_right(joined(ours, messages), frames, slots)
    assert ours.join.waiting == 0
    assert all(ours.join.is_finished(frame) for frame in frames)


@pytest.mark.parametrize(
    ("what", "messages"),
    [
        ("swapped halves", [(0, HALVES[1]), (0, HALVES[0])]),
        ("halves of two frames", [(0, HALVES[0]), (1, HALVES[0]), (0, HALVES[1]), (1, HALVES[1])]),
        ("a repeated half", [(0, HALVES[0]), (0, HALVES[0]), (0, HALVES[1])]),
    ],
)
def test_joining_in_order_of_arrival_fails(what: str, messages: list[tuple[int, Slot]]) -> None:
    """The control, the join of 2018, fails the same check, and only where the order of arrival is not the right one."""
    frames = {frame for frame, _ in messages}
    assert is_right(joined(Ours(HALVES), messages), frames, HALVES)
    assert not is_right(joined(InOrderOfArrival(HALVES), messages), frames, HALVES), what
    assert is_right(joined(InOrderOfArrival(HALVES), sorted(set(messages))), frames, HALVES)


@given(arrivals())
def test_an_offer_says_what_became_of_it(
    case: tuple[tuple[Slot, ...], set[int], list[tuple[int, Slot]]],
) -> None:
    """A message is kept when it is new, completes a frame when it is the last new one, and else is a duplicate."""
    slots, _, messages = case
    join: Join[int, Payload] = Join(slots)
    seen: set[tuple[int, Slot]] = set()
    for frame, slot in messages:
        waiting, had = join.waiting, join.has(frame)
        missing = {(frame, other) for other in slots} - seen
        last = Offer.COMPLETE if len(missing) == 1 else Offer.KEPT
        expected = Offer.DUPLICATE if (frame, slot) in seen else last
        assert join.offer(frame, slot, (frame, slot)) is expected
        seen.add((frame, slot))
        if expected is Offer.COMPLETE:
            assert join.take(frame) == [(frame, other) for other in slots]
            assert not join.has(frame)
        elif expected is Offer.DUPLICATE:
            assert (join.waiting, join.has(frame)) == (waiting, had)


def test_a_repeated_part_does_not_replace_the_first() -> None:
    """Nothing that comes later changes a part that is there."""
    join: Join[int, str] = Join(HALVES)
    assert join.offer(7, HALVES[0], "first") is Offer.KEPT
    assert join.offer(7, HALVES[0], "second") is Offer.DUPLICATE
    assert join.offer(7, HALVES[1], "other") is Offer.COMPLETE
    assert join.take(7) == ["first", "other"]


def test_a_complete_frame_is_handed_out_once() -> None:
    """Taking an incomplete frame, or a frame twice, is an error and loses nothing."""
    join: Join[int, str] = Join(HALVES)
    join.offer(1, HALVES[1], "right")
    with pytest.raises(KeyError):
        join.take(1)
    assert join.offer(1, HALVES[0], "left") is Offer.COMPLETE
    assert join.offer(1, HALVES[0], "left again") is Offer.DUPLICATE  # complete, not yet taken
    assert join.take(1) == ["left", "right"]
    with pytest.raises(KeyError):
        join.take(1)


@given(st.integers(0, 40))
def test_memory_is_bounded(remember: int) -> None:
    """A long run keeps a bounded number of finished frames, the latest, and their parts stay duplicates."""
    ours = Ours(HALVES, remember)
    for frame in range(300):
        assert joined(ours, [(frame, HALVES[1]), (frame, HALVES[0])]) == [[(frame, slot) for slot in HALVES]]
        assert len(ours.join._finished) <= remember
    kept = range(300 - remember, 300)
    assert all(ours.join.offer(frame, HALVES[0], (0, HALVES[0])) is Offer.DUPLICATE for frame in kept)
    assert ours.join.waiting == 0
    assert joined(ours, [(300, HALVES[0]), (300, HALVES[1])])


def test_what_waits_too_long_is_abandoned() -> None:
    """Halves of an attempt that came to nothing are let go of, the oldest alone; a frame in time stays."""
    join: Join[int, str] = Join(HALVES)
    for frame in range(5):
        join.offer(frame, HALVES[0], "half", float(frame))
    join.offer(0, HALVES[0], "half again", 4.0)  # a repetition makes nothing younger
    assert join.abandon(0.0) == 0
    assert join.abandon(3.0) == 3
    assert [join.has(frame) for frame in range(5)] == [False, False, False, True, True]
    assert join.offer(3, HALVES[1], "other half", 5.0) is Offer.COMPLETE
    assert join.take(3) == ["half", "other half"]
    assert join.abandon(9.0) == 1
    assert join.waiting == 0


def test_a_join_needs_slots_of_its_own() -> None:
    """No slot, the same slot twice, and a message for a slot of another role are refused."""
    with pytest.raises(ValueError, match="slots"):
        Join(())
    with pytest.raises(ValueError, match="slots"):
        Join((HALVES[0], HALVES[0]))
    join: Join[int, str] = Join(HALVES)
    assert join.expects(HALVES[1])
    assert not join.expects(("fc1", 2))
    with pytest.raises(KeyError):
        join.offer(0, ("fc1", 2), "a third half")
    assert join.waiting == 0
