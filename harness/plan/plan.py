"""Roles placed on addresses: which node computes what, and where a frame goes next (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.errors import BadInputError
from harness.farm.config import Address, FarmConfig
from harness.partition.partition import INITIAL, Partition

QUEUE_FRAMES = 64
"""Frames that a node holds at most, and so the most that a run may have in flight."""


@dataclass(frozen=True)
class Placement:
    """One node's share of the work.

    Attributes:
        address: where it listens.
        role: what it computes.
        part: which column slice of the role, of `parts`.
        replica: which of the `replicas` nodes that hold the same part.
    """

    address: Address
    role: str
    part: int
    parts: int
    replica: int
    replicas: int

    def __str__(self) -> str:
        part = f" part {self.part + 1} of {self.parts}" if self.parts > 1 else ""
        return f"{self.role}{part} at {self.address}"


@dataclass(frozen=True)
class Plan:
    """Everything that a run does, decided before it starts.

    Addresses of a role with parts are taken in part order: with two parts, the first address holds part 0, the
    second part 1, the third part 0 again. Every sender chooses the replica by the frame number, so that all
    parts of a frame meet at the same node without any of the senders talking to another.
    """

    partition: Partition
    farm: FarmConfig
    placements: tuple[Placement, ...]

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

    def ways(self, tensor: str, frame: int) -> list[tuple[str, Address]]:
        """Where a tensor of a frame goes: (role, address) for each message."""
        return [(role, address) for role, replicas in self._ways[tensor] for address in replicas[frame % len(replicas)]]

    @cached_property
    def _ways(self) -> dict[str, tuple[tuple[str, tuple[tuple[Address, ...], ...]], ...]]:
        """For each tensor that crosses a cut, and each role that needs it, the addresses for each replica."""
        tensors = [
            tensor
            for role in (INITIAL, *(r.name for r in self.partition.roles))
            for tensor in self.partition.outputs(role)
        ]
        return {
            tensor: tuple(
                (target, tuple(self.holders(target, replica) for replica in range(self._replicas(target))))
                for target in self.partition.targets(tensor)
            )
            for tensor in tensors
        }

    def _replicas(self, role: str) -> int:
        return 1 if role == INITIAL else self.partition.role(role).replicas

    def holders(self, role: str, frame: int) -> tuple[Address, ...]:
        """Where a tensor of a frame must go so that every part of a role gets it, in part order."""
        if role == INITIAL:
            return (self.farm.initial,)
        found = self.partition.role(role)
        replica = frame % found.replicas
        return tuple(self._holders[role, part, replica].address for part in range(found.parts))

    def describe(self) -> dict[str, Any]:
        """The plan as plain data, for records and for `--dry-run --json`."""
        graph = self.partition.graph
        return {
            "model": graph.name,
            "partition": self.partition.name,
            "devices": self.farm.devices,
            "initial": str(self.farm.initial),
            "bytes_per_frame": self.partition.frame_bytes,
            "nodes": [
                {
                    "address": str(node.address),
                    "role": node.role,
                    "part": node.part,
                    "parts": node.parts,
                    "replica": node.replica,
                    "layers": list(self.partition.role(node.role).layers),
                    "parameters": self.partition.parameters(node.role),
                    "macs": self.partition.macs(node.role),
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
    return Plan(partition, farm, tuple(placements))
