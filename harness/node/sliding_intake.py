"""What comes in for one role by the protocol of 2018: joined in order of arrival, whatever frames it is of."""

from __future__ import annotations

from harness.emulate.published import SlidingWindow
from harness.node.intake import Intake, Payload
from harness.node.worker import Array
from harness.partition.join import Offer
from harness.partition.partition import Partition
from harness.rpc.identity import Identity

Windows = dict[tuple[str, int | None], SlidingWindow[Payload]]
"""By role, and by part where each reads something of its own; they outlive runs."""


class SlidingIntake(Intake):
    """The inputs of one role; each message completes another set.

    Args:
        partition: what is computed.
        role: whose inputs these are.
        windows: of the node.
    """

    def __init__(self, partition: Partition, role: str, windows: Windows) -> None:
        super().__init__(partition, role)
        self._role = role
        self._windows = windows

    def offer(self, identity: Identity, payload: Payload, now_s: float) -> tuple[Offer, tuple[Array, ...]]:
        """Take a message that was checked; `Offer.COMPLETE` as soon as there were ever enough."""
        del now_s
        key = self._role, identity.to
        if key not in self._windows:
            self._windows[key] = SlidingWindow(len(self.slots))
        latest = self._windows[key].offer(payload)
        if latest is None:
            return Offer.KEPT, ()
        return Offer.COMPLETE, self.assemble(latest, identity.wire, identity.to)
