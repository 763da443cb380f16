"""Blocks of the paper's farms in every runtime that is installed, one thread each: `python -m benchmarks.runtimes`."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks.contestant import BenchmarkError
from benchmarks.markdown import table
from benchmarks.samples import ratios, spread
from benchmarks.section import Section, Setting
from harness.errors import MissingPackageError
from harness.models.frames import frame_pool
from harness.models.graph import FRAME
from harness.models.weights import SeededWeights
from harness.partition.block import Block
from harness.partition.paper import partition
from harness.records.computing import Wanted
from harness.records.environment import environment
from harness.runtime.choice import difference
from harness.runtime.loaded_block import Compute, LoadedBlock, Runtime
from harness.runtime.opening import open_runtime
from harness.runtime.own_threads import own_threads

CUTS: Final = ("alexnet-5", "vgg16-11")
PLAIN: Final = "keras, function"
CONTESTANTS: Final = {
    PLAIN: Wanted("keras", "f32", "function"),
    "keras, packed": Wanted("keras", "f32", "packed"),
    "keras, xla": Wanted("keras", "f32", "xla"),
    "litert": Wanted("litert"),
    "onnx": Wanted("onnx"),
    "openvino": Wanted("openvino"),
}
_SEED: Final = 2018
_BEYOND: Final = 1e-4
"""Largest difference, as a share of the largest output, that may be rounding: ten times what is usual."""
_METHOD: Final = (
    "Every runtime computes the same block on the same inputs, those of a real frame, in one process with one",
    "thread; they take turns, and each round begins with another one. Times are processor time of one call, the median",
    "over the rounds with the range in brackets; ratios are taken round by round. The difference is the largest of any",
    "output from the plain Keras function's, as a share of the largest output. Loading is processor time, once, and",
    "holds conversion; for `xla` and `packed` the plain function too. What a farm makes of it, its parts show.",
)


@dataclass(frozen=True)
class Timing:
    """One runtime and one block.

    Attributes:
        role: of the block.
        name: of the runtime, one of `CONTESTANTS`.
        load_s: processor time of loading, seconds.
        call_s: of each round.
        differs: from the plain Keras function's outputs, as a share of the largest.
    """

    role: str
    name: str
    load_s: float
    call_s: tuple[float, ...]
    differs: float


@dataclass(frozen=True)
class CutTimings:
    """All blocks of a cut.

    Attributes:
        cut: name of the partition.
        versions: runtime -> packages and versions.
        missing: runtimes that are not installed.
        timings: block after block.
    """

    cut: str
    versions: dict[str, dict[str, str]]
    missing: tuple[str, ...]
    timings: tuple[Timing, ...]


def measure_runtimes(setting: Setting) -> Section:
    """Time every block of `CUTS` in each runtime; a process for each cut.

    Raises:
        BenchmarkError: a runtime gave other numbers than the plain Keras function, or its process was killed.
    """
    rounds = 1 if setting.quick else max(setting.rounds, 5)
    cuts = CUTS[:1] if setting.quick else CUTS
    found = []
    for cut in cuts:
        setting.say(f"  runtimes: blocks of {cut}")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                found.append(pool.submit(time_cut, cut, rounds).result())
            except BrokenProcessPool:
                raise BenchmarkError(f"the process that timed the blocks of {cut} was killed: out of memory?") from None
    return Section(to_lines(found), [], {"cuts": [asdict(one) for one in found]})


def time_cut(name: str, rounds: int) -> CutTimings:
    """Time all blocks of a cut in this process, parts of a role once.

    Raises:
        BenchmarkError: a runtime gave other numbers than the plain Keras function.
    """
    cut = partition(name)
    runtimes, missing = _installed()
    weights = SeededWeights(_SEED)
    tensors: dict[str, Any] = {FRAME: frame_pool(_SEED, 1, cut.graph.input_shape)[0]}
    timings: list[Timing] = []
    for role in cut.roles:
        block = cut.block(role.name, 0)
        inputs = tuple(tensors[tensor] for tensor in block.inputs)
        loaded = {label: _load(runtime, block, weights) for label, runtime in runtimes.items()}
        with own_threads({label: _computing(one) for label, (one, _) in loaded.items()}) as computes:
            call_s = _interleaved(computes, inputs, rounds)
            answers = {label: compute(inputs) for label, compute in computes.items()}
        right = answers[PLAIN]
        for label, (_, load_s) in loaded.items():
            differs = difference(answers[label], right)
            if not differs <= _BEYOND:
                raise BenchmarkError(f"{label} computes {role.name} of {name} otherwise, by {differs:.1e}")
            timings.append(Timing(role.name, label, load_s, tuple(call_s[label]), differs))
        del loaded, computes
        others = [cut.block(role.name, part) for part in range(1, role.parts)]
        parts = [right, *(runtimes[PLAIN].load(other, weights)(*inputs) for other in others)]
        for at, tensor in enumerate(block.outputs):
            tensors[tensor] = np.concatenate([part[at] for part in parts], axis=-1)
    return CutTimings(name, {label: one.versions() for label, one in runtimes.items()}, missing, tuple(timings))


def to_lines(found: list[CutTimings]) -> list[str]:
    """The part of the page."""
    lines = ["## Blocks in each runtime", "", *_METHOD]
    for cut in found:
        rows = []
        for timing in cut.timings:
            plain = next(one for one in cut.timings if one.role == timing.role and one.name == PLAIN)
            milliseconds = spread([one * 1000 for one in timing.call_s]).show(2)
            times = "1" if timing is plain else ratios(plain.call_s, timing.call_s).show(2)
            cells = [timing.role, timing.name, milliseconds, times, f"{timing.differs:.1e}", f"{timing.load_s:.1f}"]
            rows.append(cells)
        headings = ["block", "runtime", "one call, ms", "x as fast as plain", "difference", "loading, s"]
        lines += ["", f"### {cut.cut}", "", *table(headings, rows)]
        if cut.missing:
            lines += ["", f"Not installed: {', '.join(cut.missing)}."]
    return lines


def _installed() -> tuple[dict[str, Runtime], tuple[str, ...]]:
    runtimes, missing = {}, []
    for label, wanted in CONTESTANTS.items():
        try:
            runtimes[label] = open_runtime(wanted)
        except MissingPackageError:
            missing.append(label)
    return runtimes, tuple(missing)


def _load(runtime: Runtime, block: Block, weights: SeededWeights) -> tuple[LoadedBlock, float]:
    begun_s = time.process_time()
    return runtime.load(block, weights), time.process_time() - begun_s


def _computing(block: LoadedBlock) -> Compute:
    return lambda inputs: block(*inputs)


def _interleaved(computes: dict[str, Compute], inputs: tuple[Any, ...], rounds: int) -> dict[str, list[float]]:
    labels, call_s = list(computes), {label: list[float]() for label in computes}
    for label in labels:
        computes[label](inputs)
    for number in range(rounds):
        first = number % len(labels)
        for label in labels[first:] + labels[:first]:
            begun_s = time.process_time()
            computes[label](inputs)
            call_s[label].append(time.process_time() - begun_s)
    return call_s


@click.command()
@click.option("--rounds", type=click.IntRange(5), default=9, show_default=True, help="Interleaved calls of each block.")
@click.option("--quick", is_flag=True, help="Only see that everything works; the figures mean nothing.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("results/bench"), show_default=True)
def main(*, rounds: int, quick: bool, output: Path) -> None:
    """Time the blocks of AlexNet on 5 devices and VGG16 on 11 in every runtime that is installed."""
    setting = Setting(rounds, (), output, quick, lambda line: print(line, file=sys.stderr, flush=True))
    try:
        section = measure_runtimes(setting)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    page = "\n".join(section.lines) + "\n"
    document = {"format": "ck-iot-farm runtimes", "version": 1, "environment": environment(), **section.document}
    output.mkdir(parents=True, exist_ok=True)
    (output / "runtimes.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (output / "runtimes.md").write_text(page, encoding="utf-8")
    print(page, end="")


if __name__ == "__main__":
    main()
