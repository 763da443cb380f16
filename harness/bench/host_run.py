"""One measured run of the whole model on this machine, one frame after the other."""

from __future__ import annotations

import time
from dataclasses import replace

from harness.bench.account import Account
from harness.bench.energy import SETTLE_S, Phases
from harness.bench.ledger import Ledger
from harness.bench.load import IN_HAND_S
from harness.bench.options import RunOptions
from harness.bench.progress import Progress
from harness.bench.reference import Reference
from harness.models.graph import ModelGraph
from harness.partition.block import whole_model
from harness.records.computing import Computing
from harness.runtime.cores import usable_cores
from harness.runtime.device import Device, configure
from harness.runtime.opening import computing_of, open_runtime
from harness.runtime.source import weight_source
from power.phases import PhaseName

WARMUP_FRAMES = 10


def prepare_device(options: RunOptions) -> None:
    """Take the device that the run asks for (a second call does nothing).

    Raises:
        MissingPackageError: TensorFlow, or the GPU asked for, is not there.
    """
    configure(_device(options), _threads(options), options.gpu_memory_percent)


def _device(options: RunOptions) -> Device:
    return "gpu" if options.device == "gpu" else "cpu"


def _threads(options: RunOptions) -> int:
    return options.threads or usable_cores()


def run_on_host(
    graph: ModelGraph,
    options: RunOptions,
    reference: Reference,
    progress: Progress,
    meter: Phases,
    account: Account,
) -> tuple[Ledger, float, Computing]:
    """Measure the single device; the window holds computing and checking, nothing else.

    Idle phases stand around it where its energy is measured, and the warm-up lets the meter find its range.

    Returns:
        The account of the window, the CPU seconds that this process used in it, and what computed.

    Raises:
        MissingPackageError: a package of the runtime, or the GPU asked for, is not there.
        BadInputError: the weights file does not fit.
    """
    progress.phase("building the model")
    if options.weights is not None:
        prepare_device(options)  # Keras reads the file, whatever computes with it
    device = _device(options)
    runtime = open_runtime(
        options.wanted, device=device, threads=_threads(options), gpu_memory_percent=options.gpu_memory_percent
    )
    whole = runtime.load(whole_model(graph), weight_source(graph, seed=options.seed, weights=options.weights))
    told = replace(computing_of(runtime, device), choice=whole.choice)
    warmup = WARMUP_FRAMES if options.warmup is None else options.warmup
    progress.phase("warm-up", warmup)
    until_s, number = time.monotonic() + meter.ranging_s, 0
    while number < warmup or time.monotonic() < until_s:
        whole(reference.images[number % len(reference.images)])
        number += 1
        progress.frame()
    meter.fix_range()
    ledger = account.ledger = Ledger(replace(options, plain=told.plain).tolerance)
    _idle("idle before", meter, progress)
    progress.phase("measuring", None if options.least_s else options.frames)
    with meter.phase("run"):
        cpu_before_s = time.process_time()
        until_s, frame = time.monotonic() + options.least_s + IN_HAND_S, 0
        while frame < options.frames or (options.least_s and time.monotonic() < until_s):
            image = frame % len(reference.images)
            ledger.sent(frame, image, time.monotonic())
            (output,) = whole(reference.images[image])
            error = reference.error(image, output)
            ledger.replied(frame, error, time.monotonic())
            progress.frame()
            frame += 1
        cpu_s = time.process_time() - cpu_before_s
    _idle("idle after", meter, progress)
    return ledger, cpu_s, told


def _idle(name: PhaseName, meter: Phases, progress: Progress) -> None:
    if meter.idle_s:
        progress.phase(name)
        time.sleep(SETTLE_S)
        with meter.phase(name):
            time.sleep(meter.idle_s)
