"""When frames are sent: so many in flight (closed loop), or so many per second (open loop)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from harness.plan.plan import QUEUE_FRAMES

IN_HAND_S = 0.05
"""A window counts from its first send to its last result, and both lie within the time that its loop sees."""


class Load(Protocol):
    """Decides when the next frame goes out."""

    dropped: int

    def start(self) -> None:
        """Send the first frames."""

    def returned(self) -> None:
        """One frame has come back."""

    @property
    def finished(self) -> bool:
        """True when every frame is sent and back, or dropped."""
        ...

    def stop(self) -> None:
        """Send no more."""


class ClosedLoop:
    """Keeps a fixed number of frames in flight: a result sends the next frame.

    Args:
        send: sends one frame; None means that it is due now.
        frames: how many in all.
        in_flight: how many at once.
        least_s: go on with more frames until so many seconds have passed.
    """

    def __init__(self, send: Callable[[float | None], None], frames: int, in_flight: int, least_s: float = 0.0) -> None:
        self._send = send
        self._least_s = least_s
        self._until_s = 0.0
        self._left = frames
        self._in_flight = in_flight
        self._out = 0
        self.dropped = 0

    def start(self) -> None:
        """Send the first frames."""
        if self._least_s:
            self._until_s = asyncio.get_running_loop().time() + self._least_s + IN_HAND_S
        for _ in range(min(self._in_flight, self._left)):
            self._send_one()

    def returned(self) -> None:
        """Send the next frame in place of the one that came back."""
        self._out -= 1
        if self._left == 0 and self._until_s and asyncio.get_running_loop().time() < self._until_s:
            self._left = 1
        if self._left:
            self._send_one()

    @property
    def finished(self) -> bool:
        """True when every frame is sent and back."""
        return self._left == 0 and self._out == 0

    def stop(self) -> None:
        """Send no more."""
        self._left = 0
        self._until_s = 0.0

    def _send_one(self) -> None:
        self._left -= 1
        self._out += 1
        self._send(None)


class Burst:
    """Sends all frames at once, and waits for so many replies, as the published artifact did.

    Args:
        send: sends one frame; None means that it is due now.
        frames: how many in all.
        replies: how many end it.
    """

    def __init__(self, send: Callable[[float | None], None], frames: int, replies: int) -> None:
        self._send = send
        self._frames = frames
        self._left = replies
        self.dropped = 0

    def start(self) -> None:
        """Send all frames."""
        for _ in range(self._frames):
            self._send(None)

    def returned(self) -> None:
        """Nothing: replies are counted, not frames."""

    def replied(self) -> None:
        """One reply has come, of whichever frame."""
        self._left -= 1

    @property
    def finished(self) -> bool:
        """True when so many replies have come."""
        return self._left <= 0

    def stop(self) -> None:
        """Wait for no more."""
        self._left = 0


class OpenLoop:
    """Sends at a fixed rate whatever comes back; a frame that is due while the farm is full is dropped.

    Args:
        send: sends one frame; its argument is when the frame was due (monotonic clock, s), so that a sender
            that is late does not make a latency look shorter.
        frames: how many are due in all.
        rate_fps: frames due per second.
    """

    def __init__(self, send: Callable[[float | None], None], frames: int, rate_fps: float) -> None:
        self._send = send
        self._frames = frames
        self._period_s = 1 / rate_fps
        self._due = 0
        self._out = 0
        self._begun_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.dropped = 0

    def start(self) -> None:
        """Begin with the first frame now."""
        self._begun_s = asyncio.get_running_loop().time()
        self._tick()

    def returned(self) -> None:
        """Note that one frame has come back."""
        self._out -= 1

    @property
    def finished(self) -> bool:
        """True when every frame was due and each one sent is back."""
        return self._due == self._frames and self._out == 0

    def stop(self) -> None:
        """Send no more."""
        self._due = self._frames
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        due_s = self._begun_s + self._due * self._period_s
        self._due += 1
        if self._out < QUEUE_FRAMES:
            self._out += 1
            self._send(due_s)
        else:
            self.dropped += 1
        if self._due < self._frames:
            # Each due time counts from the start, so that lateness does not add up.
            at_s = self._begun_s + self._due * self._period_s
            self._timer = asyncio.get_running_loop().call_at(at_s, self._tick)
