"""What comes in for one role: parts of frames, checked, joined and made into the arrays of its block (pure)."""

from __future__ import annotations

from harness.models.graph import FRAME
from harness.node.worker import Array
from harness.partition.codec import header_problem
from harness.partition.gather import Gather
from harness.partition.join import Join, Offer
from harness.partition.partition import Partition
from harness.partition.wire import Wire
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity

Payload = bytes | memoryview


class Intake:
    """The inputs of one role, for all parts of it that a node holds.

    Frames are joined by number and attempt: one that is sent again is computed again, because nobody knows whether
    the first result arrived. Where each part of the role reads something of its own, they are joined for each part.

    Args:
        partition: what is computed.
        role: whose inputs these are.
    """

    def __init__(self, partition: Partition, role: str) -> None:
        self.slots = partition.slots(role)
        found = partition.role(role)
        parts = range(found.parts) if found.cuts_inputs else [None]
        # Worked out once: every frame asks for them.
        self._parts = {tensor: partition.parts_of(tensor) for tensor in partition.inputs(role)}
        self._gathers = {to: Gather(partition, role, to or 0) for to in parts}
        self._message_bytes = {
            (message.tensor, message.part, to, wire): message.payload_bytes(wire)
            for to, gather in self._gathers.items()
            for message in gather.messages
            for wire in Wire
        }
        # By wire too: halves that were rounded in two ways are no frame that anybody sent.
        self._joins: dict[int | None, Join[tuple[int, int, Wire], Payload]] = {
            to: Join(gather.slots) for to, gather in self._gathers.items()
        }

    @property
    def waiting(self) -> int:
        """Frames that have some of their parts."""
        return sum(join.waiting for join in self._joins.values())

    def has(self, identity: Identity) -> bool:
        """Whether another part of this frame is here, so that taking this one makes room."""
        return self._joins[identity.to].has((identity.frame, identity.route.attempt, identity.wire))

    def check(self, identity: Identity, payload: Payload) -> None:
        """See that a message is one of this role's.

        Raises:
            RemoteError: another tensor, another part, another number of bytes, or a scale that is none.
        """
        key = identity.tensor, identity.part, identity.to, identity.wire
        expected = self._message_bytes.get(key)
        if expected is None or identity.parts != self._parts[identity.tensor]:
            gather = self._gathers.get(identity.to)
            slots = next(iter(self._gathers.values())).slots if gather is None else gather.slots
            to = "" if identity.to is None else f" to part {identity.to}"
            told = f"{identity.tensor} part {identity.part} of {identity.parts}{to}"
            raise RemoteError(f"expects {slots}, not {told}")
        if len(payload) != expected:
            raise RemoteError(f"expects {expected} bytes of {identity.tensor}, not {len(payload)} bytes")
        if identity.wire is Wire.UINT8 and identity.tensor != FRAME and (problem := header_problem(payload)):
            raise RemoteError(f"{identity.tensor} as uint8 {problem}")

    def offer(self, identity: Identity, payload: Payload, now_s: float) -> tuple[Offer, tuple[Array, ...]]:
        """Take a message that was checked; with `Offer.COMPLETE` come the inputs of the block."""
        key = (identity.frame, identity.route.attempt, identity.wire)
        join = self._joins[identity.to]
        offer = join.offer(key, (identity.tensor, identity.part), payload, now_s)
        if offer is not Offer.COMPLETE:
            return offer, ()
        return offer, self.assemble(join.take(key), identity.wire, identity.to)

    def assemble(self, payloads: list[Payload], wire: Wire, to: int | None = None) -> tuple[Array, ...]:
        """The inputs of a part's block, without batch axis, from the messages in slot order."""
        return self._gathers[to].assemble(payloads, wire)

    def abandon(self, begun_before_s: float) -> int:
        """Let go of frames whose first part came before a time; returns how many."""
        return sum(join.abandon(begun_before_s) for join in self._joins.values())
