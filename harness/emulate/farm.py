"""What all processes of an emulated farm share: the medium, the devices' times, and who computes how long."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Final

from harness.emulate.busy_book import BusyBook
from harness.emulate.device import DeviceTime, EmulatedDevice, device_time
from harness.emulate.emulation import Emulation
from harness.emulate.links import Links, Outgoing
from harness.emulate.published import REQUESTS
from harness.emulate.reservations import Booking, Reservations
from harness.errors import BadInputError
from harness.farm.config import Address
from harness.partition.partition import INITIAL
from harness.plan.plan import Plan
from harness.plan.table import Share, shares_of
from harness.profile.coverage import require_figures
from harness.profile.times import BlockTimes

_AIR: Final = 0
_LETTERS: Final = 12


def folder_name(plan: Plan) -> str:
    """Name of the folder that the processes of a farm share, the same for all of them: it follows from addresses."""
    addresses = [str(plan.farm.initial), *(str(node.address) for node in plan.placements)]
    return f"emulated-{hashlib.sha256(' '.join(addresses).encode()).hexdigest()[:_LETTERS]}"


class EmulatedFarm:
    """One process's part in an emulated farm.

    Args:
        emulation: what is imitated.
        plan: roles on addresses, all of this machine.
        folder: the same for all processes of the farm; it is made where it is missing.

    Raises:
        BadInputError: a block does not fit the device, its profile has nothing for a layer, or the folder cannot be
            written.
    """

    def __init__(self, emulation: Emulation, plan: Plan, folder: Path) -> None:
        self.emulation = emulation
        self._plan = plan
        self.times = device_times(emulation, plan)
        self._at = {(one.address, one.role): Share(one.role, one.part) for one in plan.placements}
        # The air of a shared medium first, then each device, the initial last: its own link.
        self._places = {node.address: number for number, node in enumerate(plan.placements, start=1)}
        self._places[plan.farm.initial] = len(self._places) + 1
        try:
            self._air = Reservations(folder / "air", 1 + len(self._places))
            self._devices = Reservations(folder / "devices", 1 + len(self._places))
            self._busy = BusyBook(folder / "busy", len(plan.placements))
        except OSError as error:
            raise BadInputError(f"{folder} cannot be written: {error.strerror}", "set IOT_FARM_STATE") from None

    @property
    def identity(self) -> str:
        """What nodes and run must have in common: name, figures, and the very medium."""
        return f"{self.emulation.name}#{self.emulation.digest}@{self._air.identity}"

    def label(self, protocol: str) -> str:
        """What a record says of a run: "rpi3+wifi-n", and behind it the requests of 2018 where frames went by them."""
        return self.emulation.name if protocol != REQUESTS else f"{self.emulation.name}/{REQUESTS}"

    def require_published(self) -> None:
        """See that the window of the published protocol can slide over what each role takes.

        Raises:
            BadInputError: a role joins messages that are not alike.
        """
        cut = self._plan.partition
        for share in self.times:
            found = cut.messages(share.role, share.part)
            if len({(message.tensor, message.shape) for message in found}) > 1:
                raise BadInputError(
                    f"role {share.role} joins messages that differ: the protocol of 2018 joined halves alone",
                    "take a cut of the paper's, or the honest protocol",
                )

    def clear(self) -> None:
        """Nothing is under way: what a farm before has booked is forgotten."""
        self._air.clear()
        self._devices.clear()

    def device(self, address: Address) -> EmulatedDevice:
        """The device at an address; a spare, or one that takes another role, needs the same for a share."""
        place = self._places.get(address)
        if place is None:
            # A device that the farm file does not name has no place in the file; no load model knows it either.
            return EmulatedDevice(self.times)
        return EmulatedDevice(self.times, partial(self._busy.write, place - 1))

    def links(self, outbox: Outgoing, sender: Address) -> Links:
        """The network as the device at an address sees it."""
        network = self.emulation.network
        place = _AIR if network.shared else self._places.get(sender, _AIR)

        return Links(
            outbox, partial(self._air.book, place), network.bandwidth_bytes_per_s, network.latency_s, self._receive
        )

    def power_load(self) -> str:
        """The load of the virtual analyzer: idle watts of all devices, and load watts of those that compute.

        Raises:
            BadInputError: the profile has no watts.
        """
        device = self.emulation.profile.device
        if device.idle_w is None or device.load_w is None:
            raise BadInputError(
                f"profile {self.emulation.profile.name} has no watts, so that no power follows", "leave --power out"
            )
        busy_w = device.load_w - device.idle_w
        return f"busy:{self._busy.path},devices={self._plan.farm.devices},idle={device.idle_w:g},busy={busy_w:g}"

    def close(self) -> None:
        """Let go of the shared files."""
        self._air.close()
        self._devices.close()
        self._busy.close()

    def _receive(self, address: Address, role: str, arrives_s: float) -> Booking:
        """Book the receiver of a request for what it computes; the source and sink only takes what comes."""
        if role == INITIAL:
            return Booking(arrives_s, arrives_s)
        # Parts of a split of convolutions differ; a device that came to its role later takes the first part's time.
        seconds = self.times[self._at.get((address, role), Share(role, 0))].warm_s
        return self._devices.book(self._places[address], seconds, arrives_s)


def device_times(emulation: Emulation, plan: Plan) -> dict[Share, DeviceTime]:
    """What the imitated devices need for each share of a plan.

    Raises:
        BadInputError: the profile is not of the model, or a block does not fit the device.
    """
    graph = plan.partition.graph
    require_figures(emulation.profile, graph)
    times = BlockTimes(emulation.profile, graph)
    return {share: _share_time(plan, share, times, emulation) for share in shares_of(plan.partition)}


def _share_time(plan: Plan, share: Share, times: BlockTimes, emulation: Emulation) -> DeviceTime:
    cut = plan.partition
    messages = len(cut.slots(share.role, share.part)) + sum(
        role_parts if message.to is None else 1
        for tensor in cut.outputs(share.role)
        for target in cut.targets(tensor)
        for role_parts in (1 if target == INITIAL else cut.role(target).parts,)
        for message in cut.sent(tensor, share.part, target)
    )
    block = cut.block(share.role, share.part)
    return device_time(times, block, messages_s=messages * emulation.network.message_s)
