"""One process of the ideal: a whole model, one thread, told by its parent when to compute."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.child import say
from harness.models.catalogue import model
from harness.models.frames import frame_pool
from harness.models.weights import SeededWeights
from harness.partition.block import whole_model
from harness.records.computing import RUNTIMES, WAYS, Wanted
from harness.runtime.device import configure
from harness.runtime.keras_block import load_block
from harness.runtime.opening import open_runtime


def main() -> None:
    """Load, say so, then serve lines of JSON until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--runtime", choices=RUNTIMES, default="keras")
    parser.add_argument("--way", choices=WAYS, default="auto")
    options = parser.parse_args()

    graph = model(options.model)
    weights = SeededWeights(options.seed)
    block = open_runtime(Wanted(options.runtime, "f32", options.way)).load(whole_model(graph), weights)
    images = frame_pool(options.seed, options.images, graph.input_shape)
    block(images[0])
    say({"ready": block.fingerprint, "way": block.choice.way})

    for line in sys.stdin:
        request = json.loads(line)
        if "references" in request:
            configure("cpu", 1)
            plain = load_block(whole_model(graph), weights)
            np.save(Path(request["references"]), np.stack([plain(image)[0] for image in images]))
            del plain
            say({"images": len(images)})
        else:
            frames = 0
            cpu_begin = time.process_time()
            begin = now = time.perf_counter()
            while now - begin < request["run_s"]:
                block(images[frames % len(images)])
                frames += 1
                now = time.perf_counter()
            say({"frames": frames, "elapsed_s": now - begin, "cpu_s": time.process_time() - cpu_begin})


if __name__ == "__main__":
    main()
