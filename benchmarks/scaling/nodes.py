"""The nodes of a chain: `python -m benchmarks.scaling.nodes --nodes N --net A.B.C --folder F`.

What they need is imported once; then each node is forked from this process, and from there on it is the node of the
harness in everything but its block. This process waits until its standard input closes, and they until it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from benchmarks.child import say
from benchmarks.scaling.chain import chain_plan, pass_on_blocks
from harness.node.blocks import NodeOptions
from harness.node.serve import serve
from harness.plan.plan import Placement, Plan

_STOP_S = 5.0


def _fork(plan: Plan, placement: Placement, ready: int, leash: tuple[int, int]) -> int:
    """Fork a node; returns its process id.

    Args:
        plan: the chain.
        placement: its place there.
        ready: descriptor that takes the line with which it says that it is ready.
        leash: a pipe; the node ends when its second end is closed. Not our standard input: the nodes' event loop
            would make that one non-blocking for us, too.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.dup2(leash[0], 0)
        os.close(leash[1])
        os.dup2(ready, 1)
        serve(plan, placement, NodeOptions(seed=0, threads=1, stop_on_eof=True), pass_on_blocks())
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)  # what this process was forked from must not be wound up twice
    return 0


def _await_ready(descriptor: int, count: int) -> None:
    """Wait for so many lines."""
    seen = 0
    while seen < count:
        chunk = os.read(descriptor, 65_536)
        if not chunk:
            raise RuntimeError(f"only {seen} of {count} nodes became ready")
        seen += chunk.count(b"\n")


def _reap(pids: list[int]) -> None:
    """Wait for the ends of the nodes, and insist after a while."""
    until_s = time.monotonic() + _STOP_S
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > until_s:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)


def main() -> None:
    """Fork the nodes, say their process ids, and wait."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--net", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    plan = chain_plan(options.nodes, options.net, options.folder)
    ready, tell = os.pipe()
    leash = os.pipe()
    pids: list[int] = []
    try:
        pids += [_fork(plan, placement, tell, leash) for placement in plan.placements]
        os.close(tell)
        _await_ready(ready, len(pids))
        say({"pids": pids})
        sys.stdin.read()
    finally:
        os.close(leash[1])
        _reap(pids)


if __name__ == "__main__":
    main()
