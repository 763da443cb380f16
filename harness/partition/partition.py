"""A layer graph cut into roles, and what travels between them (pure: no TensorFlow, no network).

A partition says which layers each role computes, into how many column slices (parts) a role is cut for model
parallelism, and how many nodes hold each part (replicas, data parallelism). Everything else follows from the
graph: which tensors cross a cut, which role needs them, in which order a join puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from harness.models.graph import FRAME, ModelGraph
from harness.partition.block import Block
from harness.partition.wire import Wire

INITIAL = "initial"
"""The source of frames and the sink of results."""


@dataclass(frozen=True)
class Role:
    """What one kind of node computes.

    Attributes:
        name: the paper's name, for example `block1` or `fc1`.
        layers: names of its layers, in topological order.
        parts: column slices of its output under model parallelism; 1 is none.
        replicas: nodes that hold each part under data parallelism.
    """

    name: str
    layers: tuple[str, ...]
    parts: int = 1
    replicas: int = 1

    @property
    def nodes(self) -> int:
        """Number of nodes that hold this role."""
        return self.parts * self.replicas


@dataclass(frozen=True)
class Edge:
    """A tensor that one role sends to another for every frame.

    Attributes:
        source: role that computes it, or `initial`.
        target: role that needs it, or `initial` for the result.
        tensor: its name in the graph.
        parts: messages that it comes in (slices along the last axis, joined in part order).
        message_bytes: payload bytes of one of those messages.
        copies: messages with the same payload: every part of the target needs the whole tensor.
    """

    source: str
    target: str
    tensor: str
    parts: int
    message_bytes: int
    copies: int

    @property
    def frame_bytes(self) -> int:
        """Payload bytes on this edge for one frame."""
        return self.parts * self.message_bytes * self.copies


@dataclass(frozen=True)
class Partition:
    """A graph and its roles, in topological order.

    Attributes:
        name: the paper's name where it has one (`alexnet-5`), else model and device count.
        graph: the whole model.
        roles: every layer stands in exactly one of them.
        wire: how tensors travel from role to role; frames and results travel as they are.

    Raises:
        ValueError: on creation, when a layer is missing, stands twice, or comes before what it needs.
    """

    name: str
    graph: ModelGraph
    roles: tuple[Role, ...]
    wire: Wire = Wire.F32
    _by_name: dict[str, Role] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {role.name: role for role in self.roles})
        if len(self._by_name) != len(self.roles) or INITIAL in self._by_name:
            raise ValueError(f"partition {self.name}: role names must be unique and not '{INITIAL}'")
        placed = [layer for role in self.roles for layer in role.layers]
        if placed != [layer.name for layer in self.graph.layers]:
            raise ValueError(f"partition {self.name}: its layers are not those of {self.graph.name} in order")
        for role in self.roles:
            if role.parts < 1 or role.replicas < 1:
                raise ValueError(
                    f"partition {self.name}: role {role.name} has {role.parts} parts and {role.replicas} replicas"
                )
            for part in range(role.parts):
                self.block(role.name, part)

    @property
    def devices(self) -> int:
        """Number of devices, the initial included, as the paper counts them."""
        return 1 + sum(role.nodes for role in self.roles)

    def role(self, name: str) -> Role:
        """Look a role up by name (KeyError when there is none)."""
        return self._by_name[name]

    @cached_property
    def _producers(self) -> dict[str, str]:
        producers = {layer: role.name for role in self.roles for layer in role.layers}
        return {FRAME: INITIAL, **producers}

    def producer(self, tensor: str) -> str:
        """Name of the role that computes a tensor; `initial` for the frame."""
        return self._producers[tensor]

    def parts_of(self, tensor: str) -> int:
        """Number of messages in which a tensor comes."""
        producer = self.producer(tensor)
        return 1 if producer == INITIAL else self.role(producer).parts

    def inputs(self, role: str) -> tuple[str, ...]:
        """Tensors that a role needs from others, in the order in which it takes them."""
        if role == INITIAL:
            return (self.graph.output,)
        layers = self.role(role).layers
        needed = [tensor for name in layers for tensor in self.graph.layer(name).inputs]
        return tuple(dict.fromkeys(tensor for tensor in needed if tensor not in layers))

    def outputs(self, role: str) -> tuple[str, ...]:
        """Tensors that others need from a role, in topological order."""
        if role == INITIAL:
            return (FRAME,)
        layers = self.role(role).layers
        return tuple(
            name
            for name in layers
            if name == self.graph.output or any(user not in layers for user in self.graph.consumers(name))
        )

    def targets(self, tensor: str) -> tuple[str, ...]:
        """Roles that need a tensor from another role, in order; the result goes to `initial`."""
        producer = self.producer(tensor)
        roles = [self.producer(user) for user in self.graph.consumers(tensor)]
        found = tuple(dict.fromkeys(role for role in roles if role != producer))
        return (*found, INITIAL) if tensor == self.graph.output else found

    def slots(self, role: str) -> tuple[tuple[str, int], ...]:
        """Messages that make up one frame's input of a role: (tensor, part), in join order."""
        return tuple((tensor, part) for tensor in self.inputs(role) for part in range(self.parts_of(tensor)))

    def message_bytes(self, tensor: str, wire: Wire = Wire.F32) -> int:
        """Payload bytes of one message of a tensor (one part of it) on its way to a role; a frame is sent as it is."""
        whole = self.graph.output_bytes(tensor) // self.parts_of(tensor)
        return whole if tensor == FRAME else wire.payload_bytes(whole)

    @property
    def largest_message_bytes(self) -> int:
        """Payload bytes of the largest message that any role takes, whatever the wire: a frame's tag chooses it."""
        tensors = {tensor for role in self.roles for tensor, _ in self.slots(role.name)}
        return max(self.message_bytes(tensor, wire) for tensor in tensors for wire in Wire)

    def message_shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of one message of a tensor: its last axis is cut by the number of parts."""
        *outer, columns = self.graph.shape(tensor)
        return (*outer, columns // self.parts_of(tensor))

    def block(self, role: str, part: int) -> Block:
        """What the holder of one part of a role computes."""
        found = self.role(role)
        return Block(
            graph=self.graph,
            layers=found.layers,
            inputs=self.inputs(role),
            outputs=self.outputs(role),
            part=part,
            parts=found.parts,
        )

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every tensor that crosses from one role to another, in topological order."""
        return tuple(
            Edge(
                source=role,
                target=target,
                tensor=tensor,
                parts=self.parts_of(tensor),
                message_bytes=self.message_bytes(tensor, Wire.F32 if target == INITIAL else self.wire),
                copies=1 if target == INITIAL else self.role(target).parts,
            )
            for role in (INITIAL, *(role.name for role in self.roles))
            for tensor in self.outputs(role)
            for target in self.targets(tensor)
        )

    @property
    def frame_bytes(self) -> int:
        """Payload bytes on all edges for one frame (before Avro and HTTP)."""
        return sum(edge.frame_bytes for edge in self.edges)

    def parameters(self, role: str) -> int:
        """Weights that one holder of a role keeps."""
        return self.block(role, 0).parameters

    def macs(self, role: str) -> int:
        """Multiply-accumulates of one holder of a role for one frame."""
        return self.block(role, 0).macs
