"""Start and stop the nodes of a farm on this machine, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from harness.errors import BadInputError, FarmError
from harness.farm.key_folder import require_trust
from harness.node.blocks import NodeOptions, local_placements
from harness.node.serve import refuse_taken_port, serve
from harness.partition.paper import partition_names
from harness.plan.cores import deal_cores
from harness.plan.plan import Placement, Plan
from harness.rpc.client import RpcClient
from harness.rpc.errors import RpcError
from harness.rpc.security import security_of

STATE_VARIABLE = "IOT_FARM_STATE"
"""Environment variable that names the folder of process lists and logs."""

_STOP_S = 10.0


@dataclass(frozen=True)
class StartedNode:
    """A node process that `farm up` started.

    Attributes:
        address: where it listens.
        pid: process id; with `created`, the process's start time, it is never mistaken for another one.
        log: file that takes its output.
    """

    address: str
    pid: int
    created: float
    log: str

    def process(self) -> psutil.Process | None:
        """The running process, or None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def state_folder(target: str) -> Path:
    """Folder of a target's process list and logs: below $IOT_FARM_STATE, else the user's state folder."""
    root = os.environ.get(STATE_VARIABLE)
    if root:
        base = Path(root)
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "iot-farm"
    return base / "".join(c if c.isalnum() or c in "-_." else "_" for c in target)


def node_command(
    farm_file: Path, plan: Plan, placement: Placement, options: NodeOptions, core: int | None = None
) -> list[str]:
    """The command line of one node; `core` is the one that it keeps to."""
    command = [sys.executable, "-m", "harness", "node", "--target", str(farm_file.resolve())]
    if plan.partition.name in partition_names():
        command += ["--partition", plan.partition.name]
    command += ["--address", str(placement.address), "--seed", str(options.seed), "--device", options.device]
    # Siblings share the cores, which one process alone cannot see.
    command += ["--threads", str(options.threads_here(plan)), *options.runtime_arguments()]
    if core is not None:
        command += ["--core", str(core)]
    if options.weights is not None:
        command += ["--weights", str(options.weights.resolve())]
    return command


def shared_cores(placements: tuple[Placement, ...], plan: Plan, options: NodeOptions) -> dict[Placement, int]:
    """The core of each node of this machine; empty where the system chooses."""
    one_thread_each = options.threads in {None, 1} and options.device == "cpu"
    if not (options.keep_cores and one_thread_each):
        return {}
    return deal_cores(plan, placements, sorted(os.sched_getaffinity(0)))


def start_nodes(target: str, farm_file: Path, plan: Plan, options: NodeOptions) -> list[StartedNode]:
    """Start every node of this machine in the background; returns at once, before they are ready.

    Raises:
        BadInputError: a port is taken, no address of the farm belongs to this machine, or it has no keys.
    """
    placements = _mine(plan)
    require_trust(plan.farm)
    for placement in placements:
        refuse_taken_port(placement.address)
    folder = state_folder(target)
    folder.mkdir(parents=True, exist_ok=True)
    cores = shared_cores(placements, plan, options)
    started: list[StartedNode] = []
    try:
        for placement in placements:
            log = folder / f"{placement.role}-{placement.address.host}-{placement.address.port}.log"
            with log.open("wb") as stream:
                process = subprocess.Popen(  # noqa: S603  our own command line
                    node_command(farm_file, plan, placement, options, cores.get(placement)),
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            created = psutil.Process(process.pid).create_time()
            started.append(StartedNode(str(placement.address), process.pid, created, str(log)))
            _write_state(folder, started)
    except BaseException:
        stop_started(started)
        raise
    return started


def started_nodes(target: str) -> list[StartedNode]:
    """The nodes that `farm up` started for a target, whether they still run or not."""
    try:
        entries = json.loads((state_folder(target) / "nodes.json").read_text(encoding="utf-8"))
        return [StartedNode(**entry) for entry in entries]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        return []


def require_alive(started: list[StartedNode]) -> None:
    """Make sure that no started node has ended.

    Raises:
        FarmError: one has; the message carries the last line that it wrote.
    """
    for node in started:
        if node.process() is None:
            raise FarmError(f"the node at {node.address} ended: {last_words(Path(node.log))}", f"its log is {node.log}")


def stop_started(started: list[StartedNode]) -> int:
    """Stop node processes and wait for their end; returns how many were running."""
    running = [process for node in started if (process := node.process())]
    for process in running:
        process.terminate()
    _, stubborn = psutil.wait_procs(running, timeout=_STOP_S)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=_STOP_S)
    return len(running)


def forget(target: str) -> None:
    """Remove a target's process list; its logs stay."""
    (state_folder(target) / "nodes.json").unlink(missing_ok=True)


def last_words(log: Path) -> str:
    """The error that a node ended with, else the last line of its log."""
    try:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        return "it left no log"
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it wrote nothing"])[-1].strip()


def run_foreground(farm_file: Path, plan: Plan, options: NodeOptions, say: Callable[[str], None]) -> None:
    """Run every node of this machine until a signal comes: a single one here, several as child processes.

    Raises:
        FarmError: a node ended by itself with an error; the others are stopped.
    """
    placements = _mine(plan)
    require_trust(plan.farm)
    if len(placements) == 1:
        serve(plan, placements[0], options)
        return
    for placement in placements:
        refuse_taken_port(placement.address)
    with _children(farm_file, plan, placements, options) as children:
        say(f"starting {len(children)} nodes; stop them with Ctrl-C")
        while True:
            for placement, child in zip(placements, children, strict=True):
                if child.poll() is not None:
                    raise FarmError(f"node {placement} ended with exit code {child.returncode}")
            time.sleep(0.2)


@contextmanager
def _children(
    farm_file: Path, plan: Plan, placements: tuple[Placement, ...], options: NodeOptions
) -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    cores = shared_cores(placements, plan, options)
    try:
        for placement in placements:
            command = [*node_command(farm_file, plan, placement, options, cores.get(placement)), "--stop-on-eof"]
            # The pipe is the leash: it closes when this process ends, however that happens.
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE))  # noqa: S603
        yield children
    finally:
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _mine(plan: Plan) -> tuple[Placement, ...]:
    placements = local_placements(plan)
    if not placements:
        raise BadInputError(
            f"no node of {plan.farm.source} has an address of this machine",
            "type this on the machines that the farm file names, or use a loopback farm such as farm-5-local",
        )
    return placements


def _write_state(folder: Path, started: list[StartedNode]) -> None:
    temporary = folder / "nodes.json.new"
    temporary.write_text(json.dumps([asdict(node) for node in started], indent=1), encoding="utf-8")
    temporary.replace(folder / "nodes.json")


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
