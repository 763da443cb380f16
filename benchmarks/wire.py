"""What the wire between blocks costs and spares: `python -m benchmarks.wire`, a Markdown page and JSON beside it.

Part one: one message is encoded and decoded, each way in turn, NumPy's own casts among them. The values are those
behind a ReLU, half of them zero, as at every cut of the paper's. Part two: one farm, `iot-farm run --wire W` in turn,
each run checked; ratios are taken round by round.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks.avro_farm import AvroFarm
from benchmarks.contestant import BenchmarkError
from benchmarks.markdown import table
from benchmarks.samples import ratios, spread
from benchmarks.stand_ins.farm import document_of
from harness.partition.codec import Floats, decode, encode
from harness.partition.paper import partition, partition_names
from harness.partition.wire import Wire
from harness.records.environment import environment

SIZES: Final = (25_088, 100_352, 401_408, 3_211_264)
"""Bytes as float32: what crosses the cuts behind the last pooling of AlexNet and VGG16, two of VGG16's cut in nine."""
SEED: Final = 2018
CAST: Final = "fp16, NumPy's casts"
FRAMES: Final = {"alexnet-5": 400, "alexnet-6": 400}
"""Frames of a run; of VGG16's cuts fewer."""
_FEW: Final = 40
_LINK_BIT_S: Final = 300e6
_LIMITS: Final = (
    "All of this is one machine. Loopback carries gigabytes a second, so that rounding mostly costs here; what it",
    "spares shows on a slow link. The column for 300 Mbit/s is a sum, not a measurement: the bytes on such a link and",
    "the time for encoding and decoding here, which on a Raspberry Pi takes several times as long.",
)


class WireFarm(AvroFarm):
    """A farm whose runs choose the wire."""

    def over(self, wire: Wire) -> dict[str, float]:
        """Metrics of one run.

        Raises:
            BenchmarkError: it is not VALID.
        """
        plain, self._run = self._run, [*self._run, "--wire", wire]
        try:
            found: dict[str, float] = self.slot().details["metrics"]
        finally:
            self._run = plain
        return found


def codec_times_s(size: int, rounds: int) -> dict[str, tuple[list[float], list[float], int]]:
    """Seconds for encoding and for decoding one message of so many float32 bytes, and the payload's bytes.

    Returns:
        Name -> (encoding, decoding, payload bytes); a sample is the mean of several calls in a row.
    """
    values = np.maximum(np.random.default_rng(SEED).standard_normal(size // 4, dtype=np.float32), np.float32(0))
    ways: dict[str, tuple[Callable[[Floats], Any], Callable[[Any], Any]]] = {
        wire.value: (partial(encode, wire=wire), partial(decode, wire=wire)) for wire in Wire
    }
    ways[CAST] = (
        lambda array: array.astype("<f2").data.cast("B"),
        lambda payload: np.frombuffer(payload, "<f2").astype(np.float32),
    )
    times: dict[str, tuple[list[float], list[float], int]] = {}
    for _ in range(rounds):
        for name, (there, back) in ways.items():
            payload = there(values)
            encoding, decoding, _ = times.setdefault(name, ([], [], len(payload)))
            encoding.append(_mean_s(there, values))
            decoding.append(_mean_s(back, payload))
    return times


def _mean_s(call: Callable[[Any], Any], argument: Any) -> float:
    repeats = 5
    begun_s = time.perf_counter()
    for _ in range(repeats):
        call(argument)
    return (time.perf_counter() - begun_s) / repeats


def farm_metrics(name: str, rounds: int, folder: Path) -> dict[str, list[dict[str, float]]]:
    """Metrics of each run on one farm, by wire; each round begins with another one.

    Raises:
        BenchmarkError: the farm failed, or a run is not VALID.
    """
    cut = partition(name)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document_of(name, 0, f"127.{64 + os.getpid() % 64}.7")), encoding="utf-8")
    frames = FRAMES.get(name, _FEW)
    farm = WireFarm(model=cut.graph.name, partition=name, farm_file=file, seed=SEED, frames=frames, folder=folder)
    found: dict[str, list[dict[str, float]]] = {wire.value: [] for wire in Wire}
    try:
        farm.start()
        for number in range(rounds + 1):
            order = [*Wire][number % len(Wire) :] + [*Wire][: number % len(Wire)]
            for wire in order:
                metrics = farm.over(wire)
                if number:  # the first of each is not counted: references are computed, caches are cold
                    found[wire.value].append(metrics)
            print(f"  {name}: round {number} of {rounds}", file=sys.stderr, flush=True)
    finally:
        farm.stop()
    return found


def codec_page(measured: dict[int, dict[str, tuple[list[float], list[float], int]]]) -> list[str]:
    """Lines of the first table."""
    rows = []
    for size, ways in measured.items():
        for name, (encoding, decoding, payload) in ways.items():
            both = [a + b for a, b in zip(encoding, decoding, strict=True)]
            link_s = payload * 8 / _LINK_BIT_S + spread(both).median
            cells = (f"{size:,}", name, f"{payload:,}", _ms(encoding), _ms(decoding), _ms(both))
            rows.append((*cells, f"{1000 * link_s:.2f}"))
    heads = ("bytes as f32", "wire", "bytes", "encode, ms", "decode, ms", "both, ms", "at 300 Mbit/s, ms")
    return [f"## One message, medians of {len(encoding)} (range)", "", *table(heads, rows)]


def farm_page(name: str, found: dict[str, list[dict[str, float]]]) -> list[str]:
    """Lines of the table of a farm."""
    rows = []
    for wire, runs in found.items():
        ips = [run["ips"] for run in runs]
        against = ratios(ips, [run["ips"] for run in found[Wire.F32.value]])
        rows.append(
            (
                wire,
                spread(ips).show(1),
                against.show(2),
                spread([1000 * run["latency_p50_s"] for run in runs]).show(2),
                f"{runs[0]['bytes_per_frame']:,.0f}",
                f"{max(run['largest_error'] for run in runs):.1e}",
                f"{runs[0]['wire_error']:.1e}" if "wire_error" in runs[0] else "0",
            )
        )
    heads = ("wire", "IPS", "of f32", "latency p50, ms", "bytes per frame", "largest error", "error of the wire")
    return [f"## {name}, {len(ips)} runs of each in turn", "", *table(heads, rows)]


def _ms(samples_s: Sequence[float]) -> str:
    return spread([1000 * sample for sample in samples_s]).show(3)


@click.command()
@click.option("--rounds", type=click.IntRange(2), default=5, show_default=True, help="Runs of each wire on a farm.")
@click.option(
    "--farm", "farms", type=click.Choice(partition_names()), multiple=True, default=("alexnet-5",), show_default=True
)
@click.option("--no-farm", is_flag=True, help="Measure the encodings alone.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("results/bench-wire"), show_default=True)
def main(*, rounds: int, farms: Sequence[str], no_farm: bool, output: Path) -> None:
    """Measure encodings, and farms that use them."""
    output.mkdir(parents=True, exist_ok=True)
    codec = {size: codec_times_s(size, 21) for size in SIZES}
    try:
        runs = {} if no_farm else {name: farm_metrics(name, rounds, (output / name).resolve()) for name in farms}
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    page = ["# The wire between blocks", "", *_LIMITS, "", *codec_page(codec)]
    for name, found in runs.items():
        page += ["", *farm_page(name, found)]
    document = {
        "environment": environment(),
        "codec": {str(size): ways for size, ways in codec.items()},
        "farms": runs,
    }
    (output / "wire.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (output / "wire.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    print("\n".join(page))


if __name__ == "__main__":
    main()
