"""What would keep the nodes of this machine from starting, seen before one of them is started."""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from harness.emulate.emulation import emulation_called
from harness.emulate.farm import device_times
from harness.errors import BadInputError, UserError
from harness.farm.key_folder import require_trust
from harness.node.blocks import NodeOptions, local_placements
from harness.node.emulated import require_all_here
from harness.node.processes import state_folder
from harness.plan.plan import Placement, Plan
from harness.runtime.device import require_threads
from harness.runtime.packages import require_installed


def local_nodes(plan: Plan) -> tuple[Placement, ...]:
    """The nodes of this machine.

    Raises:
        BadInputError: there is none.
    """
    placements = local_placements(plan)
    if not placements:
        raise BadInputError(
            f"no node of {plan.farm.source} has an address of this machine",
            "type this on the machines that the farm file names, or use a loopback farm such as farm-5-local",
        )
    return placements


def require_startable(plan: Plan, options: NodeOptions) -> None:
    """See that addresses, packages, keys, threads and what is imitated are such that nodes can start.

    Raises:
        UserError: one is not; each node would say so, after seconds.
    """
    local_nodes(plan)
    require_installed(options.wanted.runtime)
    require_trust(plan.farm)
    if options.threads is not None:
        require_threads(options.threads)
    if options.emulate is not None:
        require_all_here(plan)
        device_times(emulation_called(options.emulate), plan)


@contextmanager
def only_start(target: str) -> Iterator[None]:
    """A context in which no other command starts the nodes of a target; it leaves no file behind.

    Raises:
        UserError: another one is at it.
    """
    place = hashlib.sha256(str(state_folder(target).absolute()).encode()).hexdigest()
    with socket.socket(socket.AF_UNIX) as held:
        try:
            # A name without a file, which the kernel gives free however this process ends.
            held.bind(f"\0iot-farm-start-{place[:32]}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise UserError(
                f"another command is starting the nodes of {target}",
                f"wait for it: iot-farm farm status {target}; nothing was started or stopped here",
            ) from None
        yield
