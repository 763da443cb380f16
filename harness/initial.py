"""The source and sink of a farm: it sends frames to the first role and takes the results of the last.

It only moves and stamps frames. When to send is decided by a load generator, what a result is worth by a check;
both are handed in, so that this file holds no clock but its own monotonic one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from harness.errors import FarmError
from harness.farm.config import INITIAL
from harness.models.graph import FRAME
from harness.partition.join import Join, Offer
from harness.plan.plan import Plan
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity
from harness.rpc.lane import Parcel
from harness.rpc.limits import Limits
from harness.rpc.outbox import Outbox
from harness.rpc.security import security_of
from harness.rpc.server import RpcServer

Payload = bytes | memoryview


class Initial:
    """Sends frames and receives results.

    Args:
        plan: where the first role's nodes are.
        model: fingerprint of the model that the nodes must hold.
        on_result: called on the event loop with (frame, result bytes, time on the monotonic clock) for every
            complete result, a repeated one too.
        on_failure: called on the event loop when a frame cannot be delivered.
    """

    def __init__(
        self,
        plan: Plan,
        model: str,
        on_result: Callable[[int, Payload, float], None],
        on_failure: Callable[[int, FarmError], None],
    ) -> None:
        self._plan = plan
        self._run = ""
        self._model = model
        self._on_result = on_result
        self._on_failure = on_failure
        security = security_of(plan.farm, plan.farm.initial.host)
        self._outbox = Outbox(security=security)
        self._slots = plan.partition.slots(INITIAL)
        self._result_bytes = plan.partition.message_bytes(plan.partition.graph.output)
        self._join: Join[Payload] = Join(self._slots)
        self._server = RpcServer(self, Limits.for_input(self._result_bytes), security)
        self.stale = 0
        """Results that belonged to another run, and were refused."""

    async def start(self) -> None:
        """Listen for results.

        Raises:
            BadInputError: the port of `initial` is taken or not of this machine.
        """
        await self._server.start((self._plan.farm.initial.host, self._plan.farm.initial.port))

    async def close(self) -> None:
        """Stop listening and sending."""
        await self._outbox.close()
        await self._server.close()

    def begin_run(self, run: str) -> None:
        """Send under this name, and take results of this run alone, from now on."""
        self._run = run
        # What came until now belongs to a run that was broken off, and no node will send any more of it.
        self.stale = 0

    def send(self, frame: int, image: bytes | memoryview) -> float:
        """Hand one frame to the network; returns the time on the monotonic clock at which that was."""
        tag = str(Identity(run=self._run, frame=frame, tensor=FRAME, part=0, parts=1, model=self._model))

        def done(error: FarmError | None) -> None:
            if error is not None:
                self._on_failure(frame, error)

        sent_s = time.monotonic()
        for role, address in self._plan.ways(FRAME, frame):
            self._outbox.put(address, Parcel(image, role, tag, done))
        return sent_s

    # Messages of the protocol

    def forward(self, input: Payload, next: str, tag: str) -> None:  # noqa: A002  the protocol's names
        """Take a result."""
        arrived_s = time.monotonic()
        identity = Identity.parse(tag)
        if next != INITIAL:
            raise RemoteError(f"initial at {self._plan.farm.initial} does not compute role {next}")
        if identity.run != self._run or identity.model != self._model:
            self.stale += 1
            raise RemoteError(f"result of run {identity.run} refused: this is run {self._run}")
        slot = (identity.tensor, identity.part)
        if not self._join.expects(slot) or len(input) != self._result_bytes:
            raise RemoteError(f"not a result: {identity.tensor} part {identity.part}, {len(input)} bytes")
        if self._join.is_finished(identity.frame):
            # Handed on so that it is counted: a farm that answers twice must show.
            self._on_result(identity.frame, input, arrived_s)
            return
        if self._join.offer(identity.frame, slot, input) is Offer.COMPLETE:
            self._on_result(identity.frame, b"".join(self._join.take(identity.frame)), arrived_s)

    def describe(self) -> dict[str, Any]:
        """Refused, as are the other messages: results come here, nothing is computed."""
        raise RemoteError(f"{self._plan.farm.initial} is the source and sink of a run, not a node")

    def environment(self) -> str:
        """Refused."""
        raise RemoteError(f"{self._plan.farm.initial} is the source and sink of a run, not a node")

    def begin(self, run: str) -> None:
        """Refused."""
        del run
        self.describe()

    def statistics(self, run: str) -> dict[str, Any]:
        """Refused."""
        del run
        return self.describe()

    def probe(self, input: bytes | memoryview) -> int:  # noqa: A002  the protocol's name
        """Answer the size of what came, to time the way."""
        return len(input)

    def stop(self, reason: str) -> None:
        """Refused: a run ends by itself."""
        del reason
        self.describe()
