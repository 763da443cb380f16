"""The ideal: as many whole-model processes as there are cores, one thread each, that never wait for anybody.

It moves no tensor and joins nothing, so a farm on the same cores that comes near to it wastes little.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.child import Child
from benchmarks.contestant import Slot

_LOAD_S = 180.0
_WARM_S = 1.0


class Ideal:
    """Whole-model processes that loop over frames for a fixed time; IPS is the sum over the processes.

    Args:
        model: name in the catalogue.
        seed: seed of the weights and of the frames.
        images: number of distinct frames.
        processes: how many whole models run side by side.
        slot_s: length of a slot in seconds.
        logs: folder for what the processes write.
        runtime: what computes, as in the farm that it is compared with.
        way: how Keras compiles the model; measured, as nodes do, when not given.
    """

    name = "ideal"

    def __init__(
        self,
        *,
        model: str,
        seed: int,
        images: int,
        processes: int,
        slot_s: float,
        logs: Path,
        runtime: str = "keras",
        way: str = "auto",
    ) -> None:
        self.meaning = f"{processes} whole-model processes, one thread each, {runtime}, no network"
        self._arguments = ["--model", model, "--seed", str(seed), "--images", str(images)]
        self._arguments += ["--runtime", runtime, "--way", way]
        self._processes = processes
        self._slot_s = slot_s
        self._logs = logs
        self._workers: list[Child] = []

    def start(self) -> None:
        """Load every process and let it compute once."""
        for number in range(self._processes):
            log = self._logs / f"ideal-{number}.log"
            self._workers.append(Child("benchmarks.ideal_worker", self._arguments, log))
        for worker in self._workers:
            worker.answer(_LOAD_S)

    def warm_up(self) -> None:
        """Let all processes compute for a moment; each of them computed its first frame when it loaded."""
        self._ask({"run_s": min(_WARM_S, self._slot_s)}, self._slot_s + 60)

    def slot(self) -> Slot:
        """Let all processes compute at the same time."""
        answers = self._ask({"run_s": self._slot_s}, self._slot_s + 60)
        frames = sum(int(answer["frames"]) for answer in answers)
        ips = sum(float(answer["frames"]) / float(answer["elapsed_s"]) for answer in answers)
        elapsed_s = max(float(answer["elapsed_s"]) for answer in answers)
        cpu_s = sum(float(answer["cpu_s"]) for answer in answers)
        return Slot(ips, frames, elapsed_s, cpu_s, {"processes": answers})

    def references(self) -> npt.NDArray[np.float32]:
        """Outputs of the whole model for every image: float32 (images, classes)."""
        path = self._logs / "references.npy"
        self._workers[0].tell({"references": str(path)})
        self._workers[0].answer(_LOAD_S)
        references: npt.NDArray[np.float32] = np.load(path)
        return references

    def stop(self) -> None:
        """End the processes."""
        while self._workers:
            self._workers.pop().close()

    def _ask(self, message: dict[str, Any], timeout_s: float) -> list[dict[str, Any]]:
        for worker in self._workers:
            worker.tell(message)
        return [worker.answer(timeout_s) for worker in self._workers]
