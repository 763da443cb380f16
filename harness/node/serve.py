"""One node's process: bind, build the block, then say ready and serve until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from harness.emulate.device import EmulatedDevice
from harness.emulate.farm import EmulatedFarm
from harness.errors import BadInputError
from harness.farm.config import Address
from harness.farm.key_folder import require_trust
from harness.node.blocks import BlockSource, NodeOptions, description, first_blocks, runtime_blocks
from harness.node.emulated import emulated_farm
from harness.node.node import Node
from harness.node.seats import ComputedBlock, Seats
from harness.partition.partition import INITIAL
from harness.plan.plan import Placement, Plan
from harness.plan.table import Share, takers
from harness.rpc import event_loop
from harness.rpc.binding import listen
from harness.rpc.limits import Limits
from harness.rpc.security import Security, security_of
from harness.rpc.server import RpcServer


def refuse_taken_port(address: Address) -> None:
    """See a taken port before a block is built for nothing.

    Raises:
        BadInputError: the port is in use (the message names the process), or the address is not this machine's.
    """
    listen(address.host, address.port).close()


def serve(
    plan: Plan,
    placement: Placement,
    options: NodeOptions,
    blocks_of: Callable[[Plan, NodeOptions], BlockSource] = runtime_blocks,
    ready: Callable[[], None] | None = None,
) -> None:
    """Run one node until SIGINT, SIGTERM, or its `stop` message.

    Args:
        plan: the run's plan.
        placement: this node's place in it.
        options: what the node needs to know beside.
        blocks_of: where its blocks come from.
        ready: called once, when the node serves.

    Raises:
        BadInputError: the farm has no keys, the port is taken, the weights file does not fit, or the core is not there.
        MissingPackageError: TensorFlow, or the GPU asked for, is not there.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    require_trust(plan.farm, placement.address.host)
    security = security_of(plan.farm, placement.address.host)
    refuse_taken_port(placement.address)
    _refuse_missing_core(options)
    farm = emulated_farm(plan, options.emulate)
    source = blocks_of(plan, options)
    blocks = first_blocks(plan, placement, source)
    told = description(plan, placement, options, source, blocks, farm.identity if farm else "")
    load, device = source.load, None
    if farm is not None:
        device = farm.device(placement.address)
        blocks = {share: device.paced(share, block) for share, block in blocks.items()}
        load = _paced(device, load)
    seats = seats_of(plan, placement, blocks, load)
    event_loop.run(_serve(plan, placement, seats, told, options, security, ready, farm, device))


def _paced(device: EmulatedDevice, load: Callable[[Share], ComputedBlock]) -> Callable[[Share], ComputedBlock]:
    return lambda share: device.paced(share, load(share))


def _refuse_missing_core(options: NodeOptions) -> None:
    if options.core is None:
        return
    cores = sorted(os.sched_getaffinity(0))
    if options.core not in cores:
        raise BadInputError(f"core {options.core} is not one of this process's", f"it may use {cores}")
    if (options.threads or 1) > 1:
        raise BadInputError(f"{options.threads} threads cannot keep to one core", "leave out --core or --threads")


def seats_of(
    plan: Plan,
    placement: Placement,
    blocks: dict[Share, ComputedBlock],
    load: Callable[[Share], ComputedBlock],
) -> Seats:
    """The seats of a node that begins with some blocks, and loads others where a table asks for them."""
    cut = plan.partition
    targets = {
        role.name: tuple(
            stop
            for tensor in cut.outputs(role.name)
            for target in cut.targets(tensor)
            if target != INITIAL
            for stop in takers(cut, target)
        )
        for role in cut.roles
    }
    return Seats(placement.address, plan.table, blocks, load, targets)


async def _serve(
    plan: Plan,
    placement: Placement,
    seats: Seats,
    told: dict[str, Any],
    options: NodeOptions,
    security: Security | None,
    ready: Callable[[], None] | None,
    farm: EmulatedFarm | None,
    device: EmulatedDevice | None,
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if options.stop_on_eof:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(0, 1) else stopped.set())
    node = Node(plan, placement, seats, told, stopped.set, options.core, security, farm, device)
    # Of any role: the node may be given another one.
    server = RpcServer(node, Limits.for_input(plan.partition.largest_message_bytes), security)
    await server.start((placement.address.host, placement.address.port))
    # What is loaded stays: the collector need not walk TensorFlow's objects again and again.
    gc.collect()
    gc.freeze()
    # In one write: several nodes share a terminal, and lines that fall into each other cannot be counted.
    sys.stdout.write(f"ready: {placement}, model {told['model_fingerprint']}\n")
    sys.stdout.flush()
    if ready is not None:
        ready()
    try:
        await stopped.wait()
    finally:
        if options.stop_on_eof:
            loop.remove_reader(sys.stdin.fileno())
        await server.close()
        await node.close()
