"""Which shares of the work a node holds: by which table, and with which blocks loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from harness.farm.config import Address
from harness.node.worker import Array
from harness.plan.table import Share, Table, Way
from harness.rpc.errors import RemoteError
from harness.rpc.identity import Identity

_TABLES = 16
"""Tables that are kept: frames of the latest ones may still be under way."""
_WAYS = 4096
"""Ways that are remembered for each node."""


class ComputedBlock(Protocol):
    """A loaded block: arrays in, arrays out, without the batch axis."""

    fingerprint: str

    def __call__(self, *inputs: Any) -> tuple[Array, ...]:
        """Compute one frame."""
        ...


class Stop(NamedTuple):
    """What a node does with a frame of one role on one way.

    Attributes:
        shares: what it computes of the role.
        next_stops: role, or each part of one whose parts read different things -> devices that need the outputs;
            holds no entry for the initial.
    """

    shares: tuple[Share, ...]
    next_stops: Mapping[str | Share, tuple[Address, ...]]

    def takers(self, identity: Identity) -> tuple[Share, ...]:
        """The shares that a message is for: where parts read different things, it is for one of them.

        Raises:
            RemoteError: it is for none of these.
        """
        found = tuple(share for share in self.shares if identity.to in (None, share.part))
        if not found:
            raise RemoteError(f"does not compute part {identity.to} of role {self.shares[0].role}")
        return found


class Seats:
    """Tables and blocks of one node; used on the event loop, blocks are loaded on a thread beside it.

    Args:
        address: of this node, as it stands in the tables.
        table: of the plan, in force at the start of every run.
        blocks: what is loaded from the start.
        load: builds the block of a share; may take seconds.
        targets: role -> roles that need one of its outputs, without the initial; shares in place of a role whose
            parts read different things.
    """

    def __init__(
        self,
        address: Address,
        table: Table,
        blocks: Mapping[Share, ComputedBlock],
        load: Callable[[Share], ComputedBlock],
        targets: Mapping[str, tuple[str | Share, ...]],
    ) -> None:
        self._address = address
        self._first = table
        self._blocks = dict(blocks)
        self._load = load
        self._targets = targets
        self._loading: dict[Share, Future[ComputedBlock]] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._tables: dict[int, Table] = {}
        self._stops: dict[tuple[int, Way | int, str], Stop] = {}
        self.error = ""
        """Why a block of the latest table could not be loaded; empty where none failed."""
        self.begin()

    def begin(self) -> None:
        """A run starts: the plan's table alone is in force again."""
        self._tables = {self._first.epoch: self._first}
        self._stops.clear()

    def close(self) -> None:
        """Load no more."""
        self._loader.shutdown(wait=False, cancel_futures=True)

    def seat(self, table: Table) -> None:
        """Take a table, and begin to load what it asks of this node."""
        self._tables[table.epoch] = table
        for epoch in sorted(self._tables)[:-_TABLES]:
            del self._tables[epoch]
        self._stops.clear()
        self.error = ""
        for share in table.held_by(self._address):
            if share not in self._blocks and share not in self._loading:
                self._loading[share] = self._loader.submit(self._load, share)

    @property
    def epoch(self) -> int:
        """The latest table for which everything is loaded."""
        self._gather()
        return max(
            (
                epoch
                for epoch, table in self._tables.items()
                if self._blocks.keys() >= set(table.held_by(self._address))
            ),
            default=-1,
        )

    @property
    def fingerprints(self) -> Mapping[Share, str]:
        """Every share that is loaded, and the fingerprint of its block."""
        self._gather()
        return {share: block.fingerprint for share, block in self._blocks.items()}

    def block(self, share: Share) -> ComputedBlock | None:
        """The block of a share, where it is loaded."""
        return self._blocks.get(share)

    def stop(self, identity: Identity, role: str) -> Stop:
        """What this node does with a frame.

        Raises:
            RemoteError: no such table, no such way, or one that does not lead over this node.
        """
        route = identity.route
        table = self._tables.get(route.epoch)
        if table is None:
            raise RemoteError(f"has no table of epoch {route.epoch}: its latest is {max(self._tables)}")
        # All ways that follow from a number repeat after so many frames, and a number is looked up sooner than a way.
        turn: Way | int = identity.frame % table.turns if route.way is None else route.way
        key = (route.epoch, turn, role)
        stop = self._stops.get(key)
        if stop is None:
            way = table.by_number(identity.frame) if route.way is None else route.way
            stop = self._worked_out(table, way, role)
            if len(self._stops) < _WAYS:
                self._stops[key] = stop
        if not stop.shares:
            raise RemoteError(f"does not compute role {role}")
        return stop

    def _worked_out(self, table: Table, way: Way, role: str) -> Stop:
        try:
            mine = table.mine(role, way, self._address)
            return Stop(mine, {target: table.next_stops(target, way) for target in self._targets.get(role, ())})
        except ValueError as error:
            raise RemoteError(str(error)) from None

    def _gather(self) -> None:
        for share in _finished(self._loading.items()):
            future = self._loading.pop(share)
            failure = future.exception()
            if failure is None:
                self._blocks[share] = future.result()
            else:
                self.error = f"{share} could not be loaded: {failure}"


def _finished(loading: Iterable[tuple[Share, Future[ComputedBlock]]]) -> list[Share]:
    return [share for share, future in loading if future.done()]
