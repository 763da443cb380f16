"""One farm that stays up for the benchmarks of the energy meter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.avro_farm import AvroFarm
from benchmarks.child import Child
from benchmarks.contestant import BenchmarkError

_LOAD_S = 180.0
_RUN_S = 300.0


class MeteredFarm:
    """A farm that stays up, and one process that runs it, so that only the meter differs between two runs.

    Args:
        farm: the farm.
        farm_file: its roles and addresses.
        partition: name of its cut.
        seed: seed of the weights and of the frames.
        logs: folder for what the running process writes.
    """

    def __init__(self, *, farm: AvroFarm, farm_file: Path, partition: str, seed: int, logs: Path) -> None:
        self._farm = farm
        self._arguments = ["--farm", str(farm_file), "--partition", partition, "--seed", str(seed)]
        self._log = logs / "energy-worker.log"
        self._worker: Child | None = None

    def start(self) -> None:
        """Start the nodes and the process that runs them."""
        self._farm.start()
        self._worker = Child("benchmarks.energy_worker", self._arguments, self._log)
        self._answer(_LOAD_S)

    def run(self, frames: int, idle_s: float, *, switched: bool = False) -> dict[str, Any]:
        """One run.

        Args:
            frames: of the measured window.
            idle_s: seconds of idling before and after it.
            switched: switch the meter off and on in the window, see `benchmarks.switched_meter`.

        Returns:
            The figures of `benchmarks.energy_worker`.

        Raises:
            BenchmarkError: the run failed or is not valid.
        """
        assert self._worker is not None
        self._worker.tell({"frames": frames, "idle_s": idle_s, "switched": switched})
        answer = self._answer(_RUN_S)
        if answer["reasons"]:
            raise BenchmarkError(f"the run is not valid: {'; '.join(answer['reasons'])}")
        return answer

    def stop(self) -> None:
        """End the process and the nodes."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        self._farm.stop()

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        assert self._worker is not None
        answer = self._worker.answer(timeout_s)
        if "error" in answer:
            raise BenchmarkError(str(answer["error"]))
        return answer
