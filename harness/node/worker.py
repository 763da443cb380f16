"""The one thread of a node that computes, fed by a queue."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.farm.config import Address
from harness.node.slices import compute_in_long_slices
from harness.plan.table import Share
from harness.rpc.identity import Identity

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Job:
    """One complete frame for a block.

    Attributes:
        identity: of one of its messages: run, frame and route.
        share: what is computed.
        compute: the block of the share.
        next_stops: role or share -> devices that need the outputs; holds no entry for the initial.
        inputs: the block's inputs, each joined.
        queued_s: when it was complete, monotonic clock.
    """

    identity: Identity
    share: Share
    compute: Callable[..., tuple[Array, ...]]
    next_stops: Mapping[str | Share, tuple[Address, ...]]
    inputs: tuple[Array, ...]
    queued_s: float


@dataclass(frozen=True)
class Outcome:
    """What came of a job: outputs, or the reason why there are none."""

    job: Job
    outputs: tuple[Array, ...]
    queue_s: float
    compute_s: float
    error: str = ""


class Worker:
    """Computes jobs in order of arrival.

    Args:
        report: called on the worker's thread with each outcome.
        ahead: results that may wait to be sent before the next frame is computed.
        core: the core that the thread keeps to; None leaves it to the system.
        long_turns: compute in long turns on a core; not where a thread must wake up on time.
    """

    def __init__(
        self,
        report: Callable[[Outcome], None],
        *,
        ahead: int,
        core: int | None = None,
        long_turns: bool = True,
    ) -> None:
        self._report = report
        self._core = core
        self._long_turns = long_turns
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        # A semaphore in C: the one of `threading` costs as much as sending the result.
        self._ahead: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(ahead):
            self._ahead.put(None)
        # A daemon, so that a block that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="compute", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of jobs that have not begun."""
        return self._jobs.qsize()

    def put(self, job: Job) -> None:
        """Queue a job; the caller bounds how many."""
        self._jobs.put(job)

    def delivered(self) -> None:
        """Say that the results of one job have left (or are given up)."""
        self._ahead.put(None)

    def close(self) -> None:
        """End the thread after the jobs that are queued."""
        self._jobs.put(None)

    def _run(self) -> None:
        if self._core is not None:
            os.sched_setaffinity(0, {self._core})  # 0 is the calling thread, and it alone
        if self._long_turns:
            compute_in_long_slices()
        while (job := self._jobs.get()) is not None:
            self._ahead.get()
            begun_s = time.monotonic()
            outputs: tuple[Array, ...] = ()
            error = ""
            try:
                outputs = job.compute(*job.inputs)
            except Exception as failure:  # noqa: BLE001  whatever the framework raises, the node must live on
                error = f"computing frame {job.identity.frame} failed: {failure}"
            ended_s = time.monotonic()
            self._report(Outcome(job, outputs, begun_s - job.queued_s, ended_s - begun_s, error))
