"""The messages of one frame put together again: side by side, or added up (pure: arrays and bytes, no network).

Parts by input channels send summands without the activation; the first of them holds the bias. Whoever takes them
adds them in part order, whatever the order of arrival, and then applies the activation, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.models.graph import FRAME, Shape
from harness.partition.codec import decode
from harness.partition.message import Message
from harness.partition.partition import INITIAL, Partition
from harness.partition.wire import Wire

Array = npt.NDArray[Any]
Payload = bytes | memoryview


class Gather:
    """Makes the inputs of one part of a role, without batch axis.

    Args:
        partition: what is computed.
        role: whose inputs; `initial` takes the result.
        part: which part, where each reads something of its own.
    """

    def __init__(self, partition: Partition, role: str, part: int = 0) -> None:
        self.messages = partition.messages(role, part)
        self.slots = partition.slots(role, part)
        self._tensors = [
            _Tensor(partition, tensor, list(messages), own_shape=partition.graph.shape(tensor))
            for tensor, messages in groupby(self.messages, key=lambda message: message.tensor)
        ]
        self._encoded = role != INITIAL

    def assemble(self, payloads: Sequence[Payload], wire: Wire) -> tuple[Array, ...]:
        """One array for each input tensor, from the payloads in the order of `slots`; results come as float32."""
        remaining = iter(payloads)
        found = []
        for tensor in self._tensors:
            pieces = [self._values(message, next(remaining), wire) for message in tensor.messages]
            found.append(tensor.join(pieces))
        return tuple(found)

    def _values(self, message: Message, payload: Payload, wire: Wire) -> Array:
        if wire is Wire.F32 or message.tensor == FRAME or not self._encoded:
            return np.frombuffer(payload, dtype=message.dtype).reshape(message.shape)
        return decode(payload, wire).reshape(message.shape)


def cut_out(message: Message, whole: Payload) -> Payload:
    """What a message holds of a tensor that lies in memory as its sender makes it; rows are not copied."""
    if message.cutout is None:
        return whole
    shape = [axis.stop - axis.start for axis in message.made]
    array = np.frombuffer(whole, dtype=message.dtype).reshape(shape)[message.cutout]
    return np.ascontiguousarray(array).data.cast("B")


class _Tensor:
    """How the messages of one tensor become one array."""

    def __init__(self, partition: Partition, name: str, messages: list[Message], own_shape: Shape) -> None:
        self.messages = messages
        self._shape = messages[0].read_shape
        whole = self._shape == partition.made_shape(name)
        # A picture that its makers flattened becomes the vector that the graph knows.
        self._given = own_shape if whole else self._shape
        self._sum = partition.is_sum(name)
        self._relu = self._sum and getattr(partition.graph.layer(name), "activation", "") == "relu"

    def join(self, pieces: Sequence[Array]) -> Array:
        """The array, from what the messages hold, in their order."""
        if self._sum:
            total: Array = np.add(pieces[0], pieces[1])
            for piece in pieces[2:]:
                total += piece
            if self._relu:
                np.maximum(total, 0, out=total)
            return total
        if len(pieces) == 1:
            return pieces[0].reshape(self._given)
        joined = np.empty(self._shape, pieces[0].dtype)
        for message, piece in zip(self.messages, pieces, strict=True):
            joined[message.place] = piece
        return joined.reshape(self._given)
