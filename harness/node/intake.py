"""What comes in for one role: parts of frames, checked, joined and made into the arrays of its block (pure)."""

from __future__ import annotations

import numpy as np

from harness.models.graph import FRAME
from harness.node.worker import Array
from harness.partition.codec import decode, header_problem
from harness.partition.join import Join, Offer
from harness.partition.partition import Partition
from harness.partition.wire import Wire
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity

Payload = bytes | memoryview


class Intake:
    """The inputs of one role, for all parts of it that a node holds.

    Frames are joined by number and attempt: one that is sent again is computed again, because nobody knows whether
    the first result arrived.

    Args:
        partition: what is computed.
        role: whose inputs these are.
    """

    def __init__(self, partition: Partition, role: str) -> None:
        self.slots = partition.slots(role)
        # Worked out once: every frame asks for them.
        self._parts = {tensor: partition.parts_of(tensor) for tensor, _ in self.slots}
        self._message_bytes = {
            (tensor, wire): partition.message_bytes(tensor, wire) for tensor in self._parts for wire in Wire
        }
        self._pieces = [
            (tensor, np.dtype(partition.graph.dtype(tensor)), partition.message_shape(tensor), self._parts[tensor])
            for tensor in partition.inputs(role)
        ]
        # By wire too: halves that were rounded in two ways are no frame that anybody sent.
        self._join: Join[tuple[int, int, Wire], Payload] = Join(self.slots)

    @property
    def waiting(self) -> int:
        """Frames that have some of their parts."""
        return self._join.waiting

    def has(self, identity: Identity) -> bool:
        """Whether another part of this frame is here, so that taking this one makes room."""
        return self._join.has((identity.frame, identity.route.attempt, identity.wire))

    def check(self, identity: Identity, payload: Payload) -> None:
        """See that a message is one of this role's.

        Raises:
            RemoteError: another tensor, another part, another number of bytes, or a scale that is none.
        """
        if identity.parts != self._parts.get(identity.tensor) or not self._join.expects(
            (identity.tensor, identity.part)
        ):
            raise RemoteError(f"expects {self.slots}, not {identity.tensor} part {identity.part} of {identity.parts}")
        expected = self._message_bytes[identity.tensor, identity.wire]
        if len(payload) != expected:
            raise RemoteError(f"expects {expected} bytes of {identity.tensor}, not {len(payload)} bytes")
        if identity.wire is Wire.UINT8 and identity.tensor != FRAME and (problem := header_problem(payload)):
            raise RemoteError(f"{identity.tensor} as uint8 {problem}")

    def offer(self, identity: Identity, payload: Payload, now_s: float) -> tuple[Offer, tuple[Array, ...]]:
        """Take a message that was checked; with `Offer.COMPLETE` come the inputs of the block."""
        key = (identity.frame, identity.route.attempt, identity.wire)
        offer = self._join.offer(key, (identity.tensor, identity.part), payload, now_s)
        return offer, self.assemble(self._join.take(key), identity.wire) if offer is Offer.COMPLETE else ()

    def abandon(self, begun_before_s: float) -> int:
        """Let go of frames whose first part came before a time; returns how many."""
        return self._join.abandon(begun_before_s)

    def assemble(self, payloads: list[Payload], wire: Wire) -> tuple[Array, ...]:
        """The block's inputs, without batch axis, from the messages in slot order."""
        inputs: list[Array] = []
        remaining = iter(payloads)
        for tensor, dtype, shape, parts in self._pieces:
            pieces: list[Array]
            if wire is Wire.F32 or tensor == FRAME:
                pieces = [np.frombuffer(next(remaining), dtype=dtype).reshape(shape) for _ in range(parts)]
            else:
                pieces = [decode(next(remaining), wire).reshape(shape) for _ in range(parts)]
            inputs.append(pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1))
        return tuple(inputs)
