"""Farms that change while frames pass, under a seeded clock and network: is a frame lost, or joined wrongly?

Dispatcher, tables, assignment and joins are the real ones; devices compute a digest of what they were given instead of
a block, so that a result tells whether its parts belonged together. Messages are lost, doubled, late and out of order;
devices die with all they hold, freeze, come back empty, and are noticed late. The same seed gives the same run.

`python -m benchmarks.audit.simulated_farm --runs 100000` prints the table.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks.goal import Goal
from benchmarks.markdown import table as as_table
from harness.dispatch import Arrival, Dispatcher, Send
from harness.farm.config import Address
from harness.models.graph import FRAME
from harness.partition.join import Join, Offer
from harness.partition.paper import partition, partition_names
from harness.partition.partition import INITIAL, Partition
from harness.plan.assign import assign
from harness.plan.table import Table, Way, shares_of

Value = int
"""Stands for a tensor: a digest of what it was computed from."""
Slot = tuple[str, int]
_ATTEMPTS = 10_000  # more than any frame needs
_DEADLINE_S, _NOTICED_S, _TICK_S, _LONGEST_S = 0.5, 0.3, 0.1, 600.0
_PARTITIONS = {name: partition(name) for name in partition_names()}


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong.

    Attributes:
        lost: share of messages that never arrive.
        doubled: share that arrives twice.
        late: share that takes up to two seconds.
        kills: devices that die in a run, at most.
        freezes: devices that stand still for a while, at most.
    """

    lost: float = 0.02
    doubled: float = 0.05
    late: float = 0.02
    kills: int = 3
    freezes: int = 2


@dataclass(frozen=True)
class Ending:
    """What became of a run's frames.

    Attributes:
        frames: how many were sent.
        counted: frames that came back, each once.
        wrong: of these, those with another value than a single device computes.
        resent: repetitions.
        epochs: changes of the table.
    """

    frames: int
    counted: int
    wrong: int
    resent: int
    epochs: int


@dataclass
class _Device:
    joins: dict[str, Join[int, Value]]
    alive: bool = True
    life: int = 0
    free_s: float = 0.0
    thaws_s: float = 0.0
    slowness: float = 1.0
    tables: dict[int, Table] = field(default_factory=dict)


JoinKey = Callable[[int, int], int]


def by_attempt(frame: int, attempt: int) -> int:
    """Parts meet that belong to the same attempt at the same frame."""
    return frame * _ATTEMPTS + attempt


