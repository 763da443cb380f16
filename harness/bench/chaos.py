"""A run under fire: devices are killed and frozen while frames pass, and every frame is accounted for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.bench.faults import FROZEN_S, Fault, FaultKind
from harness.bench.options import RunOptions
from harness.bench.preflight import ask_nodes
from harness.bench.progress import Progress
from harness.bench.reference import Reference
from harness.bench.session import run_benchmark
from harness.errors import FarmError
from harness.farm.config import Address
from harness.node.fleet import Fleet
from harness.node.processes import last_words
from harness.plan.plan import Plan
from harness.records.record import FrameSample, Record


@dataclass(frozen=True)
class Struck:
    """A fault that happened.

    Attributes:
        at_s: seconds after the window's begin.
        kind: what happened.
        address: to whom; it may be another device than the schedule names, where that one was down already.
    """

    at_s: float
    kind: FaultKind
    address: Address


@dataclass(frozen=True)
class ChaosOutcome:
    """What came of it.

    Attributes:
        record: of the run.
        struck: every fault.
        sent: frames of the window.
        lost: frames that never came back.
        wrong: frames that came back with another result than the single device's: wrongly joined, or worse.
        repeated: results beyond the one that each frame may have.
        longest_gap_s: longest time without a verified result, from the first send on.
    """

    record: Record
    struck: tuple[Struck, ...]
    sent: int
    lost: int
    wrong: int
    repeated: int
    longest_gap_s: float

    @property
    def held(self) -> bool:
        """Whether no frame was lost, wrong, or counted twice."""
        return self.sent > 0 and not (self.lost or self.wrong or self.repeated) and self.record.verdict.valid


def outcome_of(record: Record, struck: Sequence[Struck]) -> ChaosOutcome:
    """Count a run's frames, from its raw samples alone."""
    frames = record.frames
    return ChaosOutcome(
        record=record,
        struck=tuple(struck),
        sent=len(frames),
        lost=sum(frame.replies == 0 for frame in frames),
        wrong=sum(frame.replies > 0 and frame.verified_s is None for frame in frames),
        repeated=sum(max(0, frame.replies - 1) for frame in frames),
        longest_gap_s=longest_gap_s(frames),
    )


def longest_gap_s(frames: Sequence[FrameSample]) -> float:
    """Longest time without a verified result, from the first send to the last result; 0 without any."""
    times_s = sorted(frame.verified_s for frame in frames if frame.verified_s is not None)
    return max((after - before for before, after in pairwise([0.0, *times_s])), default=0.0)


def start_all(fleet: Fleet, plan: Plan, timeout_s: float, say: Callable[[str], None]) -> None:
    """Start the nodes of a plan and wait until they are ready.

    Args:
        fleet: takes them.
        plan: which they are.
        timeout_s: how long they may take.
        say: is told when they are ready.

    Raises:
        FarmError: one ended, or was not ready in time.
    """
    for placement in plan.placements:
        fleet.start(placement)
    wait_until_ready(fleet, plan, timeout_s)
    say(f"{len(plan.placements)} nodes are ready")


def wait_until_ready(fleet: Fleet, plan: Plan, timeout_s: float) -> None:
    """Wait until every node of a plan answers as the one that it should be.

    Raises:
        FarmError: one ended, or was not ready in time.
    """
    until_s = time.monotonic() + timeout_s
    while True:
        reports = asyncio.run(ask_nodes(plan))
        missing = [str(report.placement) for report in reports if report.problem]
        if not missing:
            return
        for address in fleet.addresses:
            if not fleet.running(address):
                log = fleet.log(address)
                raise FarmError(f"the node at {address} ended: {last_words(log)}", f"its log is {log}")
        if time.monotonic() > until_s:
            raise FarmError(f"not ready after {timeout_s:.0f} s: {', '.join(missing)}", "use a longer --timeout")
        time.sleep(0.3)


@dataclass
class Storm(Progress):
    """Strikes when the measured window begins; otherwise hands the progress on.

    Attributes:
        fleet: whom it strikes.
        faults: when and how.
        told: the progress that a reader sees.
    """

    fleet: Fleet
    faults: Sequence[Fault]
    told: Progress
    struck: list[Struck] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        """Begin with the window."""
        self.told.phase(name, total)
        if name == "measuring":
            self._thread = threading.Thread(target=self._strike_all, name="storm", daemon=True)
            self._thread.start()

    def frame(self) -> None:
        """Hand it on."""
        self.told.frame()

    def note(self, text: str) -> None:
        """Hand it on."""
        self.told.note(text)

    def end(self) -> None:
        """Strike no more, and leave nobody frozen."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _strike_all(self) -> None:
        begun_s = time.monotonic()
        frozen: dict[Address, float] = {}
        waiting = sorted(self.faults, key=lambda fault: fault.at_s)
        while waiting or frozen:
            now_s = time.monotonic() - begun_s
            for address in [one for one, until_s in frozen.items() if until_s <= now_s or self._over.is_set()]:
                self.fleet.thaw(address)
                del frozen[address]
            if self._over.is_set():
                return
            if waiting and waiting[0].at_s <= now_s:
                self._strike(waiting.pop(0), now_s, frozen)
            self._over.wait(0.02)

    def _strike(self, fault: Fault, now_s: float, frozen: dict[Address, float]) -> None:
        addresses = self.fleet.addresses
        order = addresses[fault.device :] + addresses[: fault.device]
        # One that serves, as long as there is one: a device that is starting has nothing to lose.
        able = [one for one in order if self.fleet.running(one) and one not in frozen]
        able.sort(key=lambda one: not self.fleet.ready(one))
        if not able:
            return
        address = able[0]
        self.struck.append(Struck(now_s, fault.kind, address))
        self.told.note(f"{now_s:5.1f} s: {fault.kind} {address}")
        if fault.kind is FaultKind.KILL:
            self.fleet.kill(address)
            self.fleet.restart(address)
        else:
            self.fleet.freeze(address)
            frozen[address] = now_s + FROZEN_S


def run_under_fire(
    options: RunOptions,
    fleet: Fleet,
    faults: Sequence[Fault],
    told: Progress,
    reference: Reference | None = None,
) -> ChaosOutcome:
    """Measure a farm that is up while its devices fail.

    Raises:
        UserError: the run could not be made at all.
    """
    storm = Storm(fleet, faults, told)
    try:
        record = run_benchmark(options, progress=storm, reference=reference)
    finally:
        storm.end()
    return outcome_of(record, storm.struck)
