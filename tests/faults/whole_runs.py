"""`iot-farm run` as a process of its own, taken hold of in its measured window."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farms import Farm

from harness.errors import BadInputError
from harness.records.store import read_record

FRAMES = 60
WAIT_S = 60


def run_command(farm: Farm, out: Path, *options: str) -> list[str]:
    """The command line of a run that files into `out`."""
    return [sys.executable, "-m", "harness", "run", "--target", str(farm.file), "--out", str(out), *options]


@contextmanager
def measuring(farm: Farm, out: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A run, as soon as it is in its measured window; it is over at the end of the block."""
    with subprocess.Popen(
        run_command(farm, out, *options),
        env={**os.environ, **farm.environment, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        try:
            seen = ""
            while "measuring" not in seen:
                line = run.stderr.readline()
                assert line, seen
                seen += line
            yield run
        finally:
            run.kill()


def ended(run: subprocess.Popen[str]) -> str:
    """Wait for the end of a run; what it still said."""
    _, rest = run.communicate(timeout=WAIT_S)
    assert "Traceback" not in rest, rest
    return rest


def only_record(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The one record of a folder."""
    (path,) = folder.glob("*.json")
    return path, read_record(path)


def unreadable(folder: Path) -> list[Path]:
    """Files that look like records and are none."""
    bad = []
    for path in folder.glob("*.json"):
        try:
            read_record(path)
        except BadInputError:
            bad.append(path)
    return bad
