"""What is known about a device and its software; what is not known is "unknown", never guessed."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import string
import subprocess
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = (
    *("ck-iot-farm", "ck", "tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "onnxruntime", "openvino"),
    *("avro", "httptools", "numpy", "pyvisa-py"),
)
UNKNOWN = "unknown"
_ROOT = Path("/")
_CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"
_THERMAL = "sys/class/thermal"
_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_COMMAND_S = 5.0
_MILLI = 1000.0

THROTTLED_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits 0-3 of the Raspberry Pi's get_throttled say what is so now; 16-19 what was so since the start."""
SINCE_START = 16


def environment(root: Path = _ROOT) -> dict[str, Any]:
    """Describe the device at this moment.

    Args:
        root: where its /proc and /sys are.

    Returns:
        ``machine``, ``system``, ``kernel``, ``board``, ``cpu``, ``cores``; ``governor`` and clocks in kHz
        (``frequency_khz``, ``frequency_min_khz``, ``frequency_max_khz``); ``throttled`` (the number of the Raspberry
        Pi's firmware); ``temperature_c``; ``memory_bytes``, ``memory_available_bytes``, ``swap_used_bytes``;
        ``load_1min``; ``clock_utc`` (the device's own time of day); ``uptime_s``; ``python``, ``packages``,
        ``revision``. Whatever cannot be read is "unknown".
    """
    memory = psutil.virtual_memory()
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "kernel": platform.release(),
        "board": _read(root / "proc/device-tree/model"),
        "cpu": _cpu_name(root),
        "cores": len(os.sched_getaffinity(0)),
        "governor": _read(root / _CPUFREQ / "scaling_governor"),
        "frequency_khz": _number(root / _CPUFREQ / "scaling_cur_freq"),
        "frequency_min_khz": _number(root / _CPUFREQ / "scaling_min_freq"),
        "frequency_max_khz": _number(root / _CPUFREQ / "scaling_max_freq"),
        "throttled": _throttled(root),
        "temperature_c": _temperature_c(root),
        "memory_bytes": memory.total,
        "memory_available_bytes": memory.available,
        "swap_used_bytes": psutil.swap_memory().used,
        "load_1min": os.getloadavg()[0],
        "clock_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "uptime_s": round(time.time() - psutil.boot_time(), 1),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "revision": _revision(Path(__file__).parents[2]),
    }


def _read(path: Path) -> str:
    try:
        # As bytes: text mode would make other line ends of those that stand there.
        return path.read_bytes().decode("ascii").strip(string.whitespace + "\0") or UNKNOWN
    except (OSError, UnicodeDecodeError):
        return UNKNOWN


def _number(path: Path) -> int | str:
    text = _read(path)
    return int(text) if text.isdecimal() else UNKNOWN


def _throttled(root: Path) -> int | str:
    """The bits of get_throttled, from the kernel's file or from the firmware's own tool."""
    text = _read(root / _THROTTLED_FILE)
    tool = shutil.which("vcgencmd") if text == UNKNOWN and root == _ROOT else None
    if tool:
        try:
            done = subprocess.run(  # noqa: S603  a fixed command
                [tool, "get_throttled"], capture_output=True, text=True, timeout=_COMMAND_S, check=True
            )
            text = done.stdout.strip().removeprefix("throttled=")
        except (OSError, subprocess.SubprocessError):
            return UNKNOWN
    try:
        return int(text, 16)
    except ValueError:
        return UNKNOWN


def _temperature_c(root: Path) -> float | str:
    """The hottest zone that the kernel knows, degrees Celsius."""
    zones = [_number(path) for path in sorted((root / _THERMAL).glob("thermal_zone*/temp"))]
    known = [zone / _MILLI for zone in zones if isinstance(zone, int)]
    return max(known) if known else UNKNOWN


def _cpu_name(root: Path) -> str:
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return UNKNOWN
    for key in ("model name", "Model", "Hardware"):
        for line in lines:
            if line.startswith(key):
                return line.partition(":")[2].strip() or UNKNOWN
    return UNKNOWN


@functools.cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _revision(checkout: Path) -> str:
    """Git revision of the checkout that the code runs from, with "+" when it was edited; as at the first question."""
    if not (checkout / ".git").exists():
        # An installed package may lie in somebody else's checkout, whose revision says nothing about it.
        return UNKNOWN
    try:
        head = subprocess.run(  # noqa: S603  a fixed command
            ["git", "-C", str(checkout), "describe", "--always", "--dirty=+", "--abbrev=12"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return head.stdout.strip() or UNKNOWN
