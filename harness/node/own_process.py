"""What a process says of itself to the system, and what the system does to it when its parent ends (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Sequence
from pathlib import Path

_SET_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""Fields of /proc/PID/stat after the name, counted from 0; see proc(5), arg_start and arg_end."""


def die_with_parent(parent: int) -> None:
    """Have the system end this process (SIGTERM) when its parent does; at once, where that has happened already.

    Args:
        parent: process id of the parent that it was started by.
    """
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def adopt_grandchildren() -> None:
    """Become the parent of whatever a child of this process started, when that child ends."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def threads_running() -> int:
    """Threads of this process, those that no Python code started among them."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def show_command_line(arguments: Sequence[str]) -> None:
    """Show another command line in /proc/PID/cmdline, as `ps` and psutil read it.

    It is written over the first one, with a space between two arguments, and cut to its length; the environment
    behind it is left alone.
    """
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    begin, end = int(fields[_ARGUMENTS_BEGIN]), int(fields[_ARGUMENTS_END])
    room = end - begin - 1
    if begin == 0 or room <= 0:
        return  # the kernel does not tell, or there is none
    text = b" ".join(os.fsencode(argument) for argument in arguments)[: room - 1]
    # A last byte that is not zero tells the kernel that this is one text, which ends with its first zero.
    ctypes.memmove(begin, text.ljust(room, b"\0") + b".", room + 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
