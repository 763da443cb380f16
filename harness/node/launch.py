"""The nodes of this machine in the foreground: they end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from harness.errors import FarmError
from harness.node.blocks import NodeOptions, local_placements
from harness.node.commands import births, common_arguments, node_command, shared_cores
from harness.node.exits import exit_hint, exit_text
from harness.node.forked_start import ForkedStart, fork_server, may_fork
from harness.node.own_process import adopt_grandchildren
from harness.node.serve import refuse_taken_port, serve
from harness.node.startable import local_nodes, require_startable
from harness.plan.plan import Placement, Plan
from harness.rpc.client import RpcClient
from harness.rpc.errors import RpcError
from harness.rpc.security import security_of

_STOP_S = 10.0
_LOOK_S = 0.2


class _Children(Protocol):
    def ended(self) -> tuple[str, int] | None:
        """Address and exit code of a node that has ended, if there is one."""
        ...


def run_foreground(
    farm_file: Path, plan: Plan, options: NodeOptions, say: Callable[[str], None], *, apart: bool = False
) -> None:
    """Run every node of this machine until a signal comes: a single one here, several as child processes.

    Args:
        farm_file: where the plan came from.
        plan: the run's plan.
        options: what the nodes have in common.
        say: is told what happens.
        apart: start each node as a process that imports and makes its weights for itself.

    Raises:
        FarmError: a node ended by itself; the others are stopped.
    """
    placements = local_nodes(plan)
    require_startable(plan, options)
    if len(placements) == 1:
        serve(plan, placements[0], options)
        return
    for placement in placements:
        refuse_taken_port(placement.address)
    run = _apart if apart or not may_fork(options.device, options.wanted.runtime) else _forked
    with run(farm_file, plan, placements, options) as children:
        say(f"starting {len(placements)} nodes; stop them with Ctrl-C")
        while (found := children.ended()) is None:
            time.sleep(_LOOK_S)
        address, code = found
        node = next(placement for placement in placements if str(placement.address) == address)
        raise FarmError(f"node {node} {exit_text(code)}", exit_hint(code))


class _Forked:
    """Nodes that a fork server made; this process is their parent once it has ended."""

    def __init__(self, start: ForkedStart) -> None:
        self._start = start
        self.codes: dict[str, int] = {}

    def ended(self) -> tuple[str, int] | None:
        self._start.listen(0.0)
        self._start.require_alive()
        if self._start.server.poll() is not None:
            self._reap()
        return next(iter(self.codes.items()), None)

    def end(self) -> None:
        self._start.close()  # and learn of all nodes
        for number, limit_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
            self._reap()
            for address, pid in self._start.pids.items():
                if address not in self.codes:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
            give_up_s = time.monotonic() + limit_s
            while len(self.codes) < len(self._start.pids) and time.monotonic() < give_up_s:
                self._reap()
                time.sleep(0.01)

    def _reap(self) -> None:
        for address, pid in self._start.pids.items():
            if address not in self.codes:
                with suppress(ChildProcessError):  # still the server's
                    found, status = os.waitpid(pid, os.WNOHANG)
                    if found:
                        self.codes[address] = os.waitstatus_to_exitcode(status)


@contextmanager
def _forked(
    farm_file: Path, plan: Plan, placements: tuple[Placement, ...], options: NodeOptions
) -> Iterator[_Children]:
    adopt_grandchildren()
    with fork_server(background=False) as start:
        children = _Forked(start)
        try:
            start.ask(common_arguments(farm_file, plan, options), births(farm_file, plan, placements, options))
            yield children
        finally:
            children.end()


class _Apart:
    """Nodes that were started one by one."""

    def __init__(self) -> None:
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def ended(self) -> tuple[str, int] | None:
        for address, child in self.children.items():
            if (code := child.poll()) is not None:
                return address, code
        return None

    def end(self) -> None:
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextmanager
def _apart(farm_file: Path, plan: Plan, placements: tuple[Placement, ...], options: NodeOptions) -> Iterator[_Children]:
    started = _Apart()
    cores = shared_cores(placements, plan, options)
    try:
        for placement in placements:
            command = [*node_command(farm_file, plan, placement, options, cores.get(placement)), "--stop-on-eof"]
            # The pipe is the leash: it closes when this process ends, however that happens.
            child = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603  our own command line
            started.children[str(placement.address)] = child
        yield started
    finally:
        started.end()


async def stop_remaining(plan: Plan) -> int:
    """Ask nodes of this machine that somebody else started to end; returns how many did."""
    stopped, security = 0, security_of(plan.farm)
    for placement in local_placements(plan):
        client = RpcClient(placement.address.host, placement.address.port, connect_timeout_s=1, security=security)
        try:
            await client.call("stop", {"reason": "farm down"}, timeout_s=2)
            stopped += 1
        except RpcError:
            continue
        finally:
            await client.close()
    return stopped
