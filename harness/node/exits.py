"""How a process ended, in words."""

from __future__ import annotations

import os
import signal
from pathlib import Path

_EXIT_CODE = 52 - 3
"""Field of /proc/PID/stat after the name, counted from 0; see proc(5), exit_code."""


def exit_text(code: int) -> str:
    """In words: "ended with exit code 2", or "was killed by SIGKILL" of a negative code, as Python gives them."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def exit_hint(code: int) -> str:
    """What may have been the cause."""
    if code == -signal.SIGKILL:
        return "somebody killed it, or the system did for want of memory: `dmesg` tells"
    return "" if code < 0 else "its own words stand above"


def exit_code_of(pid: int) -> int | None:
    """Exit code of a process that has ended and was not waited for yet; None where nobody can tell any more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] != "Z":
        return None
    return os.waitstatus_to_exitcode(int(fields[_EXIT_CODE]))
