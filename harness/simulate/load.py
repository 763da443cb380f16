"""Frames at a rate under a simulated clock; so many in flight are the harness's own `ClosedLoop`."""

from __future__ import annotations

from collections.abc import Callable

import simpy

from harness.plan.plan import QUEUE_FRAMES


class SimulatedOpenLoop:
    """Sends at a fixed rate whatever comes back, as `harness.bench.load.OpenLoop` does on an event loop.

    Args:
        env: the clock.
        send: sends one frame; its argument is when the frame was due.
        frames: how many are due in all.
        rate_fps: frames due per second.
    """

    def __init__(
        self, env: simpy.Environment, send: Callable[[float | None], None], frames: int, rate_fps: float
    ) -> None:
        self._env, self._send, self._frames, self._rate_fps = env, send, frames, rate_fps
        self._due = 0
        self._out = 0
        self.dropped = 0

    def start(self) -> None:
        """Begin with the first frame now."""
        self._env.process(self._run(self._env.now))

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

    def _run(self, begun_s: float) -> simpy.events.ProcessGenerator:
        while self._due < self._frames:
            self._due += 1
            if self._out < QUEUE_FRAMES:
                self._out += 1
                self._send(self._env.now)
            else:
                self.dropped += 1
            # Each due time counts from the start, so that rounding does not add up.
            yield self._env.timeout(max(0.0, begun_s + self._due / self._rate_fps - self._env.now))
