"""The source and sink of a farm: it sends frames to the first role and takes the results of the last.

It only moves and stamps frames. When to send is decided by a load generator, over which devices and whether again by
the dispatcher, what a result is worth by a check; this file holds no clock but its own monotonic one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from harness.dispatch import Arrival, Dispatcher, Send
from harness.emulate.farm import EmulatedFarm
from harness.emulate.links import Outgoing
from harness.errors import FarmError
from harness.farm.config import INITIAL, Address
from harness.models.graph import FRAME
from harness.partition.gather import Gather, cut_out
from harness.partition.join import Join, Offer
from harness.partition.wire import Wire
from harness.plan.plan import Plan
from harness.plan.table import Share, Table
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity, Route
from harness.rpc.lane import Parcel
from harness.rpc.limits import Limits
from harness.rpc.outbox import Outbox
from harness.rpc.security import security_of
from harness.rpc.server import RpcServer

Payload = bytes | memoryview

_ACCOUNT_FRAMES = 4096
"""Frames back for so long are forgotten by the dispatcher; the ledger of the run keeps every one."""


class Initial:
    """Sends frames and receives results.

    Args:
        plan: where the nodes are.
        model: fingerprint of the model that the nodes must hold.
        on_result: called on the event loop with (frame, result bytes, time on the monotonic clock) for every
            complete result that counts, a repeated one too; not for one that is late because the frame was sent
            again, which `late` counts.
        on_failure: called on the event loop when a frame cannot be delivered.
        on_member: called with an address and whether it is to be used, when somebody asks for it; raises RemoteError
            where that cannot be.
        watch: gives the state of the run as plain data.
        farm: whose network is imitated; None sends at once.
    """

    def __init__(
        self,
        plan: Plan,
        model: str,
        on_result: Callable[[int, Payload, float], None],
        on_failure: Callable[[int, FarmError], None],
        on_member: Callable[[str, bool], None] | None = None,
        watch: Callable[[], dict[str, Any]] | None = None,
        farm: EmulatedFarm | None = None,
    ) -> None:
        self._plan = plan
        self._run = ""
        self._model = model
        self._on_result = on_result
        self._on_failure = on_failure
        self._on_member = on_member
        self._watch = watch
        security = security_of(plan.farm, plan.farm.initial.host)
        outbox = Outbox(security=security)
        self._links = None if farm is None else farm.links(outbox, plan.farm.initial)
        self._outbox: Outgoing = self._links or outbox
        self._gather = Gather(plan.partition, INITIAL)
        first_roles = plan.partition.targets(FRAME)
        self._first = [message for role in first_roles for message in plan.partition.sent(FRAME, 0, role)]
        self._result_bytes = {
            (message.tensor, message.part): message.payload_bytes(Wire.F32) for message in self._gather.messages
        }
        self._server = RpcServer(self, Limits.for_input(max(self._result_bytes.values())), security)
        self._images: dict[int, Payload] = {}
        self._begin(plan.table, math.inf)
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

    def begin_run(self, run: str, table: Table | None = None, deadline_s: float = math.inf) -> None:
        """Send under this name, and take results of this run alone, from now on.

        Args:
            run: its name.
            table: by which frames are sent; None is the plan's.
            deadline_s: after so long a frame is sent again; without end it never is.
        """
        self._run = run
        if self._links is not None:
            self._links.begin(run)
        self._begin(table or self._plan.table, deadline_s)
        # What came until now belongs to a run that was broken off, and no node will send any more of it.
        self.stale = 0

    def _begin(self, table: Table, deadline_s: float) -> None:
        self._dispatcher = Dispatcher(table, deadline_s)
        self._join: Join[tuple[int, int], Payload] = Join(self._gather.slots)
        self._images.clear()
        run, wire = self._run or "none", self._plan.partition.wire
        about = Identity(run, 0, FRAME, part=0, parts=1, model=self._model, wire=wire)
        self._tags_of = [replace(about, to=message.to).tags() for message in self._first]

    @property
    def dispatcher(self) -> Dispatcher:
        """The account of frames under way."""
        return self._dispatcher

    def send(self, frame: int, image: Payload) -> float:
        """Hand one frame to the network; returns the time on the monotonic clock at which that was."""
        sent_s = time.monotonic()
        self._images[frame] = image
        self._post(self._dispatcher.offer(frame, sent_s))
        if frame % _ACCOUNT_FRAMES == 0:
            self._dispatcher.forget(frame - _ACCOUNT_FRAMES)
        return sent_s

    def change(self, table: Table, finishing: Collection[Address] = ()) -> None:
        """Send by a new table from now on; frames under way over a device that is gone are sent again."""
        self._outbox.keep(table.devices.union(finishing))
        for send in self._dispatcher.change(table, time.monotonic(), finishing):
            self._post(send)

    def send_due(self) -> None:
        """Send again what is overdue, as far as the budget allows."""
        for send in self._dispatcher.due(time.monotonic()):
            self._post(send)

    def _post(self, send: Send) -> None:
        frame, route = send.frame, Route(send.attempt, send.epoch, send.way)

        def done(error: FarmError | None) -> None:
            if error is not None:
                self._on_failure(frame, error)

        table = self._dispatcher.table
        image = self._images[frame]
        for message, tag_of in zip(self._first, self._tags_of, strict=True):
            payload, tag = cut_out(message, image), tag_of(frame, route)
            target = message.role if message.to is None else Share(message.role, message.to)
            for address in table.next_stops(target, send.way):
                self._outbox.put(address, Parcel(payload, message.role, tag, done))

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
        if identity.wire is not self._plan.partition.wire:
            raise RemoteError(f"frames of this run travel as {self._plan.partition.wire}, not as {identity.wire}")
        if len(input) != self._result_bytes.get(slot):
            raise RemoteError(f"not a result: {identity.tensor} part {identity.part}, {len(input)} bytes")
        key = (identity.frame, identity.route.attempt)
        if self._join.is_finished(key):
            # Handed on so that it is counted: a farm that answers twice must show.
            self._on_result(identity.frame, input, arrived_s)
        elif self._join.offer(key, slot, input, arrived_s) is Offer.COMPLETE:
            payloads = self._join.take(key)
            if self._dispatcher.arrived(*key) is not Arrival.LATE:
                self._images.pop(identity.frame, None)
                if len(payloads) > 1:
                    (result,) = self._gather.assemble(payloads, Wire.F32)
                    payloads = [result.data.cast("B")]
                self._on_result(identity.frame, payloads[0], arrived_s)

    def join(self, address: str) -> None:
        """Put the device at an address to use."""
        self._member(address, wanted=True)

    def leave(self, address: str) -> None:
        """Do without the device at an address."""
        self._member(address, wanted=False)

    def _member(self, address: str, *, wanted: bool) -> None:
        if self._on_member is None:
            raise RemoteError("this run keeps the farm that it began with: start it with --adapt")
        self._on_member(address, wanted)

    def watch(self) -> str:
        """The state of the run."""
        if self._watch is None:
            raise RemoteError("this run has nothing to watch")
        return json.dumps(self._watch())

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

    def seat(self, run: str, table: dict[str, Any]) -> None:
        """Refused."""
        del run, table
        self.describe()

    def state(self) -> dict[str, Any]:
        """Refused."""
        return self.describe()

    def stop(self, reason: str) -> None:
        """Refused: a run ends by itself."""
        del reason
        self.describe()
