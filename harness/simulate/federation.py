"""Many devices in farms of at most a thousand, each with an initial of its own and nothing to do with the others.

Farms of one size and one plan are alike but for chance. So some of each size are simulated, each with a seed of its
own, and the others are counted as the mean of those. What is said of a federation always says how many those were.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from harness.errors import BadInputError
from harness.models.graph import ModelGraph
from harness.plan.cost import Energy
from harness.plan.cost import Prediction as Planned
from harness.plan.farm_file import alike
from harness.plan.network import Network
from harness.plan.plan import Plan
from harness.plan.planner import plan_model
from harness.plan.site import Site
from harness.profile.profile import Profile
from harness.simulate.farm import simulate
from harness.simulate.outcome import Outcome
from harness.simulate.scene import DEFAULT_JITTER, Failures, Scene, plan_on

MOST_FARM_DEVICES: Final = 1000
"""A farm has so many devices at most: its initial is one process."""
MOST_DEVICES: Final = 100_000_000


@dataclass(frozen=True)
class Wanted:
    """What is asked of every farm of a federation.

    Attributes:
        graph: the model.
        profile: of all devices.
        network: of each farm; a shared medium is one for each farm.
        frames: of each window.
        rate_fps: of the open loop of each farm; None is the closed one.
        jitter: of a block's time.
        failures: what goes wrong.
        seed: of the first farm; each further one has the next.
        farm_devices: of a farm at most, its initial included.
        distinct: farms of each size that are simulated.
        objective: by which farms are planned.
    """

    graph: ModelGraph
    profile: Profile
    network: Network
    frames: int = 500
    rate_fps: float | None = None
    jitter: float = DEFAULT_JITTER
    failures: Failures = field(default_factory=Failures)
    seed: int = 0
    farm_devices: int = MOST_FARM_DEVICES
    distinct: int = 4
    objective: str = "throughput"

    def __post_init__(self) -> None:
        if not 2 <= self.farm_devices <= MOST_FARM_DEVICES:  # noqa: PLR2004  the initial, and one that computes
            raise BadInputError(
                f"a farm of {self.farm_devices} devices cannot be", f"give 2 to {MOST_FARM_DEVICES:,} with the initial"
            )
        if self.distinct < 1:
            raise BadInputError(f"{self.distinct} simulated farms tell nothing", "give 1 or more")


@dataclass(frozen=True)
class FarmsOfASize:
    """Farms that are alike.

    Attributes:
        devices: of each, its initial included.
        count: how many there are.
        outcomes: of those that were simulated.
        planned: what the planner's cost model says of one.
        roles: the plan in words.
    """

    devices: int
    count: int
    outcomes: tuple[Outcome, ...]
    planned: Planned
    roles: str

    @property
    def ips(self) -> float:
        """Frames per second of all of them: the mean of those that were simulated, times their number."""
        return self.count * math.fsum(outcome.ips for outcome in self.outcomes) / len(self.outcomes)


@dataclass(frozen=True)
class Federation:
    """A number of devices, simulated.

    Attributes:
        devices: of all farms, their initials included.
        sizes: the farms, by their size.
    """

    devices: int
    sizes: tuple[FarmsOfASize, ...]

    @property
    def farms(self) -> int:
        """How many farms there are."""
        return sum(size.count for size in self.sizes)

    @property
    def simulated(self) -> int:
        """How many of them were simulated."""
        return sum(len(size.outcomes) for size in self.sizes)

    @property
    def ips(self) -> float:
        """Frames per second of all farms together."""
        return math.fsum(size.ips for size in self.sizes)

    @property
    def ips_spread(self) -> float | None:
        """Largest relative distance of a simulated farm from the mean of its size; None where each was alone."""
        found = [
            abs(outcome.ips * size.count / size.ips - 1)
            for size in self.sizes
            for outcome in size.outcomes
            if len(size.outcomes) > 1 and size.ips
        ]
        return max(found, default=None)

    @cached_property
    def _latencies_s(self) -> list[tuple[float, float]]:
        """Of the frames of the simulated farms, sorted, each with the number of farms that it stands for."""
        return sorted(
            (value, size.count / len(size.outcomes))
            for size in self.sizes
            for outcome in size.outcomes
            for value in outcome.latencies_s
        )

    def latency_s(self, percent: int) -> float | None:
        """The smallest latency that so many per cent of the frames do not exceed; None where nothing came back."""
        rank = sum(weight for _, weight in self._latencies_s) * percent / 100 * (1 - 1e-12)
        for value, weight in self._latencies_s:
            rank -= weight
            if rank <= 0:
                return value
        return None

    @property
    def energy(self) -> Energy | None:
        """Of a frame, averaged over all frames; None where it is unknown."""
        static_j = dynamic_j = weight = 0.0
        for size in self.sizes:
            for outcome in size.outcomes:
                if outcome.energy is None:
                    return None
                share = size.count / len(size.outcomes) * outcome.ips
                static_j += share * outcome.energy.static_j
                dynamic_j += share * outcome.energy.dynamic_j
                weight += share
        return Energy(static_j / weight, dynamic_j / weight) if weight else None

    @property
    def counted(self) -> str:
        """How the figures came about, in words."""
        parts = [
            f"{len(size.outcomes)} of {size.count:,} farms of {size.devices:,} devices simulated"
            + (", the others counted as their mean" if size.count > len(size.outcomes) else "")
            for size in self.sizes
        ]
        return "; ".join(parts)

    def describe(self) -> dict[str, Any]:
        """The figures as plain data."""
        energy = self.energy
        return {
            "devices": self.devices,
            "farms": self.farms,
            "farms_simulated": self.simulated,
            "counted": self.counted,
            "ips": self.ips,
            "ips_spread_of_farms": self.ips_spread,
            "latency_p50_s": self.latency_s(50),
            "latency_p90_s": self.latency_s(90),
            "static_j": None if energy is None else energy.static_j,
            "dynamic_j": None if energy is None else energy.dynamic_j,
            "energy_j": None if energy is None else energy.total_j,
            "sizes": [
                {
                    "devices": size.devices,
                    "farms": size.count,
                    "farms_simulated": len(size.outcomes),
                    "plan": size.roles,
                    "planned_ips": size.planned.ips,
                    "outcomes": [outcome.describe() for outcome in size.outcomes],
                }
                for size in self.sizes
            ],
        }


class Federations:
    """Simulates federations of any number of devices, each farm once.

    Args:
        wanted: what is asked of every farm.
        say: is told what is going on.
    """

    def __init__(self, wanted: Wanted, say: Callable[[str], None] = lambda _: None) -> None:
        self._wanted, self._say = wanted, say
        self._plans: dict[int, tuple[Plan, Site, Planned, str]] = {}
        self._outcomes: dict[tuple[int, int], Outcome] = {}

    def of(self, devices: int) -> Federation:
        """Simulate so many devices.

        Raises:
            BadInputError: fewer than two, or more than anybody has.
            FarmError: the model fits no farm of that size.
        """
        sizes = []
        first = self._wanted.seed
        for size, count in farm_sizes(devices, self._wanted.farm_devices):
            plan, site, planned, roles = self._plan(size)
            distinct = min(count, self._wanted.distinct)
            outcomes = tuple(self._simulated(size, plan, site, first + number) for number in range(distinct))
            sizes.append(FarmsOfASize(size, count, outcomes, planned, roles))
        return Federation(devices, tuple(sizes))

    def _plan(self, devices: int) -> tuple[Plan, Site, Planned, str]:
        if devices not in self._plans:
            wanted = self._wanted
            self._say(f"planning a farm of {devices:,} devices")
            named = alike(devices, wanted.profile)
            site = Site(named[0], tuple(named[1:]), wanted.network)
            best = plan_model(wanted.graph, site, objective=wanted.objective, every=False).best
            plan = plan_on(wanted.graph, site, best.assignment)
            roles = ", ".join(
                f"{role.name} ({role.layers[0]} to {role.layers[-1]}) in {role.parts} x {role.replicas}"
                for role in plan.partition.roles
            )
            self._plans[devices] = (plan, site, best.prediction, roles)
        return self._plans[devices]

    def _simulated(self, devices: int, plan: Plan, site: Site, seed: int) -> Outcome:
        key = (devices, seed)
        if key not in self._outcomes:
            wanted = self._wanted
            self._say(f"simulating a farm of {devices:,} devices, seed {seed}")
            self._outcomes[key] = simulate(
                Scene(
                    plan,
                    site,
                    frames=wanted.frames,
                    rate_fps=wanted.rate_fps,
                    jitter=wanted.jitter,
                    failures=wanted.failures,
                    adapt=not wanted.failures.none,
                    seed=seed,
                )
            )
        return self._outcomes[key]


def farm_sizes(devices: int, most: int) -> list[tuple[int, int]]:
    """Devices dealt out to as few farms as will do, as evenly as can be: (devices of a farm, such farms).

    Raises:
        BadInputError: fewer devices than two, or more than anybody has.
    """
    if not 2 <= devices <= MOST_DEVICES:  # noqa: PLR2004
        raise BadInputError(f"{devices} devices cannot be simulated", f"give 2 to {MOST_DEVICES:,}")
    farms = math.ceil(devices / most)
    size, larger = divmod(devices, farms)
    if size < 2:  # noqa: PLR2004
        raise BadInputError(f"{devices} devices make no farms of {most} at most", "give farms of 3 or more")
    return [(each, count) for each, count in ((size + 1, larger), (size, farms - larger)) if count]
