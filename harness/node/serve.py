"""One node's process: bind, build the block, then say ready and serve until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
from harness.errors import BadInputError
from harness.farm.config import Address
from harness.farm.key_folder import require_trust
from harness.farm.local import is_local
from harness.models.weights import model_fingerprint
from harness.node.node import Node
from harness.plan.plan import Placement, Plan
from harness.rpc.binding import listen
from harness.rpc.limits import Limits
from harness.rpc.security import Security, security_of
from harness.rpc.server import RpcServer
from harness.runtime.device import Device, configure, versions
from harness.runtime.keras_block import load_block
from harness.runtime.source import weight_source


@dataclass(frozen=True)
class NodeOptions:
    """What a node needs to know beside its plan.

    Attributes:
        seed: seed of the weights where no file is given.
        weights: a Keras weights file of the whole model, or None.
        threads: threads of the block; None shares the cores among this machine's nodes.
        device: "cpu" or "gpu".
        core: the core that the computing thread keeps to; None leaves it to the system.
        keep_cores: whether nodes that share this machine's cores may be bound to one each.
        stop_on_eof: end when standard input closes (set by a parent that must not leave children behind).
    """

    seed: int
    weights: Path | None = None
    threads: int | None = None
    device: Device = "cpu"
    core: int | None = None
    keep_cores: bool = True
    stop_on_eof: bool = False


def local_placements(plan: Plan) -> tuple[Placement, ...]:
    """The nodes of a plan whose address belongs to this machine."""
    return tuple(placement for placement in plan.placements if is_local(placement.address))


def refuse_taken_port(address: Address) -> None:
    """See a taken port before a block is built for nothing.

    Raises:
        BadInputError: the port is in use (the message names the process), or the address is not this machine's.
    """
    listen(address.host, address.port).close()


def serve(plan: Plan, placement: Placement, options: NodeOptions) -> None:
    """Run one node until SIGINT, SIGTERM, or its `stop` message.

    Raises:
        BadInputError: the farm has no keys, the port is taken, the weights file does not fit, or the core is not there.
        MissingPackageError: TensorFlow, or the GPU asked for, is not there.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    require_trust(plan.farm)
    security = security_of(plan.farm, placement.address.host)
    refuse_taken_port(placement.address)
    _refuse_missing_core(options)
    block, description = _load(plan, placement, options)
    asyncio.run(_serve(plan, placement, block, description, options, security))


def _refuse_missing_core(options: NodeOptions) -> None:
    if options.core is None:
        return
    cores = sorted(os.sched_getaffinity(0))
    if options.core not in cores:
        raise BadInputError(f"core {options.core} is not one of this process's", f"it may use {cores}")
    if (options.threads or 1) > 1:
        raise BadInputError(f"{options.threads} threads cannot keep to one core", "leave out --core or --threads")


def _load(plan: Plan, placement: Placement, options: NodeOptions) -> tuple[Any, dict[str, Any]]:
    graph = plan.partition.graph
    threads = (
        1
        if options.core is not None
        else options.threads or max(1, len(os.sched_getaffinity(0)) // max(1, len(local_placements(plan))))
    )
    configure(options.device, threads)
    weights = weight_source(graph, seed=options.seed, weights=options.weights)
    block = load_block(plan.partition.block(placement.role, placement.part), weights)
    slots = plan.partition.slots(placement.role)
    description = {
        "software": f"ck-iot-farm {harness.__version__}",
        "host": placement.address.host,
        "port": placement.address.port,
        "role": placement.role,
        "part": placement.part,
        "parts": placement.parts,
        "replica": placement.replica,
        "model": graph.name,
        "partition": plan.partition.name,
        "weights": weights.identity,
        "model_fingerprint": model_fingerprint(graph, weights.identity),
        "block_fingerprint": block.fingerprint,
        "runtime": ", ".join(f"{name} {version}" for name, version in versions().items()) + f", {options.device}",
        "threads": threads,
        "core": -1 if options.core is None else options.core,
        "pid": os.getpid(),
        "input_bytes": sum(plan.partition.message_bytes(tensor) for tensor, _ in slots),
        "output_bytes": sum(plan.partition.message_bytes(tensor) for tensor in plan.partition.outputs(placement.role)),
    }
    return block, description


async def _serve(
    plan: Plan,
    placement: Placement,
    block: Any,
    description: dict[str, Any],
    options: NodeOptions,
    security: Security | None,
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if options.stop_on_eof:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(0, 1) else stopped.set())
    node = Node(plan, placement, block, description, stopped.set, options.core, security)
    largest = max(plan.partition.message_bytes(tensor) for tensor, _ in plan.partition.slots(placement.role))
    server = RpcServer(node, Limits.for_input(largest), security)
    await server.start((placement.address.host, placement.address.port))
    # What is loaded stays: the collector need not walk TensorFlow's objects again and again.
    gc.collect()
    gc.freeze()
    # In one write: several nodes share a terminal, and lines that fall into each other cannot be counted.
    sys.stdout.write(f"ready: {placement}, model {description['model_fingerprint']}\n")
    sys.stdout.flush()
    try:
        await stopped.wait()
    finally:
        if options.stop_on_eof:
            loop.remove_reader(sys.stdin.fileno())
        await server.close()
        await node.close()
