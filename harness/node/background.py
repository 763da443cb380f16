"""The nodes of this machine in the background: they go on when the command that started them has ended."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Self

import psutil

from harness.errors import BadInputError, FarmError
from harness.node.blocks import NodeOptions
from harness.node.commands import births, common_arguments, node_command, node_log, shared_cores
from harness.node.forked_start import ForkedStart
from harness.node.processes import StartedNode, last_words, remember, require_alive, state_folder, stop_started
from harness.node.serve import refuse_taken_port
from harness.node.startable import local_nodes
from harness.plan.plan import Placement, Plan


class Start:
    """Nodes that are being started; a context that ends them all when an exception leaves it.

    Args:
        folder: takes process list and logs.
        placements: the nodes of this machine.
        server: forks them; None where each is a process that starts for itself.
    """

    def __init__(self, folder: Path, placements: tuple[Placement, ...], server: ForkedStart | None) -> None:
        self.nodes: list[StartedNode] = []
        """Those that have a process, also kept in the folder."""
        self._folder = folder
        self._logs = {str(placement.address): node_log(folder, placement) for placement in placements}
        self._server = server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            return
        if self._server is not None:
            self._server.close()
            self._take_over()
        stop_started(self.nodes)

    @property
    def addresses(self) -> set[str]:
        """Where the nodes will listen."""
        return set(self._logs)

    def wait(self, timeout_s: float) -> None:
        """Return when there may be news, or the time is over.

        Raises:
            FarmError: a node has ended, or none can be started; the message carries the last line of the log.
        """
        if self._server is None:
            time.sleep(timeout_s)
        else:
            self._server.listen(timeout_s)
            self._take_over()
            if self._server.failed:
                log = self._folder / "start.log"
                log.write_text(self._server.output, encoding="utf-8")
                raise FarmError(f"no nodes were started: {last_words(log)}", f"the log is {log}")
        require_alive(self.nodes)

    @property
    def said_ready(self) -> set[str] | None:
        """Addresses of nodes that have said that they serve; None where nodes tell nobody, and must be asked."""
        return None if self._server is None else self._server.ready

    def start_one(self, address: str, command: list[str]) -> None:
        """Start a node as a process that imports and makes its weights for itself."""
        with self._logs[address].open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603  our own command line
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._add(address, process.pid)

    def _take_over(self) -> None:
        assert self._server is not None
        known = {node.address for node in self.nodes}
        for address, pid in self._server.pids.items():
            if address not in known:
                self._add(address, pid)

    def _add(self, address: str, pid: int) -> None:
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            created = 0.0  # it ended at once; its log says why
        self.nodes.append(StartedNode(address, pid, created, str(self._logs[address])))
        remember(self._folder, self.nodes)


def start_nodes(
    target: str, farm_file: Path, plan: Plan, options: NodeOptions, server: ForkedStart | None = None
) -> Start:
    """Start every node of this machine in the background; returns at once, before they are ready.

    Args:
        target: the name under which process list and logs are kept.
        farm_file: where the plan came from.
        plan: the run's plan.
        options: what the nodes have in common; `require_startable` has seen that they can start so.
        server: forks several nodes; None starts each as a process that imports and makes its weights for itself.

    Raises:
        BadInputError: a port is taken, no address of the farm belongs to this machine, or its state cannot be kept.
    """
    placements = local_nodes(plan)
    for placement in placements:
        refuse_taken_port(placement.address)
    folder = state_folder(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{folder} cannot be written: {error.strerror}", "set IOT_FARM_STATE") from None
    if server is not None and len(placements) > 1:
        server.ask(common_arguments(farm_file, plan, options), births(farm_file, plan, placements, options, folder))
        return Start(folder, placements, server)
    start = Start(folder, placements, None)
    cores = shared_cores(placements, plan, options)
    with start:
        for placement in placements:
            command = node_command(farm_file, plan, placement, options, cores.get(placement))
            start.start_one(str(placement.address), command)
    return start
