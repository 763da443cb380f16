"""A layer graph cut into roles, and what travels between them (pure: no TensorFlow, no network).

A partition says which layers each role computes, into how many parts a role is cut for model parallelism and along
which axis, and how many nodes hold each part (replicas, data parallelism). Everything else follows from the graph:
which tensors cross a cut, which role needs which of them, in which order a join puts them together.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from harness.models.graph import FRAME, ModelGraph, Shape
from harness.partition.block import Block
from harness.partition.message import Message, meeting
from harness.partition.split import Box, Split, made_shape, own_box
from harness.partition.wire import Wire

INITIAL = "initial"
"""The source of frames and the sink of results."""


@dataclass(frozen=True)
class Role:
    """What one kind of node computes.

    Attributes:
        name: the paper's name, for example `block1` or `fc1`.
        layers: names of its layers, in topological order.
        parts: into how many its work is cut under model parallelism; 1 is none.
        replicas: nodes that hold each part under data parallelism.
        split: along which axis parts differ; stays as it is where there is one part.
    """

    name: str
    layers: tuple[str, ...]
    parts: int = 1
    replicas: int = 1
    split: Split = Split.COLUMNS

    @property
    def nodes(self) -> int:
        """Number of nodes that hold this role."""
        return self.parts * self.replicas

    @property
    def cuts_inputs(self) -> bool:
        """Whether each part reads something of its own of an input, and is sent that alone."""
        return self.parts > 1 and self.split in {Split.ROWS, Split.INPUT_CHANNELS}


@dataclass(frozen=True)
class Edge:
    """Messages of one size in which one role sends a tensor to another for every frame.

    Attributes:
        source: role that computes it, or `initial`.
        target: role that needs it, or `initial` for the result.
        tensor: its name in the graph.
        parts: different messages of this size; where parts differ in size there is an edge for each size.
        message_bytes: payload bytes of one of those messages.
        copies: messages with the same payload, one for each part of a target whose parts read the same.
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
            if role.parts == 1 and role.split is not Split.COLUMNS:
                raise ValueError(f"partition {self.name}: role {role.name} is split by {role.split} into one part")
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

    def messages(self, role: str, part: int = 0) -> tuple[Message, ...]:
        """Messages that make up one frame's input of a part of a role, in join order."""
        return self._messages[role, part if role != INITIAL and self.role(role).cuts_inputs else 0]

    def slots(self, role: str, part: int = 0) -> tuple[tuple[str, int], ...]:
        """What those messages hold: (tensor, part of it), in join order."""
        return tuple((message.tensor, message.part) for message in self.messages(role, part))

    def sent(self, tensor: str, part: int, target: str) -> tuple[Message, ...]:
        """Messages in which the maker of one part of a tensor sends it to a role; each to one part, or one to all."""
        return self._sent.get((tensor, part, target), ())

    def made_shape(self, tensor: str) -> Shape:
        """The shape in which parts of a tensor are put together; the picture where a split role flattens it."""
        if self.producer(tensor) == INITIAL:
            return self.graph.shape(tensor)
        role = self.role(self.producer(tensor))
        return made_shape(self.graph, tensor, role.parts, role.split)

    def is_sum(self, tensor: str) -> bool:
        """Whether the parts of a tensor are summands of it, still without the activation."""
        producer = self.producer(tensor)
        return (
            producer != INITIAL and self.role(producer).parts > 1 and self.role(producer).split is Split.INPUT_CHANNELS
        )

    def message_bytes(self, tensor: str, wire: Wire = Wire.F32, part: int = 0) -> int:
        """Payload bytes of one part of a tensor on its way to a role that takes all of it; frames go as they are."""
        whole = self.graph.output_bytes(tensor) // math.prod(self.graph.shape(tensor))
        own = whole * math.prod(self.message_shape(tensor, part))
        return own if tensor == FRAME else wire.payload_bytes(own)

    @property
    def largest_message_bytes(self) -> int:
        """Payload bytes of the largest message that any role takes, whatever the wire: a frame's tag chooses it."""
        found = [message for (role, _), messages in self._messages.items() if role != INITIAL for message in messages]
        return max(message.payload_bytes(wire) for message in found for wire in Wire)

    def message_shape(self, tensor: str, part: int = 0) -> Shape:
        """Shape of one part of a tensor."""
        return tuple(axis.stop - axis.start for axis in self._made_box(tensor, part))

    def block(self, role: str, part: int) -> Block:
        """What the holder of one part of a role computes."""
        found = self._blocks.get((role, part))
        if found is None:
            wanted = self.role(role)
            found = self._blocks[role, part] = Block(
                graph=self.graph,
                layers=wanted.layers,
                inputs=self.inputs(role),
                outputs=self.outputs(role),
                part=part,
                parts=wanted.parts,
                split=wanted.split,
            )
        return found

    @cached_property
    def _blocks(self) -> dict[tuple[str, int], Block]:
        return {}

    def _made_box(self, tensor: str, part: int) -> Box:
        """Which of a tensor a part of its producer makes, in its `made_shape`."""
        producer = self.producer(tensor)
        return own_box(self.graph.shape(tensor)) if producer == INITIAL else self.block(producer, part).box(tensor)

    @cached_property
    def _messages(self) -> dict[tuple[str, int], tuple[Message, ...]]:
        """(role, part) -> its input; a role whose parts read the same has one entry."""
        found = {}
        for role in (*(role.name for role in self.roles), INITIAL):
            cuts = role != INITIAL and self.role(role).cuts_inputs
            for to in range(self.role(role).parts if cuts else 1):
                found[role, to] = tuple(
                    message
                    for tensor in self.inputs(role)
                    for message in self._of_tensor(tensor, role, to if cuts else None)
                )
        return found

    def _of_tensor(self, tensor: str, role: str, to: int | None) -> list[Message]:
        shape = self.made_shape(tensor)
        read = own_box(shape) if to is None else self.block(role, to).box(tensor)
        found = []
        for part in range(self.parts_of(tensor)):
            made = self._made_box(tensor, part)
            both = meeting(made, read)
            if both is not None:
                found.append(Message(tensor, part, role, to, both, made, read, self.graph.dtype(tensor)))
        return found

    @cached_property
    def _sent(self) -> dict[tuple[str, int, str], tuple[Message, ...]]:
        found: dict[tuple[str, int, str], tuple[Message, ...]] = {}
        for messages in self._messages.values():
            for message in messages:
                key = message.tensor, message.part, message.role
                found[key] = (*found.get(key, ()), message)
        return found

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every tensor that crosses from one role to another, in topological order."""
        return tuple(
            Edge(role, target, tensor, parts=count, message_bytes=size, copies=copies)
            for role in (INITIAL, *(role.name for role in self.roles))
            for tensor in self.outputs(role)
            for target in self.targets(tensor)
            for copies in [1 if target == INITIAL or self.role(target).cuts_inputs else self.role(target).parts]
            for size, count in Counter(
                message.payload_bytes(Wire.F32 if target == INITIAL else self.wire)
                for part in range(self.parts_of(tensor))
                for message in self.sent(tensor, part, target)
            ).items()
        )

    @property
    def frame_bytes(self) -> int:
        """Payload bytes on all edges for one frame (before Avro and HTTP)."""
        return sum(edge.frame_bytes for edge in self.edges)

    def parameters(self, role: str) -> int:
        """Weights that one holder of a role keeps: of its largest part."""
        return max(self.block(role, part).parameters for part in range(self.role(role).parts))

    def macs(self, role: str) -> int:
        """Multiply-accumulates of one holder of a role for one frame: of its largest part."""
        return max(self.block(role, part).macs for part in range(self.role(role).parts))
