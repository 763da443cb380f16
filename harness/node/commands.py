"""Command lines of nodes, and of the fork server that becomes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.node.births import Birth
from harness.node.blocks import NodeOptions
from harness.partition.paper import partition_names
from harness.plan.cores import deal_cores
from harness.plan.plan import Placement, Plan


def node_command(
    farm_file: Path, plan: Plan, placement: Placement, options: NodeOptions, core: int | None = None
) -> list[str]:
    """The command line of one node; `core` is the one that it keeps to."""
    common = common_arguments(farm_file, plan, options)
    command = [sys.executable, "-m", "harness", *common, "--address", str(placement.address)]
    if core is not None:
        command += ["--core", str(core)]
    return command


def births(
    farm_file: Path, plan: Plan, placements: Sequence[Placement], options: NodeOptions, logs: Path | None = None
) -> tuple[Birth, ...]:
    """What a fork server is asked for: each node with its core, command line and log.

    Args:
        farm_file: where the plan came from.
        plan: the run's plan.
        placements: the nodes of this machine.
        options: what they have in common.
        logs: folder of their logs; None leaves their output where it goes.
    """
    cores = shared_cores(tuple(placements), plan, options)
    return tuple(
        Birth(
            address=str(placement.address),
            command=node_command(farm_file, plan, placement, options, cores.get(placement)),
            core=cores.get(placement),
            log=None if logs is None else str(node_log(logs, placement).resolve()),
        )
        for placement in placements
    )


def node_log(folder: Path, placement: Placement) -> Path:
    """The file that takes the output of a node in the background."""
    return folder / f"{placement.role}-{placement.address.host}-{placement.address.port}.log"


def shared_cores(placements: tuple[Placement, ...], plan: Plan, options: NodeOptions) -> dict[Placement, int]:
    """The core of each node of this machine; empty where the system chooses."""
    one_thread_each = options.threads in {None, 1} and options.device == "cpu"
    if not (options.keep_cores and one_thread_each):
        return {}
    return deal_cores(plan, placements, sorted(os.sched_getaffinity(0)))


def common_arguments(farm_file: Path, plan: Plan, options: NodeOptions) -> list[str]:
    """What the command lines of all nodes have in common, as arguments of `iot-farm`."""
    arguments = ["node", "--target", str(farm_file.resolve())]
    if plan.partition.name in partition_names():
        arguments += ["--partition", plan.partition.name]
    arguments += ["--seed", str(options.seed), "--device", options.device]
    # Siblings share the cores, which one process alone cannot see.
    arguments += ["--threads", str(options.threads_here(plan)), *options.runtime_arguments()]
    if options.weights is not None:
        arguments += ["--weights", str(options.weights.resolve())]
    if options.emulate is not None:
        arguments += ["--emulate", options.emulate]
    return arguments