class SimulatedFarm:
    """One run.

    Args:
        seed: of everything that happens.
        frames: how many are sent.
        faults: how often what goes wrong.
        key: by which a device joins parts.
        join: what it joins them with.
        resend: frames are sent again; without it a loss stays one.
        slowest: times that some devices take longer than others.
    """

    def __init__(
        self,
        seed: int,
        frames: int = 12,
        faults: Faults = Faults(),
        *,
        key: JoinKey = by_attempt,
        join: Callable[[Sequence[Slot]], Join[int, Value]] = Join,
        resend: bool = True,
        slowest: float = 5.0,
    ) -> None:
        self._slowest, self._join = slowest, join
        self._chance = random.Random(seed)  # noqa: S311  a simulation
        self._partition: Partition = self._chance.choice(list(_PARTITIONS.values()))
        shares = shares_of(self._partition)
        self._costs_s = {share: self._chance.uniform(0.002, 0.02) for share in shares}
        count = self._chance.randint(1, len(shares) + 4)
        self._devices = {Address("10.0.0.1", port): self._device() for port in range(1, count + 1)}
        self._faults, self._key, self._resend = faults, key, resend
        self._frames = frames
        self._now_s = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._dispatcher = Dispatcher(assign(self._costs_s, self._devices), _DEADLINE_S)
        self._ways: dict[tuple[int, int], Way] = {}
        self._results: Join[int, Value] = Join(self._partition.slots(INITIAL))
        self._next = itertools.count()
        self._counted: list[int] = []
        self._wrong = 0
        for device in self._devices.values():
            device.tables[0] = self._dispatcher.table

    def run(self) -> Ending:
        """Let it happen until every frame is back, or nothing more can happen."""
        self._plan_faults()
        for _ in range(self._chance.randint(1, 6)):
            self._offer()
        self._after(_TICK_S, self._tick)
        while self._events and self._now_s < _LONGEST_S and len(self._counted) < self._frames:
            self._now_s, _, event = heapq.heappop(self._events)
            event()
        table = self._dispatcher.table
        return Ending(self._frames, len(self._counted), self._wrong, self._dispatcher.resent, table.epoch)

    # The initial

    def _offer(self) -> None:
        frame = next(self._next)
        if frame < self._frames:
            self._send(self._dispatcher.offer(frame, self._now_s))

    def _send(self, send: Send) -> None:
        for role in self._partition.targets(FRAME):
            for address in self._dispatcher.table.next_stops(role, send.way):
                self._post(address, send, role, (FRAME, 0), _digest(FRAME, 0, (send.frame,)))

    def _tick(self) -> None:
        if self._resend:
            for send in self._dispatcher.due(self._now_s):
                self._send(send)
        self._after(_TICK_S, self._tick)

    def _result(self, send: Send, slot: Slot, value: Value) -> None:
        key = self._key(send.frame, send.attempt)
        if self._results.offer(key, slot, value) is not Offer.COMPLETE:
            return
        values = tuple(self._results.take(key))
        if self._dispatcher.arrived(send.frame, send.attempt) is Arrival.FIRST:
            self._counted.append(send.frame)
            self._wrong += values != right_answer(self._partition, send.frame)
            self._offer()

    def _noticed(self) -> None:
        alive = [address for address, device in self._devices.items() if device.alive]
        table = assign(self._costs_s, alive, self._dispatcher.table)
        for address in alive:
            tables = self._devices[address].tables
            self._after(self._delay_s(), partial(tables.update, {table.epoch: table}))
        for send in self._dispatcher.change(table, self._now_s):
            self._send(send)

    # A device

    def _device(self) -> _Device:
        joins = {role.name: self._join(self._partition.slots(role.name)) for role in self._partition.roles}
        return _Device(joins, slowness=self._chance.choice([1.0, 1.0, 1.0, self._slowest]))

    def _take(self, address: Address, send: Send, role: str, slot: Slot, value: Value) -> None:
        device = self._devices[address]
        table = device.tables.get(send.epoch)
        if not device.alive or table is None:
            return
        if device.thaws_s > self._now_s:
            self._after(device.thaws_s - self._now_s, lambda: self._take(address, send, role, slot, value))
            return
        join, key = device.joins[role], self._key(send.frame, send.attempt)
        if join.offer(key, slot, value) is not Offer.COMPLETE:
            return
        inputs = tuple(join.take(key))
        for share in table.mine(role, send.way, address):
            device.free_s = max(device.free_s, self._now_s) + self._costs_s[share] * device.slowness
            event = partial(self._computed, address, device.life, send, role, share.part, inputs)
            self._after(device.free_s - self._now_s, event)

    def _computed(
        self, address: Address, life: int, send: Send, role: str, part: int, inputs: tuple[Value, ...]
    ) -> None:
        device = self._devices[address]
        if not device.alive or device.life != life:
            return
        table = device.tables[send.epoch]
        for tensor in self._partition.outputs(role):
            value = _digest(tensor, part, inputs)
            for target in self._partition.targets(tensor):
                stops = [None] if target == INITIAL else table.next_stops(target, send.way)
                for stop in stops:
                    self._post(stop, send, target, (tensor, part), value)

    # The network and what goes wrong

    def _post(self, to: Address | None, send: Send, role: str, slot: Slot, value: Value) -> None:
        def arrive() -> None:
            if to is None:
                self._result(send, slot, value)
            else:
                self._take(to, send, role, slot, value)

        for _ in range(2 if self._chance.random() < self._faults.doubled else 1):
            if self._chance.random() >= self._faults.lost:
                self._after(self._delay_s(), arrive)

    def _delay_s(self) -> float:
        late = self._chance.random() < self._faults.late
        return self._chance.uniform(0.0, 2.0) if late else self._chance.uniform(0.0, 0.01)

    def _plan_faults(self) -> None:
        for _ in range(self._chance.randint(0, self._faults.kills)):
            address, at_s = self._chance.choice(list(self._devices)), self._chance.uniform(0, 1)
            self._after(at_s, partial(self._kill, address))
        for _ in range(self._chance.randint(0, self._faults.freezes)):
            address, at_s = self._chance.choice(list(self._devices)), self._chance.uniform(0, 1)
            self._after(at_s, partial(self._freeze, address))

    def _kill(self, address: Address) -> None:
        device = self._devices[address]
        others = [one for other, one in self._devices.items() if other != address and one.alive]
        if not device.alive or not others:
            return
        device.alive = False
        self._after(_NOTICED_S, self._noticed)
        self._after(self._chance.uniform(0.05, 2.0), lambda: self._revive(address))

    def _revive(self, address: Address) -> None:
        # It comes back with nothing: no table, no parts, no work.
        slowness, life = self._devices[address].slowness, self._devices[address].life + 1
        fresh = self._device()
        fresh.slowness, fresh.life = slowness, life
        self._devices[address] = fresh
        self._after(_NOTICED_S, self._noticed)

    def _freeze(self, address: Address) -> None:
        self._devices[address].thaws_s = self._now_s + self._chance.uniform(0.1, 1.5)

    def _after(self, delay_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now_s + delay_s, next(self._order), event))


def right_answer(cut: Partition, frame: int) -> tuple[Value, ...]:
    """What a single device computes: the parts of the result, in slot order."""
    values: dict[Slot, Value] = {(FRAME, 0): _digest(FRAME, 0, (frame,))}
    for role in cut.roles:
        inputs = tuple(values[slot] for slot in cut.slots(role.name))
        for tensor in cut.outputs(role.name):
            values |= {(tensor, part): _digest(tensor, part, inputs) for part in range(role.parts)}
    return tuple(values[slot] for slot in cut.slots(INITIAL))


def _digest(tensor: str, part: int, inputs: tuple[Value, ...]) -> Value:
    return hash((tensor, part, inputs))


def main() -> int:
    """Print one table; 0 where nothing was lost and nothing wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    chosen = parser.parse_args()
    lost = wrong = resent = epochs = frames = 0
    for seed in range(chosen.first, chosen.first + chosen.runs):
        ending = SimulatedFarm(seed).run()
        if ending.wrong or ending.counted != ending.frames:
            print(f"seed {seed}: {ending}", file=sys.stderr)
        frames += ending.frames
        lost += ending.frames - ending.counted
        wrong += ending.wrong
        resent += ending.resent
        epochs += ending.epochs
    goals = [
        Goal(f"frames lost, of {frames:,} in {chosen.runs:,} runs", lost, 0, at_least=False, digits=0),
        Goal("frames wrongly joined", wrong, 0, at_least=False, digits=0),
    ]
    print("\n".join(as_table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])))
    print(f"\n{resent:,} frames sent again, {epochs:,} changes of the table")
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    raise SystemExit(main())
