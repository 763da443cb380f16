"""One message of a tensor on its way from part to part: which values it holds, and where they belong (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from harness.models.graph import FRAME, DType, Shape
from harness.partition.split import Box
from harness.partition.wire import F32_BYTES, Wire


@dataclass(frozen=True)
class Message:
    """What one part of a tensor's producer sends to a role: only what is read there.

    Attributes:
        tensor: its name in the graph.
        part: which part of its producer sends.
        role: who takes it; `initial` for the result.
        to: which part of the role alone takes it; None where all parts read the same.
        box: which of the tensor it holds.
        made: which of the tensor the sender makes.
        read: which of the tensor the receiver takes, of all messages together.
        dtype: of the tensor.
    """

    tensor: str
    part: int
    role: str
    to: int | None
    box: Box
    made: Box
    read: Box
    dtype: DType

    @cached_property
    def shape(self) -> Shape:
        """Shape of what it holds."""
        return _shape(self.box)

    @cached_property
    def read_shape(self) -> Shape:
        """Shape of what the receiver takes, of all messages together."""
        return _shape(self.read)

    @cached_property
    def cutout(self) -> Box | None:
        """Where what it holds lies in the sender's array; None where it is the whole array."""
        return None if self.box == self.made else _within(self.box, self.made)

    @cached_property
    def place(self) -> Box:
        """Where what it holds lies in the receiver's array."""
        return _within(self.box, self.read)

    def payload_bytes(self, wire: Wire) -> int:
        """Bytes of its payload; a frame travels as it is."""
        values = math.prod(self.shape)
        if self.tensor == FRAME:
            return values * (1 if self.dtype == "uint8" else F32_BYTES)
        return wire.payload_bytes(values * F32_BYTES)


def meeting(one: Box, other: Box) -> Box | None:
    """What two boxes of a tensor have in common; None for nothing."""
    found = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return found if all(axis.start < axis.stop for axis in found) else None


def _shape(box: Box) -> Shape:
    return tuple(axis.stop - axis.start for axis in box)


def _within(box: Box, outer: Box) -> Box:
    return tuple(
        slice(axis.start - around.start, axis.stop - around.start) for axis, around in zip(box, outer, strict=True)
    )
