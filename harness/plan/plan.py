"""Roles placed on addresses: which node computes what, and where a frame goes next (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.errors import BadInputError
from harness.farm.config import SPARE, Address, FarmConfig
from harness.partition.partition import INITIAL, Partition
from harness.partition.split import Split
from harness.partition.wire import Wire
from harness.plan.table import Table, shares_of

QUEUE_FRAMES = 64
"""Frames that a node holds at most, and so the most that a run may have in flight."""


@dataclass(frozen=True)
class Placement:
    """One node's share of the work.

    Attributes:
        address: where it listens.
        role: what it computes; "spare" for nothing until somebody fails.
        part: which part of the role, of `parts`.
        replica: which of the `replicas` nodes that hold the same part.
    """

    address: Address
    role: str
    part: int
    parts: int
    replica: int
    replicas: int

    @property
    def spare(self) -> bool:
        """Whether it stands ready for every role, and has none of its own."""
        return self.role == SPARE

    def __str__(self) -> str:
        part = f" part {self.part + 1} of {self.parts}" if self.parts > 1 else ""
        return f"{self.role}{part} at {self.address}"


@dataclass(frozen=True)
class Plan:
    """Everything that a run does, decided before it starts.

    Addresses of a role with parts are taken in part order: with two parts, the first address holds part 0, the
    second part 1, the third part 0 again.
    """

    partition: Partition
    farm: FarmConfig
    placements: tuple[Placement, ...]

    @property
    def spares(self) -> tuple[Placement, ...]:
        """Those that stand ready."""
        return tuple(node for node in self.placements if node.spare)

    @cached_property
    def _holders(self) -> dict[tuple[str, int, int], Placement]:
        return {(node.role, node.part, node.replica): node for node in self.placements}

    def at(self, address: Address) -> Placement:
        """The placement at an address.

        Raises:
            BadInputError: the farm has no node there.
        """
        for placement in self.placements:
            if placement.address == address:
                return placement
        raise BadInputError(
            f"farm {self.farm.source} has no node at {address}",
            "its nodes are " + ", ".join(str(placement.address) for placement in self.placements),
        )

    @cached_property
    def table(self) -> Table:
        """Who holds what at the start of every run: epoch 0."""
        shares = shares_of(self.partition)
        own = {share: [node for node in self.placements if (node.role, node.part) == share] for share in shares}
        return Table(0, {share: tuple(node.address for node in nodes) for share, nodes in own.items()})

    def holders(self, role: str, frame: int) -> tuple[Address, ...]:
        """Where a tensor of a frame goes when senders take turns by its number: one device per part, in part order."""
        if role == INITIAL:
            return (self.farm.initial,)
        found = self.partition.role(role)
        replica = frame % found.replicas
        return tuple(self._holders[role, part, replica].address for part in range(found.parts))

    def _split(self, node: Placement) -> dict[str, str]:
        """How a node's role is cut; nothing for what has always been cut by columns."""
        split = Split.COLUMNS if node.spare else self.partition.role(node.role).split
        return {} if split is Split.COLUMNS else {"split": split.value}

    def describe(self) -> dict[str, Any]:
        """The plan as plain data, for records and for `--dry-run --json`."""
        graph = self.partition.graph
        return {
            "model": graph.name,
            "partition": self.partition.name,
            "devices": self.farm.devices,
            "initial": str(self.farm.initial),
            "bytes_per_frame": self.partition.frame_bytes,
            **({} if self.partition.wire is Wire.F32 else {"wire": self.partition.wire.value}),
            "nodes": [
                {
                    "address": str(node.address),
                    "role": node.role,
                    "part": node.part,
                    "parts": node.parts,
                    **self._split(node),
                    "replica": node.replica,
                    "layers": [] if node.spare else list(self.partition.role(node.role).layers),
                    "parameters": 0 if node.spare else self.partition.block(node.role, node.part).parameters,
                    "macs": 0 if node.spare else self.partition.block(node.role, node.part).macs,
                }
                for node in self.placements
            ],
            "edges": [
                {
                    "from": edge.source,
                    "to": edge.target,
                    "tensor": edge.tensor,
                    "messages_per_frame": edge.parts * edge.copies,
                    "message_bytes": edge.message_bytes,
                }
                for edge in self.partition.edges
            ],
        }


def make_plan(partition: Partition, farm: FarmConfig) -> Plan:
    """Place a partition on a farm.

    Raises:
        BadInputError: the farm has another number of addresses for a role than the partition has nodes.
    """
    placements = []
    for role in partition.roles:
        addresses = farm.node_roles.get(role.name, ())
        if len(addresses) != role.nodes:
            raise BadInputError(
                f'farm {farm.source} has {len(addresses)} addresses for "{role.name}"',
                f"partition {partition.name} needs {role.nodes}",
            )
        placements += [
            Placement(
                address=address,
                role=role.name,
                part=index % role.parts,
                parts=role.parts,
                replica=index // role.parts,
                replicas=role.replicas,
            )
            for index, address in enumerate(addresses)
        ]
    count = len(farm.spares)
    placements += [Placement(address, SPARE, 0, 1, number, count) for number, address in enumerate(farm.spares)]
    return Plan(partition, farm, tuple(placements))
