"""The nodes of a farm while a run is at work: asked, watched, and heard out when the farm stalls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from harness.bench.devices import Look
from harness.bench.preflight import ANSWER_S
from harness.errors import FarmError
from harness.plan.plan import Placement, Plan
from harness.records.canonical import parse
from harness.records.environment import environment
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, RemoteError, RpcError
from harness.rpc.security import security_of

_WATCH_S = 1.0
_HUNG_ANSWERS = 2
"""A node counts as hung after so many questions without an answer."""


class Nodes:
    """A connection to every node of a plan, kept for the length of a run.

    Args:
        plan: roles on addresses.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        security = security_of(plan.farm)
        self._clients = {
            node: RpcClient(node.address.host, node.address.port, connect_timeout_s=ANSWER_S, security=security)
            for node in plan.placements
        }

    async def close(self) -> None:
        """Let go of all connections."""
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def begin(self, run: str) -> None:
        """Tell every node that a run starts; raises FarmError where one does not take it."""
        await asyncio.gather(*(self._call(node, "begin", {"run": run}) for node in self._plan.placements))

    async def look(self, *, lenient: bool = False) -> Look:
        """The environment of this machine and of every node's device, now.

        Args:
            lenient: a node that does not answer gives nothing, and no error.

        Raises:
            FarmError: a node does not answer.
        """
        texts = await asyncio.gather(
            *(self._call(node, "environment", {}) for node in self._plan.placements), return_exceptions=lenient
        )
        nodes = [
            {} if isinstance(text, BaseException) else parse(text.encode(), f"the environment of {node}")
            for node, text in self._pairs(texts)
        ]
        return Look(environment(), nodes)

    async def watch(self, fail: Callable[[FarmError], None]) -> None:
        """See a node that died or hangs long before the stall limit; for ever.

        Args:
            fail: is told of it.
        """
        await asyncio.gather(*(self._watch_one(node, fail) for node in self._plan.placements))

    async def explain_stall(self, run: str, stall_s: float) -> FarmError:
        """Say which nodes hold frames, from their own counters."""
        texts = []
        for node in self._plan.placements:
            try:
                counted = await self._clients[node].call("statistics", {"run": run}, timeout_s=ANSWER_S)
            except (RemoteError, RpcError) as error:
                texts.append(f"{node}: {error.message}")
                continue
            texts += counted["errors"][-1:]
        why = "; ".join(texts) if texts else "no node reports an error"
        return FarmError(f"no result for {stall_s:.0f} s: {why}", "a slow farm needs a longer --stall")

    async def statistics(self, run: str) -> list[dict[str, Any]]:
        """Counters of all nodes in plan order, once the last acknowledgements have arrived.

        Raises:
            FarmError: a node does not answer.
        """
        give_up_s = time.monotonic() + ANSWER_S
        while True:
            counted = await asyncio.gather(
                *(self._call(node, "statistics", {"run": run}) for node in self._plan.placements)
            )
            complete = all(self._delivered(node, entry) for node, entry in self._pairs(counted))
            if complete or time.monotonic() > give_up_s:
                return counted
            await asyncio.sleep(0.05)

    async def _call(self, node: Placement, message: str, request: dict[str, Any]) -> Any:
        try:
            return await self._clients[node].call(message, request, timeout_s=ANSWER_S)
        except PeerUnreachableError as error:
            raise FarmError(
                f"node {node} went away: {error.message}", "look at its log; `iot-farm farm status` shows the others"
            ) from None
        except RpcError as error:
            raise FarmError(f"node {node}: {error.message}", error.hint) from None

    async def _watch_one(self, node: Placement, fail: Callable[[FarmError], None]) -> None:
        silent = 0
        while True:
            await asyncio.sleep(_WATCH_S)
            try:
                await self._clients[node].call("describe", {}, timeout_s=ANSWER_S)
                silent = 0
            except PeerTimeoutError:
                silent += 1
                if silent >= _HUNG_ANSWERS:
                    fail(
                        FarmError(
                            f"node {node} hangs: no answer for {silent * ANSWER_S:.0f} s during the run",
                            "look at its log, then stop and start it again",
                        )
                    )
            except RpcError as error:
                fail(FarmError(f"node {node} went away during the run: {error.message}", "look at its log"))

    def _pairs(self, answers: list[Any]) -> list[tuple[Placement, Any]]:
        return list(zip(self._plan.placements, answers, strict=True))

    def _delivered(self, node: Placement, counted: dict[str, Any]) -> bool:
        if node.spare:
            return True
        copies = sum(
            len(self._plan.holders(target, 0)) if message.to is None else 1
            for tensor in self._plan.partition.outputs(node.role)
            for target in self._plan.partition.targets(tensor)
            for message in self._plan.partition.sent(tensor, node.part, target)
        )
        return bool(counted["sent"] >= counted["computed"] * copies)
