"""A Collective Knowledge of its own, in which every program that `ck run` starts leaves two stamps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestant import BenchmarkError

VARIABLE = "CK_ENV_COMPILER_PYTHON_FILE"
"""What the commands of program:request-iot-benchmark begin with; CK's env.sh of Python sets it."""
TMP = Path("ck-iot-farm-programs/program/request-iot-benchmark/tmp")
"""Where CK runs the program, below $CK_REPOS."""
EMPTY = "nothing"
"""A program entry of the least that CK runs: no dependencies, and `true` for a command."""
_EMPTY_META = {
    "no_compile": "yes",
    "no_target_file": "yes",
    "process_in_tmp": "yes",
    "run_cmds": {"default": {"run_time": {"run_cmd_main": "true"}}},
}
_TIMEOUT_S = 300.0

# bash reads clock and times without starting a process; the last line of `times` is that of the children.
_STAMPING = """#!/bin/bash
begin=$EPOCHREALTIME
'{python}' "$@"
code=$?
echo "$begin $EPOCHREALTIME" > '{stamps}'
times >> '{stamps}'
exit $code
"""


@dataclass(frozen=True)
class Stamps:
    """When a program ran.

    Attributes:
        begin_s: before it was started, in seconds since 1970.
        end_s: after it had ended.
        cpu_s: processor time of it and its children.
    """

    begin_s: float
    end_s: float
    cpu_s: float


class CkHome:
    """$CK_REPOS in an empty folder, with our entries installed and Python replaced by one that stamps.

    Args:
        folder: an empty folder; no spaces in its path.

    Raises:
        BenchmarkError: `ck` is not installed, or the installation failed.
    """

    def __init__(self, folder: Path) -> None:
        self.repos = folder / "CK"
        self.folder = folder / "work"
        self.results = folder / "results"
        self._stamps = folder / "stamps"
        self.folder.mkdir()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CK_", "POWER"))},
            "CK_REPOS": str(self.repos),
            "CK_TOOLS": str(folder / "CK-TOOLS"),
            "IOT_FARM_RESULTS": str(self.results),
            "CUDA_VISIBLE_DEVICES": "",
        }
        self._python("-m", "harness", "ck", "install")
        meta = folder / "nothing.json"
        meta.write_text(json.dumps({"dict": _EMPTY_META}), encoding="utf-8")
        self._python("-m", "ck", "add", f"program:{EMPTY}", f"@{meta}")
        self._stamp_python(folder / "stamping-python")

    def stamps(self) -> Stamps:
        """Stamps of the program that ran last.

        Raises:
            BenchmarkError: none ran since they were read.
        """
        try:
            clock, _, cpu = self._stamps.read_text(encoding="utf-8").replace(",", ".").splitlines()
        except OSError:
            raise BenchmarkError("`ck run` did not start the program") from None
        self._stamps.unlink()  # no run is ever given the stamps of another one
        begin_s, end_s = (float(text) for text in clock.split())
        return Stamps(begin_s, end_s, sum(_seconds(text) for text in cpu.split()))

    def _python(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            said = done.stdout.strip().splitlines() or ["it printed nothing"]
            raise BenchmarkError(f"`python {' '.join(arguments)}` failed: {said[-1]}")

    def _stamp_python(self, script: Path) -> None:
        script.write_text(_STAMPING.format(python=sys.executable, stamps=self._stamps), encoding="utf-8")
        script.chmod(0o755)
        line = f"export {VARIABLE}={sys.executable}\n"
        changed = 0
        for path in (self.repos / "local" / "env").glob("*/env.sh"):
            text = path.read_text(encoding="utf-8")
            if line in text:
                path.write_text(text.replace(line, f"export {VARIABLE}={script}\n"), encoding="utf-8")
                changed += 1
        if changed != 1 or shutil.which("bash") is None:
            raise BenchmarkError(f"{changed} of CK's env.sh name {sys.executable}; one was expected")


def _seconds(text: str) -> float:
    """What bash's `times` prints: 0m1.234s."""
    minutes, _, seconds = text.rstrip("s").partition("m")
    return 60 * float(minutes) + float(seconds)
