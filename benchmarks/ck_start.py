"""What `ck run` adds to the `python -m harness` that it starts: `python -m benchmarks.ck_start`.

The program is a real, short run, so that CK walks its whole path to the figures. Its own length is of no account: a
shell script in the place of Python stamps its begin and end, and CK's lines are stamped as they come. An entry that
does nothing, run by the same CK in the same rounds, shows how much of it no entry could save.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from benchmarks.ck_home import EMPTY, TMP, CkHome
from benchmarks.contestant import BenchmarkError
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.samples import Spread, spread

KEY = "benchmark-alexnet-single-device-cpu"
FRAMES = 2
AIM_S = 0.6
_TIMEOUT_S = 300.0

# Phase -> the line of CK 2.6.4 that ends it; the program's begin and end are stamps of ours.
_BEFORE = {
    "Python, CK's kernel, finding the program": "* request-iot-benchmark",
    "looking at the machine": "Resolving software dependencies",
    "Python, Keras and TensorFlow": "(sleep 0.5 sec ...)",
    "CK's own `sleep`": "(run ...)",
}
_SHELL = "shells, chmod, env.sh"
_AFTER = "after the program: reading the figures, ending"
PHASES = (*_BEFORE, _SHELL, _AFTER)


@dataclass(frozen=True)
class Round:
    """One `ck run`, the same command without CK, and CK with nothing to run.

    Attributes:
        ck_s: wall time of `ck run`.
        direct_s: wall time of `python -m harness ck run` with the same variables.
        program_s: wall time of the program inside of `ck run`.
        phases_s: the rest of `ck_s`, by phase.
        cpu_s: processor time of `ck run` without its program.
        empty_s: wall time of `ck run` with an entry that has no dependencies and the command `true`.
    """

    ck_s: float
    direct_s: float
    program_s: float
    phases_s: dict[str, float]
    cpu_s: float
    empty_s: float

    @property
    def added_s(self) -> float:
        """What CK added before and after the program."""
        return sum(self.phases_s.values())


@dataclass(frozen=True)
class CkStart:
    """Some rounds of the three; what begins a round changes.

    Attributes:
        rounds: in their order.
    """

    rounds: tuple[Round, ...]

    @property
    def added(self) -> Spread:
        """Seconds that CK added to its program, by stamps."""
        return spread([found.added_s for found in self.rounds])

    @property
    def difference(self) -> Spread:
        """Wall time of `ck run` less that of the direct command: the same question, with the noise of two programs."""
        return spread([found.ck_s - found.direct_s for found in self.rounds])

    @property
    def cpu(self) -> Spread:
        """Processor time of what CK adds; unlike wall times it hardly depends on who else computes."""
        return spread([found.cpu_s for found in self.rounds])

    @property
    def empty(self) -> Spread:
        """Seconds of `ck run` with nothing to do: what no entry of ours can save."""
        return spread([found.empty_s for found in self.rounds])

    @property
    def ours(self) -> Spread:
        """What our entry costs beyond that: its dependencies and figures."""
        return spread([found.added_s - found.empty_s for found in self.rounds])

    def phase(self, name: str) -> Spread:
        """Seconds of one phase."""
        return spread([found.phases_s[name] for found in self.rounds])

    def goals(self) -> list[Goal]:
        """The aim of the project."""
        return [Goal.of("`ck run` beyond `python -m harness`", self.added, AIM_S, at_least=False, unit=" s", digits=3)]

    def to_document(self) -> dict[str, Any]:
        """Raw figures, and what follows from them."""
        return {
            "key": KEY,
            "frames": FRAMES,
            "rounds": [asdict(found) for found in self.rounds],
            "added_s": asdict(self.added),
            "difference_s": asdict(self.difference),
            "cpu_s": asdict(self.cpu),
            "empty_s": asdict(self.empty),
            "ours_s": asdict(self.ours),
            "phases_s": {name: asdict(self.phase(name)) for name in PHASES},
        }

    def to_lines(self) -> list[str]:
        """Its part of the page."""
        rows = [[name, self.phase(name).show(3)] for name in PHASES]
        return [
            "## `ck run` around its program",
            "",
            f"{len(self.rounds)} rounds: `ck run program:request-iot-benchmark --cmd_key={KEY}`, {FRAMES} frames, and",
            "the `python -m harness` that it starts. Stamps around the program inside of `ck run` leave what CK adds:",
            f"**{self.added.show(3)} s**, {self.cpu.show(3)} s of it processor time. The difference of the two wall",
            f"times, with the noise of two whole runs in it: {self.difference.show(3)} s. With an entry that has no",
            f"dependencies and does nothing the same CK takes {self.empty.show(3)} s; what ours adds to that is",
            f"{self.ours.show(3)} s.",
            "",
            *table(["phase", "s"], [*rows, ["all", self.added.show(3)]]),
        ]


def measure_ck(rounds: int, say: Callable[[str], None]) -> CkStart:
    """Measure in a $CK_REPOS of its own, which is removed afterwards; the first round is not counted.

    Args:
        rounds: how many count.
        say: is told of each round.

    Raises:
        BenchmarkError: no `ck`, a run failed or gave no figures, or CK did not print what ends a phase.
    """
    measured = []
    with tempfile.TemporaryDirectory(prefix="ck-start-") as folder:
        home = CkHome(Path(folder))
        slots: list[Callable[[CkHome], dict[str, Any]]] = [_ck_run, _direct, _empty]
        for number in range(rounds + 1):
            first = number % len(slots)
            parts: dict[str, Any] = {}
            for slot in (*slots[first:], *slots[:first]):
                parts |= slot(home)
            found = Round(**parts)
            say(
                f"  round {number} of {rounds}: CK added {found.added_s:.3f} s, {found.cpu_s:.3f} s of it CPU; "
                f"{found.empty_s:.3f} s with nothing to do"
            )
            if number:  # the first one writes byte code, CK's folders, and the answers that runs are compared with
                measured.append(found)
    return CkStart(tuple(measured))


def _direct(home: CkHome) -> dict[str, Any]:
    """The program without CK: its wall time."""
    environ = {**home.environ, "STAT_REPEAT": str(FRAMES)}
    elapsed_s = _wall_s(home, [sys.executable, "-m", "harness", "ck", "run", KEY], environ)
    _require_figures(home.folder)
    return {"direct_s": elapsed_s}


def _empty(home: CkHome) -> dict[str, Any]:
    """CK with nothing to run: its wall time."""
    return {"empty_s": _wall_s(home, [*_ck(), f"program:{EMPTY}"], home.environ)}


def _ck_run(home: CkHome) -> dict[str, Any]:
    """One `ck run`, taken apart."""
    begin_s = time.time()
    with subprocess.Popen(
        [*_ck(), "program:request-iot-benchmark", f"--cmd_key={KEY}", f"--env.STAT_REPEAT={FRAMES}"],
        cwd=home.folder,
        env=home.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        lines = [(line.strip(), time.time()) for line in process.stdout]
        _, status, used = os.wait4(process.pid, 0)
        end_s = time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkError(f"`ck run` failed: {lines[-1][0] if lines else 'it printed nothing'}")
    _require_figures(home.repos / TMP)
    stamps = home.stamps()
    marks = [begin_s, *_marks(lines)]
    phases_s = {name: after - before for name, (before, after) in zip(_BEFORE, pairwise(marks), strict=True)}
    phases_s[_SHELL] = stamps.begin_s - marks[-1]
    phases_s[_AFTER] = end_s - stamps.end_s
    return {
        "ck_s": end_s - begin_s,
        "program_s": stamps.end_s - stamps.begin_s,
        "phases_s": phases_s,
        "cpu_s": used.ru_utime + used.ru_stime - stamps.cpu_s,
    }


def _ck() -> list[str]:
    return [str(Path(sys.executable).with_name("ck")), "run"]


def _wall_s(home: CkHome, command: list[str], environ: dict[str, str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=home.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT_S,
        check=False,
    )
    elapsed_s = time.perf_counter() - begin
    if done.returncode:
        raise BenchmarkError(f"`{' '.join(command)}` failed: {done.stdout.decode(errors='replace')[-300:]}")
    return elapsed_s


def _marks(lines: list[tuple[str, float]]) -> list[float]:
    """When each line of `_BEFORE` came, in their order."""
    marks = []
    at = 0
    for text in _BEFORE.values():
        while at < len(lines) and not lines[at][0].startswith(text):
            at += 1
        if at == len(lines):
            raise BenchmarkError(f"`ck run` did not print '{text}'; this benchmark knows ck 2.6.4")
        marks.append(lines[at][1])
    return marks


def _require_figures(folder: Path) -> None:
    """Read the figures of a run and remove them: every frame verified, or it does not count."""
    path = folder / "tmp-ck-timer.json"
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BenchmarkError(f"the run left no figures in {folder}") from None
    path.unlink()
    if figures["frames_verified"] != FRAMES:
        raise BenchmarkError(f"{figures['frames_verified']} of {FRAMES} frames were verified")


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="How many count.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the figures there too, as JSON.")
def main(*, rounds: int, output: Path | None) -> None:
    """Measure what `ck run` adds to the program that it starts."""
    try:
        found = measure_ck(rounds, lambda line: print(line, file=sys.stderr, flush=True))
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    rows = [goal.row() for goal in found.goals()]
    print("\n".join([*found.to_lines(), "", *table(["goal", "measured", "aim", "met"], rows)]))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(found.to_document(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
