"""The process list of a farm on this machine: which nodes were started for a target, and how to end them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from harness.errors import FarmError
from harness.node.exits import exit_code_of, exit_hint, exit_text

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
            code = exit_code_of(node.pid)
            if code is not None and code < 0:
                raise FarmError(
                    f"the node at {node.address} {exit_text(code)}", exit_hint(code) or f"its log is {node.log}"
                )
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


def remember(folder: Path, started: list[StartedNode]) -> None:
    """Write a target's process list."""
    temporary = folder / "nodes.json.new"
    temporary.write_text(json.dumps([asdict(node) for node in started], indent=1), encoding="utf-8")
    temporary.replace(folder / "nodes.json")


def last_words(log: Path) -> str:
    """The error that a node ended with, else the last line of its log."""
    try:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        return "it left no log"
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it wrote nothing"])[-1].strip()
