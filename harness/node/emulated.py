"""Where the processes of an emulated farm meet: a folder below the state of farms on this machine."""

from __future__ import annotations

from harness.emulate.emulation import emulation_called
from harness.emulate.farm import EmulatedFarm, folder_name
from harness.errors import BadInputError
from harness.farm.local import is_local
from harness.node.processes import state_folder
from harness.plan.plan import Plan


def emulated_farm(plan: Plan, text: str | None) -> EmulatedFarm | None:
    """This process's part in an emulated farm; None where nothing is imitated.

    Args:
        plan: roles on addresses.
        text: DEVICE+NETWORK, or None.

    Raises:
        BadInputError: it is no such pair, the devices cannot run their blocks, or a node is on another machine.
        NotFoundError: there is no such profile.
    """
    if text is None:
        return None
    require_all_here(plan)
    return EmulatedFarm(emulation_called(text), plan, state_folder(folder_name(plan)))


def require_all_here(plan: Plan) -> None:
    """See that all nodes are on this machine, as they must be to share a medium.

    Raises:
        BadInputError: one is not.
    """
    elsewhere = [node for node in plan.placements if not is_local(node.address)]
    if elsewhere:
        raise BadInputError(
            f"--emulate is for farms whose nodes are all on this machine, and {elsewhere[0]} is not",
            "use a loopback farm such as farm-5-local, or leave --emulate out",
        )
