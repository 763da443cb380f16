"""The profile of this machine: every layer of a model computed by itself, and each dense layer also in parts."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import psutil

from harness.bench.progress import Progress
from harness.models.graph import Dense, ModelGraph
from harness.models.weights import SeededWeights
from harness.partition.block import Block, whole_model
from harness.profile.fit import Point, features_of, fit, kind_of
from harness.profile.profile import Device, Fit, LayerFigure, ModelFigures, Profile, rounded
from harness.profile.shipped import HOST
from harness.records.computing import Wanted
from harness.records.environment import environment
from harness.runtime.cores import usable_cores
from harness.runtime.keras_block import build_function, compute_with
from harness.runtime.loaded_block import Runtime, sample_inputs
from harness.runtime.opening import computing_of, open_runtime

_PARTS: Final = (1, 2, 4)
_LEAST_FRAMES: Final = 5
_MOST_FRAMES: Final = 200


@dataclass(frozen=True)
class _Loaded:
    """What was seen of one block."""

    warm_s: float
    cold_s: float | None
    memory_bytes: int
    page_faults: int | None


def profile_host(
    graph: ModelGraph,
    *,
    wanted: Wanted,
    threads: int,
    seed: int,
    layer_s: float,
    idle_w: float | None,
    load_w: float | None,
    progress: Progress,
) -> Profile:
    """Measure this machine.

    The cold time is that of the first frame through the plain compiled function, the warm one the median of what
    follows in the way that nodes would take. Cache misses are unknown: nothing here counts them.

    Args:
        graph: the model.
        wanted: what computes.
        threads: inside one operation; a node of a farm on this machine has one.
        seed: of the weights.
        layer_s: seconds of computing for each layer, after which no further frame begins.
        idle_w: watts of the idle machine, if somebody knows them.
        load_w: watts of the busy machine, likewise.
        progress: is told what is measured.

    Raises:
        MissingPackageError: a package of the runtime is not installed.
    """
    runtime = open_runtime(wanted, threads=threads)
    weights = SeededWeights(seed)
    runtime_bytes = psutil.Process().memory_info().rss
    blocks = list(_blocks(graph))
    told = computing_of(runtime, "cpu").software
    source = f"iot-farm profile on this machine: {told}, {threads} thread(s)"
    progress.phase(f"layers of {graph.name}", len(blocks) + 1)
    figures = []
    with _collecting_little():
        seen_of = [_told(progress, _measure(runtime, block, weights, layer_s)) for block in blocks]
        whole = _told(progress, _measure(runtime, whole_model(graph), weights, layer_s * 2))
    for block, seen in zip(blocks, seen_of, strict=True):
        figures.append(
            LayerFigure(
                layer=block.layers[0],
                parts=block.parts,
                warm_s=rounded(seen.warm_s),
                cold_s=None if seen.cold_s is None else rounded(seen.cold_s),
                swapping_s=None,
                memory_bytes=seen.memory_bytes,
                page_faults=seen.page_faults,
                cache_misses=None,
                basis="measured",
                source=source,
            )
        )
    digest = graph.digest()
    models = {graph.name: ModelFigures(digest, tuple(figures), rounded(whole.warm_s), f"{source}, the whole model")}
    return Profile(
        HOST, _device(graph, runtime_bytes, whole, idle_w=idle_w, load_w=load_w), models, _fits(graph, figures)
    )


def _told(progress: Progress, seen: _Loaded) -> _Loaded:
    progress.frame()
    return seen


@contextmanager
def _collecting_little() -> Iterator[None]:
    """The collector looks at what a block leaves behind, not at TensorFlow's million objects before and after each."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _blocks(graph: ModelGraph) -> Iterator[Block]:
    for layer in graph.layers:
        inputs = tuple(dict.fromkeys(layer.inputs))
        for parts in _PARTS:
            splits = isinstance(layer, Dense) and layer.activation != "softmax" and layer.units % parts == 0
            if parts == 1 or splits:
                yield Block(graph, (layer.name,), inputs, (layer.name,), 0, parts)


def _measure(runtime: Runtime, block: Block, weights: SeededWeights, least_s: float) -> _Loaded:
    gc.collect()
    before_bytes = psutil.Process().memory_info().rss
    inputs = sample_inputs(block)
    cold_s, faults = None, None
    if runtime.name == "keras":
        function, _model, _ = build_function(block, weights)
        compute = compute_with(block, function)
        faults_before = _page_faults()
        (cold_s,) = _on_its_own(lambda: [_seconds(lambda: compute(inputs))])
        faults = _page_faults() - faults_before
        del function, _model, compute
        gc.collect()
    loaded = runtime.load(block, weights)
    memory_bytes = max(0, psutil.Process().memory_info().rss - before_bytes)

    def frames_s() -> list[float]:
        loaded(*inputs)
        times_s: list[float] = []
        while len(times_s) < _LEAST_FRAMES or (sum(times_s) < least_s and len(times_s) < _MOST_FRAMES):
            times_s.append(_seconds(lambda: loaded(*inputs)))
        return times_s

    return _Loaded(median(_on_its_own(frames_s)), cold_s, memory_bytes, faults)


def _on_its_own(measure: Callable[[], list[float]]) -> list[float]:
    """On a thread of its own: see `harness.runtime.own_threads` for what the last block leaves behind on one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(measure).result()


def _seconds(compute: Callable[[], Any]) -> float:
    begun_s = time.perf_counter()
    compute()
    return time.perf_counter() - begun_s


def _page_faults() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_minflt + used.ru_majflt


def _device(
    graph: ModelGraph, runtime_bytes: int, whole: _Loaded, *, idle_w: float | None, load_w: float | None
) -> Device:
    weight_bytes = 4 * sum(graph.parameters(layer.name) for layer in graph.layers)
    cpu = str(environment()["cpu"])
    declared = {
        name: "declared by the user" if watts else "unknown" for name, watts in (("idle_w", idle_w), ("load_w", load_w))
    }
    return Device(
        title="unknown processor" if cpu == "unknown" else cpu,
        cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        runtime_bytes=runtime_bytes,
        weight_copies=max(1.0, round(whole.memory_bytes / max(weight_bytes, 1), 3)),
        idle_w=idle_w,
        load_w=load_w,
        swap=None,
        sources={
            "memory_bytes": "as the system tells",
            "runtime_bytes": "resident memory before the first layer was loaded",
            "weight_copies": f"what the whole {graph.name} took beyond that, divided by its weights",
            **declared,
        },
    )


def _fits(graph: ModelGraph, figures: list[LayerFigure]) -> dict[str, Fit]:
    points: dict[str, list[Point]] = {}
    for one in figures:
        if one.warm_s > 0:
            point = Point(features_of(graph, one.layer, one.parts), one.warm_s)
            points.setdefault(kind_of(graph, one.layer), []).append(point)
    return {kind: fit(kind, found, f"the layers of {graph.name}") for kind, found in points.items()}
