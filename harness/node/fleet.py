"""The node processes of a farm on this machine, to be killed, frozen and started again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.farm.config import Address
from harness.plan.plan import Placement

_STOP_S = 10.0


@dataclass
class _Member:
    placement: Placement
    process: subprocess.Popen[bytes]
    log: Path
    said_before: int


class Fleet:
    """Processes of nodes; a context that leaves none behind.

    Args:
        command: the command line of the node at a placement.
        folder: takes one log for each node; they grow over restarts.
    """

    def __init__(self, command: Callable[[Placement], list[str]], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._members: dict[Address, _Member] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members.values():
            with suppress(ProcessLookupError):
                member.process.send_signal(signal.SIGCONT)
                member.process.terminate()
        for member in self._members.values():
            try:
                member.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where the nodes listen."""
        return tuple(self._members)

    def start(self, placement: Placement) -> None:
        """Start a node, or start it again; returns before it is ready."""
        log = self._folder / f"{placement.role}-{placement.address.host}-{placement.address.port}.log"
        said_before = log.stat().st_size if log.exists() else 0
        with log.open("ab") as stream:
            # The pipe is the leash: it closes when this process ends, however that happens.
            process = subprocess.Popen(  # noqa: S603  our own command line
                [*self._command(placement), "--stop-on-eof"],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self._members[placement.address] = _Member(placement, process, log, said_before)

    def running(self, address: Address) -> bool:
        """Whether the process of a node has not ended."""
        return self._members[address].process.poll() is None

    def ready(self, address: Address) -> bool:
        """Whether a node has said that it is ready, since it was last started."""
        member = self._members[address]
        return self.running(address) and b"ready: " in member.log.read_bytes()[member.said_before :]

    def log(self, address: Address) -> Path:
        """Where a node's output goes."""
        return self._members[address].log

    def kill(self, address: Address) -> None:
        """End a node at once (SIGKILL), whatever it holds."""
        member = self._members[address]
        member.process.kill()
        member.process.wait()
        if member.process.stdin is not None:
            member.process.stdin.close()

    def restart(self, address: Address) -> None:
        """Start a node that has ended."""
        self.start(self._members[address].placement)

    def freeze(self, address: Address) -> None:
        """Stop a node's clockwork (SIGSTOP); it keeps what it holds."""
        self._signal(address, signal.SIGSTOP)

    def thaw(self, address: Address) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(address, signal.SIGCONT)

    def _signal(self, address: Address, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._members[address].process.send_signal(number)
