"""Which devices of a farm are fit for work: beats that came or did not, and who asked to join or leave (no clock).

A device counts as gone when it refuses a connection, or when it has missed two beats. One that comes back is left
alone for a while that doubles each time, so that a device that flaps does not take the farm along.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from harness.farm.config import Address

MISSED_BEATS = 2
"""Beats without an answer after which a device counts as gone."""
MISSED_WHILE_LOADING = 8
"""The same of a device that builds a block, which may keep it from answering for a while."""
FIRST_REST_S = 1.0
LONGEST_REST_S = 4.0
"""A device that comes back is not used for so long: the first time, and after many times."""
_FORGIVEN_S = 60.0
"""A device that has stayed for so long begins with the first rest again."""


@dataclass
class _Device:
    alive: bool = False
    left: bool = False
    newcomer: bool = False
    missed: int = 0
    lost: bool = False
    departures: int = 0
    fit_from_s: float = 0.0
    loading_until_s: float = 0.0


class Membership:
    """The devices of a farm.

    Args:
        planned: devices that the plan gives a role.
        spares: devices that stand ready.
    """

    def __init__(self, planned: Iterable[Address], spares: Iterable[Address]) -> None:
        self._devices = {address: _Device(alive=True) for address in (*planned, *spares)}
        self._in_use = len(self._devices) - len(tuple(spares))

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every device that was ever part of the farm."""
        return tuple(self._devices)

    @property
    def lost(self) -> tuple[Address, ...]:
        """Devices that were gone at some time, those that came back too: nobody knows all that they did."""
        return tuple(address for address, device in self._devices.items() if device.lost)

    def alive(self, address: Address) -> bool:
        """Whether a device answers."""
        return self._devices[address].alive

    def sound(self, address: Address) -> bool:
        """Whether a device answered its latest beat."""
        device = self._devices.get(address)
        return device is not None and device.alive and not device.missed

    def left(self, address: Address) -> bool:
        """Whether a device was asked to leave."""
        return self._devices[address].left

    def answered(self, address: Address, now_s: float) -> None:
        """A beat was answered."""
        device = self._devices[address]
        device.missed = 0
        if not device.alive:
            device.alive = True
            if device.newcomer:
                # Not before it answers: a spare would be taken in its place.
                device.newcomer = False
                self._in_use += 1
            rest_s = min(FIRST_REST_S * 2 ** max(0, device.departures - 1), LONGEST_REST_S)
            device.fit_from_s = now_s + rest_s
        elif now_s - device.fit_from_s > _FORGIVEN_S:
            device.departures = 0

    def missed(self, address: Address, now_s: float) -> None:
        """A beat was not answered in time."""
        device = self._devices[address]
        device.missed += 1
        if device.missed >= (MISSED_WHILE_LOADING if now_s < device.loading_until_s else MISSED_BEATS):
            self.gone(address)

    def gone(self, address: Address) -> None:
        """A device refuses connections, or has forgotten the run: it was started anew."""
        device = self._devices[address]
        device.lost = True
        if device.alive:
            device.departures += 1
        device.alive = False
        device.loading_until_s = 0.0

    def loading(self, address: Address, until_s: float) -> None:
        """A device builds a block, which may keep it from answering."""
        self._devices[address].loading_until_s = until_s

    def join(self, address: Address) -> None:
        """Somebody wants a device to be used, one of the farm or another one."""
        device = self._devices.get(address)
        if device is None:
            self._devices[address] = _Device(newcomer=True)
        else:
            device.left = False

    def leave(self, address: Address) -> None:
        """Somebody wants a device not to be used.

        Raises:
            KeyError: it is none of the farm.
        """
        self._devices[address].left = True

    def chosen(self, seated: Collection[Address], now_s: float) -> tuple[Address, ...]:
        """Who shall work: those that do and can go on, and others while they are fewer than the farm has roles for.

        Args:
            seated: who works by the present table.
            now_s: time on the clock of the beats.
        """
        fit = [address for address, device in self._devices.items() if device.alive and not device.left]
        staying = [address for address in fit if address in seated]
        rested = [a for a in fit if a not in seated and self._devices[a].fit_from_s <= now_s]
        return tuple((staying + rested)[: max(self._in_use, len(staying))])
