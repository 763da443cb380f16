"""The join: parts of one frame put together in order, once (pure, no clock, no network).

The published scripts joined whatever two halves arrived last, so that every second result mixed two frames.
Here a message belongs to a frame and to a slot (tensor, part); a frame is complete when each of its slots is
filled, is handed out exactly once, and its parts lie in slot order whatever the order of arrival. What names a frame
is the caller's business: where frames are sent again it is the number and the attempt, so that a half of an attempt
that came to nothing meets no half of another.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from enum import Enum, auto
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
PayloadT = TypeVar("PayloadT")


class Offer(Enum):
    """What became of a message."""

    KEPT = auto()
    """The frame still waits for other parts."""
    COMPLETE = auto()
    """The frame is complete: take it."""
    DUPLICATE = auto()
    """This part was here before: nothing changed."""


class Join(Generic[KeyT, PayloadT]):
    """Collects the parts of frames.

    Args:
        slots: the keys that make up a frame, in the order in which `take` returns them.
        remember: finished frames kept to recognise a late duplicate; an older one counts as new, and waits for parts
            that never come until it is abandoned.
    """

    def __init__(self, slots: Sequence[Hashable], *, remember: int = 65_536) -> None:
        if not slots or len(set(slots)) != len(slots):
            raise ValueError("a join needs slots, each of them once")
        self._slots = tuple(slots)
        self._remember = remember
        # Both in the order of their beginning: what has waited longest comes first.
        self._waiting: dict[KeyT, dict[Hashable, PayloadT]] = {}
        self._since_s: dict[KeyT, float] = {}
        self._finished: dict[KeyT, None] = {}

    @property
    def waiting(self) -> int:
        """Number of frames that have some of their parts."""
        return len(self._waiting)

    def expects(self, slot: Hashable) -> bool:
        """Say whether the slot is one of this join's."""
        return slot in self._slots

    def has(self, frame: KeyT) -> bool:
        """Say whether a part of this frame is already here, so that taking another frees memory."""
        return frame in self._waiting

    def is_finished(self, frame: KeyT) -> bool:
        """Say whether this frame was complete before."""
        return frame in self._finished

    def offer(self, frame: KeyT, slot: Hashable, payload: PayloadT, now_s: float = 0.0) -> Offer:
        """Add one part.

        Raises:
            KeyError: the slot is not one of this join's.
        """
        if slot not in self._slots:
            raise KeyError(slot)
        if frame in self._finished:
            return Offer.DUPLICATE
        parts = self._waiting.get(frame)
        if parts is None:
            parts = self._waiting[frame] = {}
            self._since_s[frame] = now_s
        if slot in parts:
            return Offer.DUPLICATE
        parts[slot] = payload
        return Offer.COMPLETE if len(parts) == len(self._slots) else Offer.KEPT

    def take(self, frame: KeyT) -> list[PayloadT]:
        """Hand a complete frame out, its parts in slot order, and remember it as finished.

        Raises:
            KeyError: the frame is not complete.
        """
        parts = self._waiting[frame]
        ordered = [parts[slot] for slot in self._slots]
        self._drop(frame)
        self._finished[frame] = None
        if len(self._finished) > self._remember:
            del self._finished[next(iter(self._finished))]
        return ordered

    def abandon(self, begun_before_s: float) -> int:
        """Let go of frames whose first part came before a time; returns how many."""
        old = list(itertools.takewhile(lambda frame: self._since_s[frame] < begun_before_s, self._since_s))
        for frame in old:
            self._drop(frame)
        return len(old)

    def _drop(self, frame: KeyT) -> None:
        del self._waiting[frame]
        del self._since_s[frame]
