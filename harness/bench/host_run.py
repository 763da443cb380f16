"""One measured run of the whole model on this machine, one frame after the other."""

from __future__ import annotations

import os
import time

from harness.bench.ledger import Ledger
from harness.bench.options import RunOptions
from harness.bench.progress import Progress
from harness.bench.reference import Reference
from harness.models.graph import ModelGraph
from harness.partition.block import whole_model
from harness.runtime.device import Device, configure
from harness.runtime.keras_block import load_block
from harness.runtime.source import weight_source

WARMUP_FRAMES = 10


def prepare_device(options: RunOptions) -> None:
    """Take the device that the run asks for (a second call does nothing).

    Raises:
        MissingPackageError: TensorFlow, or the GPU asked for, is not there.
    """
    device: Device = "gpu" if options.device == "gpu" else "cpu"
    configure(device, options.threads or len(os.sched_getaffinity(0)), options.gpu_memory_percent)


def run_on_host(
    graph: ModelGraph, options: RunOptions, reference: Reference, progress: Progress
) -> tuple[Ledger, float]:
    """Measure the single device; the window holds computing and checking, nothing else.

    Returns:
        The account of the window, and the CPU seconds that this process used in it.

    Raises:
        MissingPackageError: TensorFlow, or the GPU asked for, is not there.
        BadInputError: the weights file does not fit.
    """
    prepare_device(options)
    progress.phase("building the model")
    whole = load_block(whole_model(graph), weight_source(graph, seed=options.seed, weights=options.weights))
    warmup = WARMUP_FRAMES if options.warmup is None else options.warmup
    progress.phase("warm-up", warmup)
    for number in range(warmup):
        whole(reference.images[number % len(reference.images)])
        progress.frame()
    ledger = Ledger(options.tolerance)
    progress.phase("measuring", options.frames)
    cpu_before_s = time.process_time()
    for frame in range(options.frames):
        image = frame % len(reference.images)
        ledger.sent(frame, image, time.monotonic())
        (output,) = whole(reference.images[image])
        error = reference.error(image, output)
        ledger.replied(frame, error, time.monotonic())
        progress.frame()
    return ledger, time.process_time() - cpu_before_s
