"""The IP table of a farm: who holds what from one change to the next, and the way of one frame through it (pure).

Musical Chair's devices keep a table of the nodes before and behind them, which is replaced when a device comes or
goes. Here every table has a number, its epoch, and a frame names the epoch that its way belongs to, so that frames of
two tables can be under way at once and neither is led astray.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from harness.errors import BadInputError
from harness.farm.config import Address
from harness.partition.partition import Partition


class Share(NamedTuple):
    """One part of one role: what a device must hold to compute it."""

    role: str
    part: int

    def __str__(self) -> str:
        return f"{self.role}/{self.part}"


def shares_of(partition: Partition) -> tuple[Share, ...]:
    """Everything that must be held by somebody, in the order of the roles."""
    return tuple(Share(role.name, part) for role in partition.roles for part in range(role.parts))


def takers(partition: Partition, role: str) -> tuple[str | Share, ...]:
    """Whom a tensor that a role needs is sent to: the role, or each part where each reads something of its own."""
    found = partition.role(role)
    return tuple(Share(role, part) for part in range(found.parts)) if found.cuts_inputs else (role,)


Way = tuple[int, ...]
"""For each share, in the order of `shares_of`, which of its holders computes the frame."""


@dataclass(frozen=True)
class Table:
    """Who holds what.

    Attributes:
        epoch: number of this table; a later one has a larger number.
        holders: share -> its holders; the place in the list is what a `Way` names.

    Raises:
        ValueError: on creation, when a share has no holder, or one of them twice.
    """

    epoch: int
    holders: Mapping[Share, tuple[Address, ...]]

    def __post_init__(self) -> None:
        for share, addresses in self.holders.items():
            if not addresses or len(set(addresses)) != len(addresses):
                raise ValueError(f"epoch {self.epoch}: {share} is held by {[str(one) for one in addresses]}")

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """The shares, in the order in which a way names their holders."""
        return tuple(self.holders)

    @cached_property
    def devices(self) -> frozenset[Address]:
        """Every address that holds something."""
        return frozenset(address for addresses in self.holders.values() for address in addresses)

    def held_by(self, address: Address) -> tuple[Share, ...]:
        """What an address holds; nothing for a spare."""
        return tuple(share for share, addresses in self.holders.items() if address in addresses)

    def stops(self, way: Way) -> tuple[Address, ...]:
        """The addresses on a way, in the order of the shares.

        Raises:
            ValueError: the way is none of this table.
        """
        if len(way) != len(self.shares):
            raise ValueError(f"a way of epoch {self.epoch} names {len(self.shares)} holders, not {len(way)}")
        stops = []
        for share, place in zip(self.shares, way, strict=True):
            if not 0 <= place < len(self.holders[share]):
                raise ValueError(f"epoch {self.epoch} has no holder {place} of {share}")
            stops.append(self.holders[share][place])
        return tuple(stops)

    def by_number(self, frame: int) -> Way:
        """The way of a frame that names none: holders take turns, and all parts of a frame meet at one device."""
        return tuple(frame % len(addresses) for addresses in self.holders.values())

    @cached_property
    def turns(self) -> int:
        """After so many frames the ways by number begin anew."""
        return math.lcm(*(len(addresses) for addresses in self.holders.values()))

    def next_stops(self, target: str | Share, way: Way) -> tuple[Address, ...]:
        """Where a tensor must go that a role needs, or one part of it alone.

        Each device once, though it may compute several parts.
        """
        stops = zip(self.shares, self.stops(way), strict=True)
        return tuple(dict.fromkeys(address for share, address in stops if target in (share, share.role)))

    def mine(self, role: str, way: Way, address: Address) -> tuple[Share, ...]:
        """The shares of a role that an address computes for a frame on this way."""
        stops = zip(self.shares, self.stops(way), strict=True)
        return tuple(share for share, stop in stops if share.role == role and stop == address)

    def to_message(self) -> dict[str, Any]:
        """As it is sent to the nodes."""
        return {
            "epoch": self.epoch,
            "holders": [
                {"role": share.role, "part": share.part, "addresses": [str(one) for one in addresses]}
                for share, addresses in self.holders.items()
            ],
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any], partition: Partition, port: int) -> Table:
        """Read what `to_message` wrote.

        Args:
            message: as it came.
            partition: the table must hold its shares, in its order.
            port: of an address that names none.

        Raises:
            BadInputError: it is no table, or one of another partition.
        """
        wrong = f"the table is none of partition {partition.name}"
        try:
            found = {
                Share(str(one["role"]), int(one["part"])): tuple(
                    Address.parse(str(at), port) for at in one["addresses"]
                )
                for one in message["holders"]
            }
            table = cls(int(message["epoch"]), found)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"{wrong}: {error}", "both ends must run the same version") from None
        if table.shares != shares_of(partition) or table.epoch < 0:
            raise BadInputError(wrong, "initial and nodes must have been given the same model and partition")
        return table
