"""A real scoreboard service in a process of its own, on a loopback address."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from harness.board.service.store import Store
from harness.board.service.tokens import Tokens

_START = "import sys; from harness.cli.scoreboard_serve import {0}; {0}()"


@dataclass
class Service:
    """One that answers.

    Attributes:
        url: where.
        data: its folder.
        process: it.
        token: of the uploader "alice".
    """

    url: str
    data: Path
    process: subprocess.Popen[str]
    token: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rstrip("/").rpartition(":")[2])

    def client(self, *, token: str | None = "", timeout: float = 30.0) -> httpx.Client:
        """A client with alice's token, another one, or (None) without."""
        headers = {} if token is None else {"authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


def token_of(data: Path, name: str) -> str:
    """A token of some uploader."""
    return Tokens(Store(data).folder / "tokens").issue(name, renew=True)


def start(data: Path, *options: str) -> Service:
    """Start one on a free port; an earlier one's data are taken up."""
    token = token_of(data, "alice")
    process = subprocess.Popen(
        [sys.executable, "-c", _START.format("serve"), "--data", str(data), "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    line = ""
    for line in process.stdout:
        if found := re.fullmatch(r"scoreboard: (http://\S+)\n", line):
            return Service(found[1], data, process, token)
    process.wait(30)
    raise AssertionError(f"the service did not start: {line!r}")


@contextmanager
def served(data: Path, *options: str) -> Iterator[Service]:
    """One for the block."""
    service = start(data, *options)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait(30)
        assert service.process.stdout is not None
        service.process.stdout.close()
