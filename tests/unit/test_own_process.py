"""What a process says of itself, and what becomes of it when its parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

RENAMED = """
import sys
from harness.node.own_process import show_command_line
show_command_line(sys.argv[1].split("|"))
print("done", flush=True)
sys.stdin.read()
"""

FAMILY = """
import os, sys, time
from harness.node.own_process import adopt_grandchildren, die_with_parent
if sys.argv[1] == "adopt":
    adopt_grandchildren()
child = os.fork()
if child == 0:
    if sys.argv[1] == "leash":
        die_with_parent(os.getppid())
    grandchild = os.fork() if sys.argv[1] != "leash" else 0
    os.write(1, f"{os.getpid()} {grandchild}\\n".encode())  # in one piece: two processes write at once
    if sys.argv[1] != "leash":
        os._exit(0)
    time.sleep(60)
os.waitpid(child, 0)
sys.stdin.read()
"""


def _start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_command_line_that_is_shown():
    """Another command line stands in /proc, cut to the old one's length; the environment stays."""
    for shown in (["python", "-m", "harness", "node", "--address", "127.0.0.51:12345"], ["x" * 5000]):
        with _start(RENAMED, "|".join(shown)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            seen = psutil.Process(process.pid).cmdline()
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            process.communicate()
        if len(shown) > 1:
            assert seen == shown
        else:
            assert 0 < len(seen[0]) <= 5000 + len(RENAMED) + len(sys.executable)
            assert set(seen[0]) == {"x"}
        assert f"PATH={os.environ['PATH']}".encode() in environment


def test_a_child_that_dies_with_its_parent():
    """A process with a leash ends when its parent is killed."""
    with _start(FAMILY, "leash") as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline().split()[0]))
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
        gone, _ = psutil.wait_procs([child], timeout=20)
    assert gone


def test_grandchildren_are_adopted():
    """Where a process asks for it, what its child leaves behind becomes its own; the control leaves it to others."""
    for how, mine in (("adopt", True), ("leave", False)):
        with _start(FAMILY, how) as parent:
            assert parent.stdout is not None
            words = {line.split()[1] for line in (parent.stdout.readline(), parent.stdout.readline())} - {"0"}
            grandchild = int(words.pop())
            give_up_s = time.monotonic() + 10
            while True:
                children = {child.pid for child in psutil.Process(parent.pid).children()}
                if (grandchild in children) == mine or time.monotonic() > give_up_s:
                    break
                time.sleep(0.01)
            assert (grandchild in children) == mine
            parent.communicate()
