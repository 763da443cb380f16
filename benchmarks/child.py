"""A child process that is told what to do in lines of JSON and ends when its parent does."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.contestant import BenchmarkError

STOP_S = 10.0


class ChildError(BenchmarkError):
    """A child ended or fell silent; the message ends with what it wrote last."""


class Child:
    """A Python module run as a process; its standard input is its leash.

    Args:
        module: what `python -m` runs.
        arguments: its command line.
        log: file that takes its standard error.
    """

    def __init__(self, module: str, arguments: list[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._module = module
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
            )
        self._unread = b""

    def tell(self, message: dict[str, Any]) -> None:
        """Send one line.

        Raises:
            ChildError: the child has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildError(f"{self._module} has ended: {self._last_words()}") from None

    def answer(self, timeout_s: float) -> dict[str, Any]:
        """Wait for one line.

        Raises:
            ChildError: the child ended, or nothing came in time.
        """
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise ChildError(f"{self._module} said nothing for {timeout_s:.0f} s: {self._last_words()}")
            chunk = os.read(descriptor, 65_536)
            if not chunk:
                raise ChildError(f"{self._module} has ended: {self._last_words()}")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    @property
    def cpu_s(self) -> float:
        """Processor time that the child has used."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        """End the child: close its input, then insist."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it left nothing in {self._log}"


def say(message: dict[str, Any]) -> None:
    """The child's side: write one line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
