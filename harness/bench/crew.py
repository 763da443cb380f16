"""Who keeps the nodes of a farm at a run: a crew that ends it when one fails, or one that goes on without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from harness.bench.adapting import Adapting
from harness.bench.devices import Look
from harness.bench.nodes import Nodes
from harness.bench.preflight import Expected, ask_nodes, require_nodes
from harness.errors import FarmError
from harness.farm.config import Address
from harness.initial import Initial
from harness.plan.plan import Plan
from harness.plan.table import Share

Fail = Callable[[FarmError], None]
WARMUP_DEADLINE_S = 10.0
"""After so long a frame of the warm-up is sent again, where the farm may change."""
_SHOWN = 5
"""Changes of the table that `farm watch` shows."""


class Crew(Protocol):
    """Keeps the nodes of a farm at a run."""

    async def start(self, expected: Expected) -> Look:
        """See that the farm can work, and how its devices are."""
        ...

    async def begin(self, run: str, deadline_s: float) -> None:
        """Begin a window on nodes and initial; frames are sent again after the deadline, where they are at all."""
        ...

    def watching(self, fail: Fail) -> Any:
        """A context in which a failure that ends the run is told."""
        ...

    def undelivered(self, frame: int, error: FarmError, fail: Fail) -> None:
        """A frame could not be handed to a node."""
        ...

    async def after(self, run: str) -> tuple[dict[str, Any], ...]:
        """Description and statistics of each node that answers after a window, in plan order."""
        ...

    def adapted(self, begun_s: float) -> dict[str, Any] | None:
        """What changed in a window that began at a time of the monotonic clock; None where nothing may."""
        ...

    async def explain_stall(self, run: str, stall_s: float) -> FarmError:
        """Why nothing comes."""
        ...

    async def look(self) -> Look:
        """How the devices are now."""
        ...

    def state(self) -> dict[str, Any]:
        """The farm as `farm watch` shows it."""
        ...

    async def close(self) -> None:
        """Let go of all nodes."""
        ...


class SteadyCrew:
    """The farm must stay as the plan says: a node that fails ends the run.

    Args:
        plan: roles on addresses.
        initial: the source and sink.
    """

    def __init__(self, plan: Plan, initial: Initial) -> None:
        self._plan = plan
        self._initial = initial
        self._nodes = Nodes(plan)
        self._descriptions: tuple[dict[str, Any], ...] = ()

    async def start(self, expected: Expected) -> Look:
        """Every node must answer, and be the one that the plan expects; raises FarmError where one is not."""
        self._descriptions = await require_nodes(self._plan, expected)
        return await self._nodes.look()

    async def begin(self, run: str, deadline_s: float) -> None:
        """Begin on every node; no frame is ever sent again."""
        del deadline_s
        await self._nodes.begin(run)
        self._initial.begin_run(run)

    @asynccontextmanager
    async def watching(self, fail: Fail) -> AsyncIterator[None]:
        """Ask every node again and again; one that is silent fails the run."""
        task = asyncio.create_task(self._nodes.watch(fail))
        try:
            yield
        finally:
            task.cancel()

    def undelivered(self, frame: int, error: FarmError, fail: Fail) -> None:
        """Fail the run."""
        fail(FarmError(f"frame {frame} could not be delivered: {error.message}", error.hint))

    async def after(self, run: str) -> tuple[dict[str, Any], ...]:
        """The counters of every node, once the last acknowledgements have arrived."""
        statistics = await self._nodes.statistics(run)
        return tuple(
            {"description": description, "statistics": counted}
            for description, counted in zip(self._descriptions, statistics, strict=True)
        )

    def adapted(self, begun_s: float) -> dict[str, Any] | None:
        """Nothing may change."""
        del begun_s
        return None

    async def explain_stall(self, run: str, stall_s: float) -> FarmError:
        """Say which nodes hold frames, from their own counters."""
        return await self._nodes.explain_stall(run, stall_s)

    async def look(self) -> Look:
        """How the devices are now."""
        return await self._nodes.look()

    def state(self) -> dict[str, Any]:
        """Who has which role."""
        return {"epoch": 0, "devices": [_seat(node.address, [node.role]) for node in self._plan.placements]}

    async def close(self) -> None:
        """Let go of all nodes."""
        await self._nodes.close()


class AdaptingCrew:
    """The farm may change: who fails is done without, its frames are sent again, who comes is put to use.

    Args:
        plan: the farm as it is described.
        initial: the source and sink.
        say: is told what changes, one line each.
    """

    def __init__(self, plan: Plan, initial: Initial, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._initial = initial
        self._say = say
        self._nodes = Nodes(plan)
        self._deadline_s = WARMUP_DEADLINE_S
        self.adapting: Adapting | None = None

    async def start(self, expected: Expected) -> Look:
        """Do without nodes that do not answer; one that answers and is another one is an error (FarmError)."""
        reports = await ask_nodes(self._plan, expected)
        wrong = [report.problem for report in reports if report.problem and report.description is not None]
        if wrong:
            raise wrong[0]
        silent = [report for report in reports if report.problem]
        for report in silent:
            self._say(f"{report.problem.message if report.problem else report.placement}: the run goes without it")
        if len(silent) == len(reports):
            raise FarmError(
                f"no node of {self._plan.farm.source} answers", f"start them: iot-farm farm up {self._plan.farm.source}"
            )
        down = frozenset(report.placement.address for report in silent)
        fingerprints = {Share(*key): value for key, value in expected.block_fingerprints.items()}
        self.adapting = Adapting(self._plan, fingerprints, self._initial, down, self._say)
        return await self.look()

    async def begin(self, run: str, deadline_s: float) -> None:
        """Begin on all that answer, by the table in force."""
        assert self.adapting is not None
        self._deadline_s = deadline_s
        await self.adapting.begin(run)
        self._initial.begin_run(run, self.adapting.table, deadline_s)

    @asynccontextmanager
    async def watching(self, fail: Fail) -> AsyncIterator[None]:
        """Nothing that a device does ends the run; a defect in what watches them does."""
        assert self.adapting is not None
        broken = asyncio.create_task(self.adapting.until_broken())
        broken.add_done_callback(lambda task: None if task.cancelled() else fail(task.result()))
        try:
            yield
        finally:
            broken.cancel()

    def undelivered(self, frame: int, error: FarmError, fail: Fail) -> None:
        """Nothing: the frame is sent again."""

    async def after(self, run: str) -> tuple[dict[str, Any], ...]:
        """The counters of those that answer."""
        assert self.adapting is not None
        counted = await self.adapting.statistics(run)
        nodes = [
            {"description": report.description, "statistics": counted[report.placement.address]}
            for report in await ask_nodes(self._plan)
            if report.description is not None and report.placement.address in counted
        ]
        return tuple(nodes)

    def adapted(self, begun_s: float) -> dict[str, Any] | None:
        """What changed in the farm until now, and what was sent again."""
        if self.adapting is None:
            return None
        dispatcher = self._initial.dispatcher
        return {
            "deadline_s": self._deadline_s,
            "sent_again": dispatcher.resent,
            "late": dispatcher.late,
            "lost": [str(address) for address in self.adapting.membership.lost],
            "changes": [change.describe(begun_s) for change in self.adapting.changes],
        }

    async def explain_stall(self, run: str, stall_s: float) -> FarmError:
        """Say which nodes hold frames, from their own counters."""
        return await self._nodes.explain_stall(run, stall_s)

    async def look(self) -> Look:
        """How the devices that answer are now; nothing is known of the others."""
        return await self._nodes.look(lenient=True)

    def state(self) -> dict[str, Any]:
        """Who holds which shares, is alive, has how much to do."""
        if self.adapting is None:
            return {"epoch": 0, "devices": []}
        members, table, states = self.adapting.membership, self.adapting.table, self.adapting.states
        devices = []
        for address in members.addresses:
            seat = _seat(address, [str(share) for share in table.held_by(address)])
            how = "left" if members.left(address) else "alive" if members.alive(address) else "gone"
            counted = {key: states[address][key] for key in ("waiting", "computed")} if address in states else {}
            devices.append({**seat, **counted, "state": how})
        changes = [{"epoch": change.table.epoch, "why": change.why} for change in self.adapting.changes[-_SHOWN:]]
        return {"epoch": table.epoch, "devices": devices, "changes": changes}

    async def close(self) -> None:
        """Let go of all nodes."""
        if self.adapting is not None:
            await self.adapting.close()
        await self._nodes.close()


def _seat(address: Address, roles: list[str]) -> dict[str, Any]:
    return {"address": str(address), "roles": roles, "state": "alive"}


def fixed_deadline_s(latencies_s: list[float]) -> float:
    """The deadline of a window, from the latencies of the warm-up: eight times the median, and half a second at least.

    The median, so that a warm-up in which a device failed does not give a deadline that nothing ever misses. Eight
    times, so that a device five times slower than the others is waited for: with four all that it computed was sent
    again elsewhere, and the farm lost more than that device is worth (`python -m benchmarks.audit straggler`).
    """
    ordered = sorted(latencies_s)
    return max(0.5, 8 * ordered[len(ordered) // 2]) if ordered else WARMUP_DEADLINE_S
