"""Which frame is where, and what is sent again: the initial's account of a farm that changes (no clock, no network).

Frames are delivered at least once and counted once. A frame that is not back at its deadline, or whose way leads over
a device that has gone, is sent again under the next attempt's number; only the initial sends again, and no faster than
a budget allows, so that a slow farm is not buried under its own repetitions. The deadline is fixed for a run: one that
follows recent latencies is inflated by the very frames that are lost. A frame's later attempts are given more time, up
to a bound: where a farm takes longer than the deadline, repetitions would otherwise come in faster than it works.

Everything that happens is told with its time, which comes from one monotonic clock; the same object runs on sockets
and under a simulated clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from harness.farm.config import Address
from harness.plan.table import Table, Way
from harness.records.rules_adapted import RETRIES_PER_S, SHARE_OF_RETRIES

LONGEST_PATIENCE = 8
"""Times the deadline that a frame is waited for at most: each attempt waits twice as long as the one before."""
_MOST_CREDIT_S = 10.0


@dataclass(frozen=True)
class Send:
    """A frame to be sent now.

    Attributes:
        frame: its number.
        attempt: 0, and one more each time that it is sent again.
        epoch: of the table that the way belongs to.
        way: which holder of each share computes it.
    """

    frame: int
    attempt: int
    epoch: int
    way: Way


class Arrival(Enum):
    """What a result is."""

    FIRST = auto()
    """The first of its frame: it counts."""
    LATE = auto()
    """Of another attempt at a frame that is back already: expected, and dropped."""
    REPEATED = auto()
    """The same attempt twice: somebody answers more often than asked."""
    UNKNOWN = auto()
    """Of a frame or attempt that was never sent."""


@dataclass
class RetryBudget:
    """How often frames may be sent again.

    Attributes:
        credit: repetitions that may be made now.
    """

    credit: float = RETRIES_PER_S
    _seen_s: float | None = None

    def frame(self) -> None:
        """A new frame is sent."""
        self.credit = min(self.credit + SHARE_OF_RETRIES, RETRIES_PER_S * _MOST_CREDIT_S)

    def pass_to(self, now_s: float) -> None:
        """Time has passed."""
        if self._seen_s is not None:
            gained = RETRIES_PER_S * (now_s - self._seen_s)
            self.credit = min(self.credit + gained, RETRIES_PER_S * _MOST_CREDIT_S)
        self._seen_s = now_s

    def spend(self) -> bool:
        """Take one repetition; False where there is none."""
        if self.credit < 1:
            return False
        self.credit -= 1
        return True


@dataclass
class _Flight:
    attempt: int
    stops: tuple[Address, ...]
    deadline_s: float


@dataclass
class Dispatcher:
    """Frames in flight.

    Attributes:
        table: who holds what now.
        deadline_s: time for the first attempt at a frame, from its sending.
        budget: of repetitions.
        resent: repetitions so far.
        late: results of earlier or later attempts that were dropped.
    """

    table: Table
    deadline_s: float
    budget: RetryBudget = field(default_factory=RetryBudget)
    resent: int = 0
    late: int = 0
    _flights: dict[int, _Flight] = field(default_factory=dict)
    _attempts: dict[int, int] = field(default_factory=dict)
    _answered: dict[int, set[int]] = field(default_factory=dict)
    _outstanding: Counter[Address] = field(default_factory=Counter)

    @property
    def in_flight(self) -> int:
        """Frames that are not back."""
        return len(self._flights)

    def outstanding(self, address: Address) -> int:
        """Computations that a device is expected to do for the frames in flight."""
        return self._outstanding[address]

    def offer(self, frame: int, now_s: float) -> Send:
        """Send a new frame where it is done soonest.

        Raises:
            ValueError: the frame was sent before.
        """
        if frame in self._attempts:
            raise ValueError(f"frame {frame} was sent before")
        self.budget.pass_to(now_s)
        self.budget.frame()
        return self._sent(frame, 0, now_s)

    def arrived(self, frame: int, attempt: int) -> Arrival:
        """Take a result, and say whether it counts."""
        sent = self._attempts.get(frame)
        if sent is None or not 0 <= attempt <= sent:
            return Arrival.UNKNOWN
        answered = self._answered.setdefault(frame, set())
        if attempt in answered:
            return Arrival.REPEATED
        answered.add(attempt)
        if len(answered) > 1:
            self.late += 1
            return Arrival.LATE
        self._release(self._flights.pop(frame))
        return Arrival.FIRST

    def change(self, table: Table, now_s: float, finishing: Collection[Address] = ()) -> list[Send]:
        """Send by a new table from now on, and frames again whose way leads over a device that holds nothing any more.

        Args:
            table: the new one.
            now_s: time.
            finishing: devices that hold nothing any more, and still finish what they were sent.

        Raises:
            ValueError: the table is not later than the one in force.
        """
        if table.epoch <= self.table.epoch:
            raise ValueError(f"epoch {table.epoch} is not later than {self.table.epoch}")
        self.table = table
        able = table.devices.union(finishing)
        gone = [frame for frame, flight in self._flights.items() if not able.issuperset(flight.stops)]
        for frame in gone:
            self._flights[frame].deadline_s = now_s
        return self.due(now_s)

    def due(self, now_s: float) -> list[Send]:
        """Frames whose deadline has passed, the oldest first, as many as the budget allows; the others stay due."""
        self.budget.pass_to(now_s)
        overdue = [frame for frame, flight in self._flights.items() if flight.deadline_s <= now_s]
        sends = []
        for frame in sorted(overdue):
            if not self.budget.spend():
                break
            flight = self._flights.pop(frame)
            self._release(flight)
            sends.append(self._sent(frame, flight.attempt + 1, now_s))
            self.resent += 1
        return sends

    def forget(self, before: int) -> None:
        """Let go of the account of frames that are back and have a smaller number."""
        for numbers in (self._attempts, self._answered):
            for frame in [one for one in numbers if one < before and one not in self._flights]:
                del numbers[frame]

    def _sent(self, frame: int, attempt: int, now_s: float) -> Send:
        way = self._soonest()
        stops = self.table.stops(way)
        self._attempts[frame] = attempt
        patience_s = self.deadline_s * min(2**attempt, LONGEST_PATIENCE)
        self._flights[frame] = _Flight(attempt, stops, now_s + patience_s)
        self._outstanding.update(stops)
        return Send(frame, attempt, self.table.epoch, way)

    def _soonest(self) -> Way:
        """For each share the holder with the fewest computations outstanding; the first of equals."""
        return tuple(_least(addresses, self._outstanding) for addresses in self.table.holders.values())

    def _release(self, flight: _Flight) -> None:
        self._outstanding.subtract(flight.stops)


def _least(addresses: Iterable[Address], outstanding: Counter[Address]) -> int:
    return min(enumerate(addresses), key=lambda one: (outstanding[one[1]], one[0]))[0]
