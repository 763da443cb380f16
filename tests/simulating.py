"""Small farms to simulate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planning import NO_NETWORK, TINY, profile_of

from harness.models.graph import ModelGraph
from harness.plan.assignment import Assignment, Stage
from harness.plan.farm_file import alike
from harness.plan.network import Network
from harness.plan.site import Site
from harness.profile.profile import Profile
from harness.simulate.scene import Scene, plan_on

SECONDS = (0.01, 0.02, 0.04, 0.03)
"""Of the layers of `planning.TINY`."""
CHAIN = Assignment("tiny", (Stage(0, 2, 1, ((0,),)), Stage(2, 3, 1, ((1,),)), Stage(3, 4, 1, ((2,),))))
SPLIT = Assignment("tiny", (Stage(0, 2, 1, ((0,), (1,))), Stage(2, 3, 2, ((2, 3),)), Stage(3, 4, 1, ((4,),))))
"""Two replicas, then two parts, then one."""
LINKS = Network("links", 1e5, 0.002, 0.001, shared=False, source="made up")
AIR = replace(LINKS, name="air", shared=True)


def scene_of(
    assignment: Assignment = SPLIT,
    *,
    graph: ModelGraph = TINY,
    profile: Profile | None = None,
    network: Network = NO_NETWORK,
    spares: int = 0,
    cores: int | None = None,
    **asked: Any,
) -> Scene:
    """An assignment on devices that are all alike."""
    devices = alike(assignment.nodes + 1 + spares, profile or profile_of(SECONDS, graph=graph))
    site = Site(devices[0], tuple(devices[1:]), network, cores)
    return Scene(plan_on(graph, site, assignment), site, **{"jitter": 0.0, "frames": 200, **asked})
