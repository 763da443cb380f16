"""How long `iot-farm --help` takes to start, beside a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.contestant import BenchmarkError

HELP = "iot-farm --help"
BARE = "python -c pass"

_COMMANDS = {
    HELP: [str(Path(sys.executable).with_name("iot-farm")), "--help"],
    BARE: [sys.executable, "-c", "pass"],
}


def command_start(repeats: int) -> dict[str, list[float]]:
    """Wall time in seconds of whole processes, both commands in turn, warm caches.

    Raises:
        BenchmarkError: one of them is not there, or failed.
    """
    samples: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for name in _COMMANDS:
        _time(name)  # reads the files from disk once
    for _ in range(repeats):
        for name, found in samples.items():
            found.append(_time(name))
    return samples


def _time(name: str) -> float:
    begin = time.perf_counter()
    try:
        subprocess.run(_COMMANDS[name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchmarkError(f"`{name}` cannot be started: {error}") from error
    return time.perf_counter() - begin
