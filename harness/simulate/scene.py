"""What is simulated: a plan on devices with profiles, what is asked of it, and what goes wrong."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from functools import cached_property

from harness.errors import BadInputError
from harness.farm.config import Address, FarmConfig
from harness.models.graph import ModelGraph
from harness.plan.assignment import Assignment, partition_of
from harness.plan.farm_file import farm_document
from harness.plan.plan import QUEUE_FRAMES, Plan, make_plan
from harness.plan.site import FarmDevice, Site
from harness.plan.table import Share
from harness.profile.times import BlockTimes

DEFAULT_FRAMES = 1000
DEFAULT_JITTER = 0.05


@dataclass(frozen=True)
class Outage:
    """A device that loses its power.

    Attributes:
        at_s: when, from the begin of the measured window.
        device: its number in the order of the plan, spares last; 0 is the first that computes.
        for_s: until it is started again; infinite is never.
    """

    at_s: float
    device: int
    for_s: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.at_s < math.inf or not self.for_s > 0 or self.device < 0:
            raise BadInputError(
                f"an outage at {self.at_s} s of device {self.device} for {self.for_s} s cannot be",
                "give AT:DEVICE or AT:DEVICE:FOR, with seconds of 0 or more",
            )


@dataclass(frozen=True)
class Failures:
    """What goes wrong.

    Attributes:
        outages: at given times.
        between_s: mean time from one failure of a device to its next, exponential; infinite is never.
        repair_s: mean time until it is back, exponential.
    """

    outages: tuple[Outage, ...] = ()
    between_s: float = math.inf
    repair_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.between_s > 0 or not 0 < self.repair_s < math.inf:
            raise BadInputError(
                f"a failure every {self.between_s} s, mended in {self.repair_s} s, cannot be", "give positive numbers"
            )

    @property
    def none(self) -> bool:
        """Whether nothing fails."""
        return not self.outages and math.isinf(self.between_s)


@dataclass(frozen=True)
class Scene:
    """A farm and what is asked of it.

    Attributes:
        plan: roles on addresses.
        site: the same addresses as devices, and the network between them.
        frames: of the measured window.
        warmup: frames before it; None is twice the number in flight, as in a run.
        in_flight: of the closed loop; None is two for each node, as in a run.
        rate_fps: of the open loop; None is the closed loop.
        jitter: standard deviation of a block's time, as a share of its mean; gamma distributed.
        failures: what goes wrong.
        adapt: the farm changes when devices fail, as with `--adapt`.
        seed: of everything that is drawn.

    Raises:
        BadInputError: a number that cannot be.
    """

    plan: Plan
    site: Site
    frames: int = DEFAULT_FRAMES
    warmup: int | None = None
    in_flight: int | None = None
    rate_fps: float | None = None
    jitter: float = DEFAULT_JITTER
    failures: Failures = field(default_factory=Failures)
    adapt: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise BadInputError(f"{self.frames} frames cannot be simulated", "give 1 or more")
        if not 0 <= self.jitter < 1:
            raise BadInputError(f"a jitter of {self.jitter} cannot be", "give a share from 0 up to 1")
        if self.rate_fps is not None and not 0 < self.rate_fps < math.inf:
            raise BadInputError(f"{self.rate_fps} frames per second cannot be sent", "give a positive number")
        if self.in_flight is not None and not 1 <= self.in_flight <= QUEUE_FRAMES:
            raise BadInputError(f"{self.in_flight} frames in flight cannot be", f"give 1 to {QUEUE_FRAMES}")
        unknown = {node.address for node in self.plan.placements} - set(self.devices)
        if unknown:
            raise BadInputError(f"the site has no device at {min(unknown)}", "plan and site must be of one farm")
        count = len(self.plan.placements)
        for outage in self.failures.outages:
            if outage.device >= count:
                raise BadInputError(f"there is no device {outage.device} to fail", f"they are 0 to {count - 1}")

    @property
    def most_in_flight(self) -> int:
        """Frames under way at once."""
        if self.rate_fps is not None:
            return QUEUE_FRAMES
        return self.in_flight or min(2 * (self.plan.partition.devices - 1), QUEUE_FRAMES)

    @cached_property
    def devices(self) -> dict[Address, FarmDevice]:
        """The site's devices by their address."""
        return {device.address: device for device in self.site.devices}

    @cached_property
    def _times(self) -> dict[int, BlockTimes]:
        graph = self.plan.partition.graph
        return {
            number: BlockTimes(self.site.devices[numbers[0]].profile, graph)
            for number, numbers in enumerate(self.site.kinds)
        }

    @cached_property
    def _kinds(self) -> dict[Address, int]:
        return {
            self.site.devices[number].address: kind
            for kind, numbers in enumerate(self.site.kinds)
            for number in numbers
        }

    @cached_property
    def _compute_s(self) -> dict[tuple[int, Share], float]:
        return {}

    def compute_s(self, address: Address, share: Share) -> float:
        """Mean seconds that a device computes on a share for each frame.

        A device that holds several shares is reckoned as if each had all of its memory.

        Raises:
            BadInputError: it does not fit, or the profile has no figure.
        """
        key = (self._kinds[address], share)
        if key not in self._compute_s:
            role, device = self.plan.partition.role(share.role), self.devices[address]
            block = self._times[key[0]].block(role.layers, role.parts, memory_bytes=device.memory_bytes)
            if math.isinf(block.seconds):
                raise BadInputError(
                    f"{share.role} needs {block.memory_bytes / 1e6:,.0f} MB, {device.name} has "
                    f"{device.memory_bytes / 1e6:,.0f} MB",
                    "iot-farm plan finds a cut that fits",
                )
            self._compute_s[key] = block.seconds
        return self._compute_s[key]

    def jittered(self, mean_s: float, chance: random.Random) -> float:
        """A time around its mean."""
        if self.jitter == 0:
            return mean_s
        shape = 1 / self.jitter**2
        return mean_s * chance.gammavariate(shape, 1 / shape)


def plan_on(graph: ModelGraph, site: Site, assignment: Assignment) -> Plan:
    """An assignment of the planner as the plan of a run, by the farm file that it would write."""
    farm = FarmConfig.from_document(farm_document(graph, site, assignment), "simulated")
    return make_plan(partition_of(assignment, graph), farm)
