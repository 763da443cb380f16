"""A farm under a simulated clock: warm-up and window as in a run, and what comes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import simpy

from harness.bench.crew import WARMUP_DEADLINE_S, fixed_deadline_s
from harness.dispatch import Send
from harness.farm.config import Address
from harness.partition.message import Message
from harness.partition.wire import Wire
from harness.plan.cores import deal_cores, share_costs_s
from harness.plan.cost import Energy
from harness.plan.stage_cost import dynamic_w
from harness.simulate.carrier import Carrier
from harness.simulate.cores import OwnCores, Processor, SharedCores
from harness.simulate.initial import SimulatedInitial
from harness.simulate.node import SimulatedNode, chance_of
from harness.simulate.outages import Outages
from harness.simulate.outcome import Outcome
from harness.simulate.scene import Scene
from harness.simulate.watch import SimulatedWatch


def simulate(scene: Scene) -> Outcome:
    """Run a scene: warm-up, then the measured window.

    The same scene gives the same outcome, on every machine.

    Raises:
        BadInputError: a block fits its device in no way, or a profile has no figure for it.
    """
    return _SimulatedFarm(scene).run()


@dataclass(frozen=True)
class _Counted:
    """Counters at some time."""

    at_s: float
    busy_s: dict[Address, float]
    medium_s: float
    messages: int
    carried_bytes: int


class _SimulatedFarm:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._env = simpy.Environment()
        self._chance = chance_of(scene.seed)
        self._carrier = Carrier(self._env, scene.site)
        partition, cores = scene.plan.partition, scene.site.shared_cores
        message_s = scene.site.network.message_s
        processor: Processor = OwnCores(self._env) if cores is None else SharedCores(self._env, cores)
        dealt = {} if cores is None else deal_cores(scene.plan, scene.plan.placements, range(cores))
        for share, holders in scene.plan.table.holders.items():
            for address in holders:
                scene.compute_s(address, share)  # what does not fit is told before anything happens
        self._nodes = {
            placement.address: SimulatedNode(
                self._env,
                placement.address,
                partition,
                scene.plan.table,
                processor,
                dealt.get(placement),
                scene.compute_s,
                lambda mean_s: scene.jittered(mean_s, self._chance),
                message_s,
                cores is not None,
                self._post,
            )
            for placement in scene.plan.placements
        }
        self._initial = SimulatedInitial(self._env, partition, processor, message_s, self._post)
        self._watch = SimulatedWatch(
            self._env,
            scene.plan,
            self._nodes,
            share_costs_s(scene.plan),
            adapt=scene.adapt,
            changed=self._initial.change,
        )
        # Drawn from numbers of their own, so that the same devices fail whatever else is simulated.
        self._outages = Outages(self._env, scene.failures, self._nodes, chance_of(scene.seed ^ 0x5EED), self._failed)

    def run(self) -> Outcome:
        """Warm-up, window, figures."""
        scene, initial = self._scene, self._initial
        in_flight = scene.most_in_flight
        warmup = 2 * in_flight if scene.warmup is None else scene.warmup
        if warmup:
            deadline_s = WARMUP_DEADLINE_S if scene.adapt else math.inf
            initial.window(self._watch.table, warmup, in_flight, None, deadline_s)
        deadline_s = fixed_deadline_s(initial.latencies_s) if scene.adapt else math.inf
        before = self._counted()
        self._outages.begin()
        load = initial.window(self._watch.table, scene.frames, in_flight, scene.rate_fps, deadline_s)
        return self._outcome(before, load.dropped)

    def _post(self, source: Address | None, target: Address | None, send: Send, message: Message) -> None:
        def arrive() -> None:
            if target is None:
                self._initial.take(send, message)
            else:
                self._nodes[target].take(send, message)

        initial = self._scene.site.initial.address
        wire = Wire.F32 if target is None else self._scene.plan.partition.wire
        self._carrier.send(source or initial, target or initial, message.payload_bytes(wire), arrive)

    def _failed(self, address: Address) -> None:
        self._watch.failed(address)
        self._carrier.forget(address)

    def _counted(self) -> _Counted:
        busy_s = {address: node.busy_s for address, node in self._nodes.items()}
        busy_s[self._scene.site.initial.address] = self._initial.busy_s
        return _Counted(self._env.now, busy_s, self._carrier.busy_s, self._carrier.carried, self._carrier.carried_bytes)

    def _outcome(self, before: _Counted, dropped: int) -> Outcome:
        scene, after = self._scene, self._counted()
        samples = self._initial.samples(before.at_s)
        window_s = max((sample.verified_s for sample in samples if sample.verified_s is not None), default=0.0)
        busy_s = {address: after.busy_s[address] - before.busy_s[address] for address in after.busy_s}
        names = {device.address: device.name for device in (scene.site.initial, *scene.site.devices)}
        dispatcher = self._initial.dispatcher
        shared = scene.site.network.shared
        return Outcome(
            samples=samples,
            in_flight=scene.most_in_flight if scene.rate_fps is None else None,
            dropped=dropped,
            resent=dispatcher.resent,
            late=dispatcher.late,
            busy={names[address]: spent_s / window_s if window_s else 0.0 for address, spent_s in busy_s.items()},
            medium_busy=(after.medium_s - before.medium_s) / window_s if shared and window_s else None,
            energy=self._energy(busy_s, before.at_s, window_s, sum(one.replies > 0 for one in samples)),
            failures=self._outages.count,
            tables=len(self._watch.epochs),
            messages=after.messages - before.messages,
            carried_bytes=after.carried_bytes - before.carried_bytes,
        )

    def _energy(self, busy_s: dict[Address, float], begun_s: float, window_s: float, frames: int) -> Energy | None:
        """The paper's arithmetic: idle watts while a device has power, the rest of the load while it computes."""
        if not frames:
            return None
        static_j = dynamic_j = 0.0
        for address, spent_s in busy_s.items():
            device = self._scene.devices.get(address, self._scene.site.initial)
            idle_w, more_w = device.profile.device.idle_w, dynamic_w(device)
            if idle_w is None or more_w is None:
                return None
            static_j += idle_w * (window_s - self._outages.down_s(address, begun_s, begun_s + window_s))
            dynamic_j += more_w * spent_s
        return Energy(static_j / frames, dynamic_j / frames)
