"""Coverage-guided fuzzing of what reads a stranger's bytes: does anything escape that was not declared?

`python -m benchmarks.audit fuzz --runs 1000000` shares the runs among the entries of `fuzz_entries`, one process of
atheris for each, and prints one table. Input that breaks an entry is kept in a file; `--replay FILE` runs it again.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.audit.fuzz_entries import ENTRIES
from benchmarks.goal import Goal
from benchmarks.markdown import table
from harness.errors import BadInputError, MissingPackageError, UserError

RUNS: Final = 1_000_000
SHARES: Final = {
    "http": 25,
    "connection": 20,
    "frames": 15,
    "handshake": 10,
    "declare": 5,
    "respond": 10,
    "answer": 5,
    "identity": 10,
}
"""Hundredths of the runs."""


@dataclass(frozen=True)
class Fuzzed:
    """What came of one entry.

    Attributes:
        entry: its name.
        runs: how many inputs it had.
        edges: places in the code that they reached, as atheris counts them.
        took_s: in all.
        finds: files with input that breaks it.
        said: the last lines of a process that found something.
    """

    entry: str
    runs: int
    edges: int
    took_s: float
    finds: tuple[Path, ...]
    said: str


def fuzz(entry: str, runs: int, seed: int, finds: Path) -> Fuzzed:
    """Fuzz one entry in a process of its own, until the runs are over or something is found.

    Args:
        entry: of `ENTRIES`.
        runs: how many inputs.
        seed: of the random choices.
        finds: folder for input that breaks the entry.

    Raises:
        MissingPackageError: atheris is not installed.
    """
    if importlib.util.find_spec("atheris") is None:
        raise MissingPackageError("atheris is not installed", 'pip install "ck-iot-farm[fuzz]", or pip install atheris')
    finds.mkdir(parents=True, exist_ok=True)
    before, begin = set(finds.iterdir()), time.perf_counter()
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, "-m", "benchmarks.audit.fuzz_process", entry, corpus, f"-runs={runs}"]
        command += [f"-seed={seed}", f"-artifact_prefix={finds}/{entry}-", "-print_final_stats=1"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    ran = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    edges = re.findall(r" cov: (\d+) ", done.stderr)
    found = tuple(sorted(set(finds.iterdir()) - before))
    said = "" if done.returncode == 0 and not found else (done.stdout + done.stderr)[-4000:]
    took_s = time.perf_counter() - begin
    return Fuzzed(entry, int(ran[1]) if ran else 0, int(edges[-1]) if edges else 0, took_s, found, said)


def replay(path: Path, entries: Mapping[str, Callable[[bytes], None]] = ENTRIES) -> str:
    """Run one kept input again.

    Args:
        path: file whose name begins with its entry.
        entries: what it may be.

    Returns:
        The traceback; "" where the entry ends as it should.

    Raises:
        BadInputError: there is no such file, or its name does not begin with an entry.
    """
    entry = entries.get(path.name.partition("-")[0])
    if entry is None:
        raise BadInputError(f"the name of {path} does not say its entry", f"it begins with {', '.join(entries)} and -")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}", "name a file that fuzzing has kept") from error
    try:
        entry(data)
    except Exception:  # noqa: BLE001  whatever it is: that is what is looked for
        return traceback.format_exc()
    return ""


def goals(fuzzed: list[Fuzzed], runs: int) -> list[Goal]:
    """What the figures should be."""
    escaped = sum(bool(one.said) for one in fuzzed)
    return [
        Goal("runs", sum(one.runs for one in fuzzed), runs, at_least=True, digits=0),
        Goal("entries with something uncaught", escaped, 0, at_least=False, digits=0),
    ]


def main() -> int:
    """Print one table; 0 where every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="in all; an entry has its share")
    parser.add_argument("--entry", choices=sorted(ENTRIES), help="this one alone")
    parser.add_argument("--seed", type=int, default=2018)
    parser.add_argument(
        "--finds", type=Path, default=Path("results/fuzz"), help="folder for input that breaks an entry"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one kept input again")
    chosen = parser.parse_args()
    try:
        return _replay(chosen.replay) if chosen.replay else _fuzz(chosen)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _fuzz(chosen: argparse.Namespace) -> int:
    shares = {chosen.entry: 100} if chosen.entry else SHARES
    fuzzed = []
    for entry, share in shares.items():
        fuzzed.append(fuzz(entry, -(-chosen.runs * share // 100), chosen.seed, chosen.finds))
    judged = goals(fuzzed, chosen.runs)
    print("\n".join(table(["goal", "measured", "aim", "met"], [goal.row() for goal in judged])) + "\n")
    rows = [[one.entry, f"{one.runs:,}", f"{one.edges:,}", f"{one.took_s:.0f} s"] for one in fuzzed]
    print("\n".join(table(["entry", "runs", "edges reached", "took"], rows)))
    for one in fuzzed:
        if one.said:
            print(f"\n{one.entry}, seed {chosen.seed}:\n{one.said}")
        for path in one.finds:
            print(f"again: python -m benchmarks.audit fuzz --replay {path}    input: {path.read_bytes()!r:.2000}")
    return 0 if all(goal.met for goal in judged) else 1


def _replay(path: Path) -> int:
    said = replay(path)
    print(said or f"{path}: the entry ends as it should")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
