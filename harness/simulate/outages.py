"""Devices that lose their power and come back, at given times and at random, and how long each was down."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import simpy

from harness.farm.config import Address
from harness.simulate.node import SimulatedNode
from harness.simulate.scene import Failures


class Outages:
    """Lets devices fail.

    Args:
        env: the clock.
        failures: when.
        nodes: the devices, in the order of the plan.
        chance: what random failures are drawn from.
        failed: is told of each device that fails, before it is down.
    """

    def __init__(
        self,
        env: simpy.Environment,
        failures: Failures,
        nodes: Mapping[Address, SimulatedNode],
        chance: random.Random,
        failed: Callable[[Address], None],
    ) -> None:
        self._env, self._failures, self._nodes = env, failures, nodes
        self._chance, self._failed = chance, failed
        self._down: dict[Address, list[tuple[float, float]]] = {}
        self.count = 0

    def begin(self) -> None:
        """Let things happen from now on."""
        order: Sequence[Address] = tuple(self._nodes)
        for outage in self._failures.outages:
            self._env.process(self._outage(outage.at_s, order[outage.device], outage.for_s))
        if not math.isinf(self._failures.between_s):
            self._env.process(self._at_random(order))

    def down_s(self, address: Address, begin_s: float, end_s: float) -> float:
        """Seconds of a stretch of time that a device was down."""
        return sum(max(0.0, min(up_s, end_s) - max(down_s, begin_s)) for down_s, up_s in self._down.get(address, ()))

    def _at_random(self, order: Sequence[Address]) -> simpy.events.ProcessGenerator:
        """All devices together fail as many times as often as one does; one that is down cannot fail."""
        while True:
            yield self._env.timeout(self._chance.expovariate(len(order) / self._failures.between_s))
            address = self._chance.choice(order)
            self._env.process(self._outage(0.0, address, self._chance.expovariate(1 / self._failures.repair_s)))

    def _outage(self, after_s: float, address: Address, for_s: float) -> simpy.events.ProcessGenerator:
        yield self._env.timeout(after_s)
        node = self._nodes[address]
        if not node.alive:
            return
        self.count += 1
        self._down.setdefault(address, []).append((self._env.now, self._env.now + for_s))
        self._failed(address)
        node.fail()
        if not math.isinf(for_s):
            yield self._env.timeout(for_s)
            node.restart()
