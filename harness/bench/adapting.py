"""A farm that changes during a run: beats, the next table, and the moment at which it comes into force."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.bench.seating import ANSWER_S, Seating, shares_held
from harness.errors import BadInputError, FarmError
from harness.farm.config import NODE_PORT, Address
from harness.farm.key_folder import require_trust
from harness.initial import Initial
from harness.membership import Membership
from harness.plan.assign import assign
from harness.plan.cores import share_costs_s
from harness.plan.plan import Plan
from harness.plan.table import Share, Table
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, RemoteError, RpcError
from harness.rpc.security import security_of

BEAT_S = 0.25
"""Time between two questions to a device; one that is not answered for so long is missed."""
_COMPLAINTS = 2
_LOOK_S = 0.02
_TICK_S = 0.05


@dataclass(frozen=True)
class Change:
    """A table that came into force.

    Attributes:
        at_s: when, on the monotonic clock.
        why: what had happened.
        table: who holds what from then on.
    """

    at_s: float
    why: str
    table: Table

    def describe(self, begun_s: float) -> dict[str, Any]:
        """As plain data, clocked from the first send."""
        holders = {str(share): [str(one) for one in found] for share, found in self.table.holders.items()}
        return {"epoch": self.table.epoch, "at_s": self.at_s - begun_s, "why": self.why, "holders": holders}


class Adapting:
    """Keeps a farm at work while its devices come and go.

    Args:
        plan: the farm as it is described.
        expected: share -> fingerprint that its block must have.
        initial: is told of each new table.
        down: devices that did not answer before the run.
        say: is told what changes, one line each.
    """

    def __init__(
        self,
        plan: Plan,
        expected: Mapping[Share, str],
        initial: Initial,
        down: frozenset[Address],
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._security = security_of(plan.farm)
        self._initial = initial
        self._say = say
        spares = tuple(node.address for node in plan.spares)
        planned = tuple(node.address for node in plan.placements if not node.spare)
        self.membership = Membership(planned, spares)
        for address in down:
            self.membership.gone(address)
        self.table = plan.table
        self.changes: list[Change] = []
        self.states: dict[Address, dict[str, Any]] = {}
        self._costs_s = share_costs_s(plan)
        self._run = ""
        self._served: dict[Address, str] = {}
        self._beginning: set[Address] = set()
        self._anew: set[Address] = set()
        self._complaints: dict[Address, int] = {}
        self._epoch = self.table.epoch
        self._loop = asyncio.get_running_loop()
        self._clients: dict[Address, RpcClient] = {}
        self._seating = Seating(self.membership, self._client, expected, say)
        self._tasks = [self._loop.create_task(self._beat(address)) for address in self.membership.addresses]
        self._tasks += [self._loop.create_task(task) for task in (self._reseat(), self._send_again())]

    async def until_broken(self) -> FarmError:
        """Wait for a defect in what keeps the farm at work, for ever if need be, and give it as an error."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return FarmError(f"the farm is not watched any more: {done.pop().exception()!r}", "please report this")

    async def close(self) -> None:
        """Ask and change nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def begin(self, run: str) -> None:
        """Start a run on all that answer; the table stays the one in force."""
        self._run = run
        # The table that the run begins with belongs to its record, too.
        self.changes = self.changes[-1:]
        alive = [address for address in self.membership.addresses if self.membership.alive(address)]
        await asyncio.gather(*(self._begin_on(address) for address in alive))

    def member(self, text: str, wanted: bool) -> None:
        """Use a device, or do without it.

        Raises:
            RemoteError: no address, one that the farm does not know, or one on a network without keys.
        """
        try:
            address = Address.parse(text, NODE_PORT)
        except ValueError as error:
            raise RemoteError(str(error)) from None
        known = address in self.membership.addresses
        if wanted:
            try:
                require_trust(self._plan.farm, address.host)
            except BadInputError as error:
                raise RemoteError(str(error)) from None
            self.membership.join(address)
            if not known:
                self._tasks.append(self._loop.create_task(self._beat(address)))
        elif known:
            others = [one for one in self.membership.addresses if one != address]
            if not any(self.membership.alive(one) and not self.membership.left(one) for one in others):
                raise RemoteError(f"{address} is the last device that computes: let another one join first")
            self.membership.leave(address)
        else:
            raise RemoteError(f"{address} is no device of this farm")

    async def statistics(self, run: str) -> dict[Address, dict[str, Any]]:
        """Counters of all devices that answer."""
        found = {}
        for address in self.membership.addresses:
            with contextlib.suppress(RpcError, RemoteError):
                found[address] = await self._client(address).call("statistics", {"run": run}, timeout_s=ANSWER_S)
        return found

    def _client(self, address: Address) -> RpcClient:
        if address not in self._clients:
            self._clients[address] = RpcClient(
                address.host, address.port, connect_timeout_s=ANSWER_S, security=self._security
            )
        return self._clients[address]

    async def _begin_on(self, address: Address) -> None:
        """Start the run on a device that does not serve it, and hand it the table in force."""
        client, run, table = self._client(address), self._run, self.table
        self._beginning.add(address)
        try:
            await client.call("begin", {"run": run}, timeout_s=ANSWER_S)
            if table.epoch:
                await client.call("seat", {"run": run, "table": table.to_message()}, timeout_s=ANSWER_S)
        except (RpcError, RemoteError):
            return  # the next beat tells what became of it
        finally:
            self._beginning.discard(address)
        self._served[address] = run

    async def _beat(self, address: Address) -> None:
        client = RpcClient(address.host, address.port, connect_timeout_s=BEAT_S, security=self._security)
        try:
            while True:
                begun_s = time.monotonic()
                await self._ask(address, client)
                await asyncio.sleep(max(0.0, begun_s + BEAT_S - time.monotonic()))
        finally:
            await client.close()

    async def _ask(self, address: Address, client: RpcClient) -> None:
        members = self.membership
        try:
            state = await client.call("state", {}, timeout_s=1.5 * BEAT_S)
        except PeerTimeoutError:
            members.missed(address, time.monotonic())
            return
        except (RpcError, RemoteError):
            members.gone(address)
            return
        if state["run"] == self._run or not self._run:
            self.states[address] = state
            members.answered(address, time.monotonic())
            self._look_for_cuts(address, state["unreachable"])
        elif address not in self._beginning:
            if self._served.pop(address, "") == self._run:
                # Started anew since: what it held is lost, and it knows neither run nor table.
                members.gone(address)
                self._anew |= {address} & self.table.devices
            await self._begin_on(address)

    def _look_for_cuts(self, address: Address, unreachable: list[str]) -> None:
        """A device that does not reach another one, which we do reach, is no use beside it: another takes its place."""
        cut = [str(one) for one in self.membership.addresses if str(one) in unreachable and self.membership.sound(one)]
        self._complaints[address] = self._complaints.get(address, 0) + 1 if cut else 0
        if self._complaints[address] >= _COMPLAINTS and address in self.table.devices:
            self._say(f"{address} does not reach {', '.join(cut)}")
            self._complaints[address] = 0
            self.membership.gone(address)

    async def _send_again(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._initial.send_due()

    async def _reseat(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            now_s = time.monotonic()
            chosen = self.membership.chosen(self.table.devices, now_s)
            anew = frozenset(self._anew)
            if not chosen or not self._run or (set(chosen) == self.table.devices and not anew):
                continue
            self._epoch += 1
            run = self._run
            table = replace(assign(self._costs_s, chosen, self.table), epoch=self._epoch)
            why = self._why(table, anew)
            held = {address: set(shares_held(state)) for address, state in self.states.items()}
            if await self._seating.ready(table, run, held) and run == self._run:
                finishing = [one for one in self.table.devices - table.devices if self.membership.alive(one)]
                self.table = table
                self._anew -= anew
                self._initial.change(table, finishing)
                self.changes.append(Change(time.monotonic(), why, table))
                self._say(f"epoch {table.epoch}: {why}")

    def _why(self, table: Table, anew: frozenset[Address]) -> str:
        gone = sorted(self.table.devices - table.devices)
        come = sorted(table.devices - self.table.devices)
        texts = [f"{one} {'left' if self.membership.left(one) else 'is gone'}" for one in gone]
        # Nobody else could do its work: the same table again, so that the record tells of it.
        texts += [f"{one} was started anew" for one in sorted(anew & table.devices)]
        return ", ".join(texts + [f"{one} takes its place" if gone else f"{one} joined" for one in come])
