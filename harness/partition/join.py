"""The join: parts of one frame put together in order, once (pure, no clock, no network).

The published scripts joined whatever two halves arrived last, so that every second result mixed two frames.
Here a message belongs to a frame and to a slot (tensor, part); a frame is complete when each of its slots is
filled, is handed out exactly once, and its parts lie in slot order whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from enum import Enum, auto
from typing import Generic, TypeVar

PayloadT = TypeVar("PayloadT")


class Offer(Enum):
    """What became of a message."""

    KEPT = auto()
    """The frame still waits for other parts."""
    COMPLETE = auto()
    """The frame is complete: take it."""
    DUPLICATE = auto()
    """This part was here before: nothing changed."""


class Join(Generic[PayloadT]):
    """Collects the parts of frames.

    Args:
        slots: the keys that make up a frame, in the order in which `take` returns them.
        remember: finished frame numbers kept to recognise a late duplicate; older ones count as duplicates.
    """

    def __init__(self, slots: Sequence[Hashable], *, remember: int = 65_536) -> None:
        if not slots or len(set(slots)) != len(slots):
            raise ValueError("a join needs slots, each of them once")
        self._slots = tuple(slots)
        self._remember = remember
        self._waiting: dict[int, dict[Hashable, PayloadT]] = {}
        self._finished: set[int] = set()
        self._oldest = 0

    @property
    def waiting(self) -> int:
        """Number of frames that have some of their parts."""
        return len(self._waiting)

    def expects(self, slot: Hashable) -> bool:
        """Say whether the slot is one of this join's."""
        return slot in self._slots

    def has(self, frame: int) -> bool:
        """Say whether a part of this frame is already here, so that taking another frees memory."""
        return frame in self._waiting

    def is_finished(self, frame: int) -> bool:
        """Say whether this frame was complete before."""
        return frame < self._oldest or frame in self._finished

    def offer(self, frame: int, slot: Hashable, payload: PayloadT) -> Offer:
        """Add one part.

        Raises:
            KeyError: the slot is not one of this join's.
        """
        if slot not in self._slots:
            raise KeyError(slot)
        if self.is_finished(frame):
            return Offer.DUPLICATE
        parts = self._waiting.setdefault(frame, {})
        if slot in parts:
            return Offer.DUPLICATE
        parts[slot] = payload
        return Offer.COMPLETE if len(parts) == len(self._slots) else Offer.KEPT

    def take(self, frame: int) -> list[PayloadT]:
        """Hand a complete frame out, its parts in slot order, and remember it as finished.

        Raises:
            KeyError: the frame is not complete.
        """
        parts = self._waiting[frame]
        ordered = [parts[slot] for slot in self._slots]
        del self._waiting[frame]
        self._finished.add(frame)
        if len(self._finished) > self._remember:
            self._forget()
        return ordered

    def _forget(self) -> None:
        # Half at a time: sorting on every frame would cost more than the join itself.
        numbers = sorted(self._finished)
        kept = numbers[len(numbers) // 2 :]
        self._oldest = kept[0]
        self._finished = set(kept)
