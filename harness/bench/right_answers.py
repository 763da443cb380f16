"""Which right answers a run is held to: the images of its pool, its partition, and who computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.bench.farm_run import blocks_of
from harness.bench.kept_reference import kept_or_computed
from harness.bench.options import RunOptions
from harness.bench.reference import Reference
from harness.partition.wire import Wire
from harness.plan.plan import Plan
from harness.records.computing import Computing
from harness.records.rules_frames import LEAST_IMAGES


def reference_for(options: RunOptions, plan: Plan | None = None, threads: int | None = None) -> Reference:
    """The right answers for the images of a run, computed by the single device (CPU), now or in an earlier run.

    Args:
        options: of the run.
        plan: of its farm; None on a single device.
        threads: of the nodes, for a wire that rounds; None is all cores.
    """
    in_flight = options.most_in_flight(plan.partition.devices) if plan else 1
    rounding = plan is not None and plan.partition.wire is not Wire.F32
    return kept_or_computed(
        plan.partition.graph.name if plan else host_model(options),
        seed=options.seed,
        weights=options.weights,
        # At least as many images as frames in flight: two frames that look alike could be swapped unseen.
        count=max(LEAST_IMAGES, in_flight),
        blocks=tuple(blocks_of(plan).values()) if plan else (),
        cut=plan.partition if plan and rounding else None,
        threads=threads if rounding else None,
    )


def plain_nodes(nodes: Sequence[dict[str, Any]]) -> bool:
    """Whether every node computes the plain Keras function; False where there may be others."""
    return bool(nodes) and all(Computing.parse(node["runtime"]).plain for node in nodes)


def host_model(options: RunOptions) -> str:
    """The model of a single device's run."""
    assert options.model is not None, "RunOptions asks for one"
    return options.model
