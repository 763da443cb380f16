"""Who is fit and who holds what, under a simulated clock: beats, the next table, and when it comes into force.

Membership and assignment are the harness's own; what `harness.bench.adapting` asks over the network is only timed here.
A device that works answers every beat, which changes nothing, so only those that failed are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import simpy

from harness.bench.adapting import BEAT_S
from harness.farm.config import Address
from harness.membership import LONGEST_REST_S, Membership
from harness.plan.assign import assign
from harness.plan.plan import Plan
from harness.plan.table import Share, Table
from harness.simulate.node import SimulatedNode

LOADING_BYTES_PER_S: Final = 50e6
"""Weights that a device loads in a second: assumed; seating allows a Pi seconds for 200 MB."""
_SEAT_S: Final = 0.05
"""Handing out a table, and asking until all say that they have it, without what loading takes: assumed."""
_WEIGHT_BYTES: Final = 4


class SimulatedWatch:
    """Keeps a simulated farm at work while its devices fail and come back.

    Args:
        env: the clock.
        plan: the farm as it is described.
        nodes: its devices.
        costs_s: share -> seconds for each frame, by which shares are dealt out.
        adapt: whether the farm may change; otherwise nothing is watched.
        changed: is told of each table that comes into force, and who still finishes what it was sent.
    """

    def __init__(
        self,
        env: simpy.Environment,
        plan: Plan,
        nodes: Mapping[Address, SimulatedNode],
        costs_s: Mapping[Share, float],
        *,
        adapt: bool,
        changed: Callable[[Table, list[Address]], None],
    ) -> None:
        self._env, self._plan, self._nodes, self._costs_s = env, plan, nodes, costs_s
        self._adapt, self._changed = adapt, changed
        spares = tuple(node.address for node in plan.spares)
        planned = tuple(node.address for node in plan.placements if not node.spare)
        self.membership = Membership(planned, spares)
        self.table = plan.table
        self.epochs: list[float] = []
        self._epoch = self.table.epoch
        self._anew: set[Address] = set()
        self._seating = False

    def failed(self, address: Address) -> None:
        """A device has lost its power, and has yet to be missed."""
        if self._adapt:
            # What it answered until now counts: one that worked for long begins with the first rest again.
            self.membership.answered(address, self._env.now)
            self._env.process(self._beats(address))

    def _beats(self, address: Address) -> simpy.events.ProcessGenerator:
        node = self._nodes[address]
        while not node.alive:
            yield self._env.timeout(BEAT_S)
            if not node.alive:
                self.membership.missed(address, self._env.now)
                self._look()
        yield self._env.timeout(BEAT_S)
        if self.membership.alive(address):
            # It was away between two beats: it knows neither run nor table.
            self.membership.gone(address)
            self._anew |= {address} & self.table.devices
        until_s = self._env.now + LONGEST_REST_S + BEAT_S
        while node.alive and self._env.now < until_s:
            self.membership.answered(address, self._env.now)
            self._look()
            yield self._env.timeout(BEAT_S)

    def _look(self) -> None:
        if self._seating:
            return
        chosen = self.membership.chosen(self.table.devices, self._env.now)
        if not chosen or (set(chosen) == self.table.devices and not self._anew):
            return
        self._epoch += 1
        table = replace(assign(self._costs_s, chosen, self.table), epoch=self._epoch)
        self._seating = True
        self._env.process(self._seat(table, frozenset(self._anew)))

    def _seat(self, table: Table, anew: frozenset[Address]) -> simpy.events.ProcessGenerator:
        """Each device of a table loads what it must hold; then it comes into force."""
        loads = {address: set(table.held_by(address)) for address in table.devices}
        loading_s = {
            address: sum(self._bytes(share) for share in shares - self._nodes[address].held) / LOADING_BYTES_PER_S
            for address, shares in loads.items()
        }
        for address, needed_s in loading_s.items():
            self.membership.loading(address, self._env.now + needed_s)
        yield self._env.timeout(max(loading_s.values()) + _SEAT_S)
        for address in table.devices:
            self.membership.loading(address, 0.0)
        self._seating = False
        if not all(self._nodes[address].alive for address in table.devices):
            return  # the beats of the one that failed meanwhile make another table
        for address, shares in loads.items():
            self._nodes[address].held |= shares
            self._nodes[address].tables[table.epoch] = table
        finishing = [one for one in self._plan_order(self.table.devices - table.devices) if self._nodes[one].alive]
        self.table = table
        self._anew -= anew
        self.epochs.append(self._env.now)
        self._changed(table, finishing)
        self._look()

    def _bytes(self, share: Share) -> int:
        return self._plan.partition.block(share.role, share.part).parameters * _WEIGHT_BYTES

    def _plan_order(self, addresses: frozenset[Address]) -> list[Address]:
        return [address for address in self.membership.addresses if address in addresses]
