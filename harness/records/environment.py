"""What is known about this machine and its software; what is not known is "unknown", never guessed."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("ck-iot-farm", "ck", "tensorflow", "tensorflow-cpu", "keras", "avro", "httptools", "numpy")
UNKNOWN = "unknown"


def environment() -> dict[str, Any]:
    """Describe the machine, its processor's clock, memory, load and the packages in use."""
    memory = psutil.virtual_memory()
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "frequency_khz": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")),
        "memory_bytes": memory.total,
        "memory_available_bytes": memory.available,
        "load_1min": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "revision": _revision(Path(__file__).parents[2]),
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip() or UNKNOWN
    except (OSError, UnicodeDecodeError):
        return UNKNOWN


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return UNKNOWN
    for key in ("model name", "Model", "Hardware"):
        for line in lines:
            if line.startswith(key):
                return line.partition(":")[2].strip() or UNKNOWN
    return UNKNOWN


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _revision(checkout: Path) -> str:
    """Git revision of the checkout that the code runs from, with "+" when it was edited."""
    if not (checkout / ".git").exists():
        # An installed package may lie in somebody else's checkout, whose revision says nothing about it.
        return UNKNOWN
    try:
        head = subprocess.run(  # noqa: S603  a fixed command
            ["git", "-C", str(checkout), "describe", "--always", "--dirty=+", "--abbrev=12"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return head.stdout.strip() or UNKNOWN
