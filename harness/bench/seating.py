"""Handing out a table: each of its devices loads what it must hold, shows its fingerprints, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import FarmError
from harness.farm.config import Address
from harness.membership import Membership
from harness.plan.table import Share, Table
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, RemoteError, RpcError

ANSWER_S = 2.0
"""A device that is not loading answers within this time, or another table is made."""
_LOADING_S = 60.0
"""A device may take so long to build a block before it is done without; a Pi takes seconds for 200 MB of weights."""
_STATE_S = 0.5
_LOOK_S = 0.02


class Seating:
    """Prepares tables before they come into force.

    Args:
        membership: is told who fails, and says meanwhile who is gone.
        client_of: the connection to a device.
        expected: share -> fingerprint that its block must have.
        say: is told which device is not used, and why.
    """

    def __init__(
        self,
        membership: Membership,
        client_of: Callable[[Address], RpcClient],
        expected: Mapping[Share, str],
        say: Callable[[str], None],
    ) -> None:
        self._membership = membership
        self._client_of = client_of
        self._expected = expected
        self._say = say
        self._loop = asyncio.get_running_loop()

    async def ready(self, table: Table, run: str, held: Mapping[Address, set[Share]]) -> bool:
        """Hand a table to its devices and wait until all are ready for it.

        Args:
            table: the next one.
            run: the run that the devices must serve.
            held: what each device was last known to have loaded.

        Returns:
            False when one of them failed; membership knows then, and another table must be made.
        """
        for address in table.devices:
            if not held.get(address, set()).issuperset(table.held_by(address)):
                self._membership.loading(address, time.monotonic() + _LOADING_S)
        ready = await asyncio.gather(*(self._seat(address, table, run) for address in table.devices))
        for address in table.devices:
            self._membership.loading(address, 0.0)
        return all(ready)

    async def _seat(self, address: Address, table: Table, run: str) -> bool:
        client = self._client_of(address)
        try:
            await client.call("seat", {"run": run, "table": table.to_message()}, timeout_s=ANSWER_S)
            problem = await self._until_loaded(address, client, table, run)
        except PeerTimeoutError:
            self._membership.missed(address, time.monotonic())
        except (RpcError, RemoteError):
            self._membership.gone(address)
        except FarmError:
            return False  # gone or started anew meanwhile: the beats tell
        else:
            if not problem:
                return True
            self._say(f"{address} is not used: {problem}")
            self._membership.leave(address)
        return False

    async def _until_loaded(self, address: Address, client: RpcClient, table: Table, run: str) -> str:
        """Wait for a device to load; gives what is wrong with it, empty where all is well.

        Raises:
            FarmError: it is gone, or does not serve the run.
        """
        until_s = time.monotonic() + _LOADING_S
        while time.monotonic() < until_s:
            if not self._membership.alive(address) or self._membership.left(address):
                raise FarmError(f"{address} is gone")
            state = await self._state(client)
            if state is not None and state["run"] != run:
                raise FarmError(f"{address} serves another run")
            if state is not None and state["error"]:
                return str(state["error"])
            if state is not None and state["epoch"] >= table.epoch:
                return self._wrong_block(address, table, state)
            await asyncio.sleep(_LOOK_S)
        return f"no block after {_LOADING_S:.0f} s"

    async def _state(self, client: RpcClient) -> dict[str, Any] | None:
        """The state of a device that may be busy loading; None where it does not answer: beats say whether it lives."""
        try:
            state: dict[str, Any] = await client.call("state", {}, timeout_s=_STATE_S)
        except PeerTimeoutError:
            return None
        return state

    def _wrong_block(self, address: Address, table: Table, state: dict[str, Any]) -> str:
        for share in table.held_by(address):
            found = shares_held(state).get(share)
            if found != self._expected[share]:
                return f"{share} has fingerprint {found}, this run needs {self._expected[share]}"
        return ""


def shares_held(state: Mapping[str, Any]) -> dict[Share, str]:
    """Share -> fingerprint of its block, as a device tells it (Avro record NodeState)."""
    return {Share(entry["role"], entry["part"]): entry["block_fingerprint"] for entry in state["held"]}
