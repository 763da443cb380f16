"""Asks a fork server for the nodes of this machine, and hears how they get on.

Importing this is cheap, so that the server can be at work before a farm file is read.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from harness.errors import FarmError
from harness.node.births import Birth, Request

_STOP_S = 10.0
_GLANCE_S = 0.1
_OWN_SETTINGS = {"OPENBLAS_NUM_THREADS": "1"}
"""Threads that numpy would start on import, for linear algebra that no node does, would not survive the fork."""
_ROOM = " " * 512
"""Makes the server's command line long enough for those of its nodes, which will stand in its place."""
SERVER = (sys.executable, "-m", "harness.cli.fork_server")


def may_fork(device: str, runtime: str) -> bool:
    """Whether nodes can come from one process.

    A GPU's driver does not survive a fork, weights must be sealed, and runtimes other than Keras neither share what is
    imported once nor take over mapped weights.
    """
    return device == "cpu" and runtime == "keras" and hasattr(os, "memfd_create")


class ForkedStart:
    """A fork server at work; it begins to import at once. Its nodes are the caller's to end.

    Args:
        background: whether nodes outlive this process; else they end with it.
        server: its command line.
    """

    def __init__(self, *, background: bool, server: Sequence[str] = SERVER) -> None:
        self.pids: dict[str, int] = {}
        """Address of each node that was forked -> its process id."""
        self.ready: set[str] = set()
        """Addresses of the nodes that have said that they serve."""
        self._background = background
        self._unread = b""
        self._silent = False
        # What the server says has no place on a disk until it is known whether there is a farm.
        self._output = os.memfd_create("iot-farm-start") if background else None
        self._report, self._answer = os.pipe()
        self.server = subprocess.Popen(  # noqa: S603  our own command line
            [*server, _ROOM],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(self._answer,),
            env={**_OWN_SETTINGS, **os.environ},
            start_new_session=background,
        )

    def ask(self, arguments: Sequence[str], births: Sequence[Birth]) -> None:
        """Say which nodes are wanted, once.

        Args:
            arguments: what they have in common, as arguments of `iot-farm`.
            births: the nodes.
        """
        request = Request(os.getpid(), self._answer, self._background, tuple(arguments), tuple(births))
        assert self.server.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; `require_alive` says why
            self.server.stdin.write(request.to_line())
            self.server.stdin.flush()
        os.close(self._answer)
        self._answer = -1

    def listen(self, timeout_s: float) -> None:
        """Take what is reported; returns when something was, the server failed, or the time is over."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, deadline_s - time.monotonic())
            if self._silent:
                time.sleep(left_s)
                return
            readable, _, _ = select.select([self._report], [], [], min(left_s, _GLANCE_S))
            if (readable and self._take()) or self.failed or left_s == 0.0:
                return

    @property
    def failed(self) -> bool:
        """Whether the server ended with an error."""
        return bool(self.server.poll())

    @property
    def output(self) -> str:
        """What a server in the background has said; empty of one in the foreground, whose words everybody sees."""
        if self._output is None:
            return ""
        return os.pread(self._output, os.fstat(self._output).st_size, 0).decode(errors="replace")

    def require_alive(self) -> None:
        """Make sure that the server has not failed.

        Raises:
            FarmError: it has.
        """
        if self.failed:
            raise FarmError(f"the process that starts the nodes ended with exit code {self.server.returncode}")

    def close(self) -> None:
        """End the server, and learn of every node that it forked until then."""
        if self._answer >= 0:
            os.close(self._answer)
            self._answer = -1
        if self.server.poll() is None:
            self.server.terminate()
            try:
                self.server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
        while not self._silent and select.select([self._report], [], [], 0)[0]:
            self._take()

    def release(self) -> None:
        """Let go of pipes; nodes in the foreground end by it."""
        assert self.server.stdin is not None
        with suppress(OSError):
            self.server.stdin.close()
        os.close(self._report)
        if self._output is not None:
            os.close(self._output)

    def _take(self) -> bool:
        chunk = os.read(self._report, 65_536)
        self._silent = not chunk  # every node has said its last, or ended
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            found = json.loads(line)
            if "pid" in found:
                self.pids[found["address"]] = found["pid"]
            else:
                self.ready.add(found["ready"])
        return bool(lines)


@contextmanager
def fork_server(*, background: bool) -> Iterator[ForkedStart]:
    """A server that is gone when the context is left; its nodes are not.

    Args:
        background: see `ForkedStart`.
    """
    start = ForkedStart(background=background)
    try:
        yield start
    finally:
        start.close()
        start.release()
