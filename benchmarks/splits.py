"""Splits of convolutions beside the layers whole: `python -m benchmarks.splits`, a Markdown page and JSON beside it.

Each part is the Keras block that a node loads, its input is cut and its output put together by the code of a farm's
messages. So the error is that of a farm, without the network.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks.markdown import table
from benchmarks.samples import ratios, spread
from harness.models.catalogue import model
from harness.models.frames import frame_pool
from harness.models.graph import Conv2D, ModelGraph
from harness.models.split import Split, weight_slices
from harness.models.weights import Floats, SeededWeights
from harness.partition.codec import encode
from harness.partition.gather import Gather, Payload, cut_out
from harness.partition.partition import INITIAL, Partition, Role
from harness.partition.wire import Wire
from harness.records.environment import environment
from harness.runtime.choice import difference
from harness.runtime.device import configure
from harness.runtime.keras_block import load_block
from harness.runtime.own_threads import own_threads

SPANS: Final = {
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5", "rescale-flatten"),
    "vgg16": ("block1_conv2", "block3_conv2", "block5_conv1", "block1_conv1-block1_pool"),
}
"""Model -> layers that are split: one convolution in every way, several together by rows."""
GOAL: Final = 1e-5
"""Largest difference from the unsplit layer, as a share of the largest output (issue 7)."""
WRONG: Final = 1e-3
"""What the control must be off by at least."""
Call = Callable[[], Any]

_SEED: Final = 2018
_KINDS: Final = (Split.OUTPUT_CHANNELS, Split.INPUT_CHANNELS, Split.ROWS)
_METHOD: Final = (
    "One frame, one thread, biases that are not zero. The error is the largest difference of any output from the",
    "unsplit block's, as a share of the largest output; the control is the same with zeros in place of the last part's",
    "result, and must be large. Times are processor time of one call of the plain Keras function; the whole block and",
    "all parts take turns. Ratios are those of the slowest part to the whole, round by round, median and range; behind",
    "them stands what equal shares would give. MB in and out are of all parts together, for one frame as float32.",
)


class BiasedWeights(SeededWeights):
    """Seeded kernels with biases that are not zero: with zeros a bias could be added twice, and nobody would see."""

    def layer(
        self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1, split: Split = Split.COLUMNS
    ) -> dict[str, Floats]:
        """See `WeightSource.layer`."""
        found = super().layer(graph, name, part, parts, split)
        if "bias" in found:
            shapes = graph.parameter_shapes(name)
            whole = np.random.default_rng(len(name)).standard_normal(shapes["bias"]).astype(np.float32) / 10
            found["bias"][...] = whole[weight_slices(shapes, part, parts, split)["bias"]]
        return found


@dataclass(frozen=True)
class Measured:
    """One way of splitting.

    Attributes:
        model: whose layers.
        span: the layers.
        split: along which axis.
        parts: how many.
        error: see the page.
        control: see the page.
        whole_s: processor time of the unsplit block, each round.
        slowest_s: of the slowest part, each round.
        bytes_in: payload bytes that the parts take for a frame.
        bytes_out: payload bytes that they send for a frame.
    """

    model: str
    span: str
    split: str
    parts: int
    error: float
    control: float
    whole_s: tuple[float, ...]
    slowest_s: tuple[float, ...]
    bytes_in: int
    bytes_out: int


def cut_of(graph: ModelGraph, span: str, parts: int, split: Split = Split.COLUMNS) -> Partition:
    """A partition with some layers in a role of their own, named `span`."""
    first, _, last = span.partition("-")
    names = [layer.name for layer in graph.layers]
    begin, end = names.index(first), names.index(last or first) + 1
    roles = [
        Role("before", tuple(names[:begin])),
        Role("span", tuple(names[begin:end]), parts=parts, split=split if parts > 1 else Split.COLUMNS),
        Role("behind", tuple(names[end:])),
    ]
    return Partition(span, graph, tuple(role for role in roles if role.layers))


def measure_span(name: str, span: str, counts: Sequence[int], rounds: int) -> list[Measured]:
    """Split some layers in every way that there is for them.

    Args:
        name: of the model.
        span: one layer, or the first and the last one with a dash between.
        counts: numbers of parts.
        rounds: calls of each block that are timed.
    """
    graph, weights = model(name), BiasedWeights(_SEED)
    whole_cut = cut_of(graph, span, 1)
    tensor: Any = frame_pool(_SEED, 1, graph.input_shape)[0]
    if whole_cut.roles[0].name == "before":
        (tensor,) = load_block(whole_cut.block("before", 0), weights)(tensor)
    whole = load_block(whole_cut.block("span", 0), weights)
    right = whole(tensor)
    alone = isinstance(graph.layer(span.partition("-")[0]), Conv2D) and "-" not in span
    found = []
    for split in _KINDS if alone else (Split.ROWS,):
        for parts in counts:
            if split is Split.INPUT_CHANNELS and parts > tensor.shape[-1]:
                continue  # a picture has three
            cut = cut_of(graph, span, parts, split)
            loaded = [load_block(cut.block("span", part), weights) for part in range(parts)]
            inputs = [_read(cut, part, tensor) for part in range(parts)]
            behind = Gather(cut, cut.roles[-1].name if cut.roles[-1].name == "behind" else INITIAL)
            made: list[Payload] = [encode(one(*read)[0], Wire.F32) for one, read in zip(loaded, inputs, strict=True)]
            lost: list[Payload] = [*made[:-1], bytes(len(made[-1]))]
            error, control = (difference(behind.assemble(one, Wire.F32), right) for one in (made, lost))
            calls: dict[str, Call] = {"whole": partial(whole, tensor)}
            calls |= {
                str(part): partial(one, *read) for part, (one, read) in enumerate(zip(loaded, inputs, strict=True))
            }
            times_s = _interleaved(calls, rounds)
            whole_s = times_s.pop("whole")
            edges = [edge for edge in cut.edges if "span" in (edge.source, edge.target)]
            found.append(
                Measured(
                    name,
                    span,
                    split.value,
                    parts,
                    error,
                    control,
                    tuple(whole_s),
                    tuple(max(round_s) for round_s in zip(*times_s.values(), strict=True)),
                    sum(edge.frame_bytes for edge in edges if edge.target == "span"),
                    sum(edge.frame_bytes for edge in edges if edge.source == "span"),
                )
            )
    return found


def _read(cut: Partition, part: int, tensor: Any) -> tuple[Any, ...]:
    """What a part takes of a tensor, as it comes out of its messages."""
    gather = Gather(cut, "span", part)
    whole = encode(tensor, Wire.F32)
    return gather.assemble([cut_out(message, whole) for message in gather.messages], Wire.F32)


def _interleaved(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    names, times_s = list(calls), {name: list[float]() for name in calls}
    with own_threads({name: _called(call) for name, call in calls.items()}) as own:
        for name in names:
            own[name](None)
        for number in range(rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                begun_s = time.process_time()
                own[name](None)
                times_s[name].append(time.process_time() - begun_s)
    return times_s


def _called(call: Call) -> Callable[[None], Any]:
    return lambda _: call()


def to_lines(found: Sequence[Measured]) -> list[str]:
    """The page."""
    lines = ["## Splits of convolutions", "", *_METHOD, "", "Largest error of each split:", ""]
    counts = sorted({one.parts for one in found})
    rows = []
    for split in dict.fromkeys(one.split for one in found):
        worst = [max(one.error for one in found if (one.split, one.parts) == (split, parts)) for parts in counts]
        rows.append([split, *(f"{error:.1e}" for error in worst)])
    lines += table(["split", *(f"{parts} parts" for parts in counts)], rows)
    for name in dict.fromkeys(one.model for one in found):
        rows = [
            [
                one.span,
                one.split,
                str(one.parts),
                f"{one.error:.1e}",
                f"{one.control:.1e}",
                spread([1000 * second for second in one.whole_s]).show(2),
                f"{ratios(one.slowest_s, one.whole_s).show(2)}, {1 / one.parts:.2f}",
                f"{one.bytes_in / 1e6:.2f}",
                f"{one.bytes_out / 1e6:.2f}",
            ]
            for one in found
            if one.model == name
        ]
        headings = [
            "layers",
            "split",
            "parts",
            "error",
            "control",
            "whole, ms",
            "slowest / whole, equal",
            "MB in",
            "MB out",
        ]
        lines += ["", f"### {name}", "", *table(headings, rows)]
    return lines


@click.command()
@click.option("--model", "names", type=click.Choice(list(SPANS)), multiple=True, help="This one alone.")
@click.option("--parts", "counts", type=click.IntRange(2), multiple=True, default=(2, 3, 4), show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Calls of each block.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("results/bench"), show_default=True)
def main(*, names: tuple[str, ...], counts: tuple[int, ...], rounds: int, output: Path) -> None:
    """Split convolutions of AlexNet and VGG16 in every way; exit code 1 where one is off by more than the goal."""
    configure("cpu", 1)
    found = []
    for name in names or tuple(SPANS):
        for span in SPANS[name]:
            print(f"{name} {span}", file=sys.stderr, flush=True)
            found += measure_span(name, span, counts, rounds)
    page = "\n".join(to_lines(found)) + "\n"
    document = {
        "format": "ck-iot-farm splits",
        "version": 1,
        "environment": environment(),
        "splits": [asdict(one) for one in found],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "splits.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (output / "splits.md").write_text(page, encoding="utf-8")
    print(page, end="")
    worst = max(found, key=lambda one: one.error)
    if not worst.error <= GOAL:
        raise click.ClickException(f"{worst.span} by {worst.split} in {worst.parts} is off by {worst.error:.1e}")
    weakest = min(found, key=lambda one: one.control)
    if not weakest.control >= WRONG:
        raise click.ClickException(f"the control of {weakest.span} by {weakest.split} is off by {weakest.control:.1e}")


if __name__ == "__main__":
    main()
