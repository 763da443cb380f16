"""The account of a run: every frame that was sent and every reply that came (pure).

Nothing is estimated here: a frame is verified when a reply carried its number and equalled the reference of its
image; a second reply to the same frame is counted and never improves a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.records.record import FrameSample


@dataclass
class _Entry:
    image: int
    sent_s: float
    verified_s: float | None = None
    replies: int = 0
    error: float | None = None


@dataclass
class Ledger:
    """Frames of the measured window.

    Attributes:
        tolerance: largest error that counts as equal.
        dropped: frames that were due and not sent (open loop).
        unknown: replies to frames that were never sent.
    """

    tolerance: float
    dropped: int = 0
    unknown: int = 0
    _entries: dict[int, _Entry] = field(default_factory=dict)

    def sent(self, frame: int, image: int, at_s: float) -> None:
        """Enter a frame that was handed to the network."""
        if frame in self._entries:
            raise ValueError(f"frame {frame} was sent twice")
        self._entries[frame] = _Entry(image, at_s)

    def image(self, frame: int) -> int | None:
        """Which image a frame carried; None for a frame that was never sent."""
        entry = self._entries.get(frame)
        return None if entry is None else entry.image

    def replied(self, frame: int, error: float, at_s: float) -> bool:
        """Enter a reply and its error; returns True when it is the frame's first."""
        entry = self._entries.get(frame)
        if entry is None:
            self.unknown += 1
            return False
        entry.replies += 1
        if entry.replies > 1:
            return False
        # NaN is no equality: it fails this comparison and is kept as infinitely wrong.
        entry.error = math.inf if math.isnan(error) else error
        if entry.error <= self.tolerance:
            entry.verified_s = at_s
        return True

    @property
    def frames_sent(self) -> int:
        """Frames handed to the network."""
        return len(self._entries)

    @property
    def frames_returned(self) -> int:
        """Replies, repeated and unknown ones too."""
        return self.unknown + sum(entry.replies for entry in self._entries.values())

    @property
    def frames_distinct(self) -> int:
        """Different frames among the replies."""
        return sum(entry.replies > 0 for entry in self._entries.values())

    @property
    def frames_verified(self) -> int:
        """Different frames whose reply equalled the reference."""
        return sum(entry.verified_s is not None for entry in self._entries.values())

    @property
    def largest_error(self) -> float | None:
        """Largest difference to the reference over all frames; None before any reply."""
        errors = [entry.error for entry in self._entries.values() if entry.error is not None]
        return max(errors) if errors else None

    @property
    def begun_s(self) -> float:
        """When the first frame was sent, on the clock of the sends; 0 before."""
        return min((entry.sent_s for entry in self._entries.values()), default=0.0)

    def latencies_s(self) -> list[float]:
        """From send to verified result, of every frame that has one."""
        return [entry.verified_s - entry.sent_s for entry in self._entries.values() if entry.verified_s is not None]

    def samples(self) -> tuple[FrameSample, ...]:
        """Raw samples, clocked from the first send."""
        if not self._entries:
            return ()
        start_s = self.begun_s
        return tuple(
            FrameSample(
                frame=frame,
                image=entry.image,
                sent_s=entry.sent_s - start_s,
                verified_s=None if entry.verified_s is None else entry.verified_s - start_s,
                replies=entry.replies,
                error=None if entry.error is None or math.isinf(entry.error) else entry.error,
            )
            for frame, entry in sorted(self._entries.items())
        )
