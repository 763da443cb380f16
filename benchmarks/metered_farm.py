"""One farm, run in turn with the energy meter on and off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.avro_farm import AvroFarm
from benchmarks.child import Child
from benchmarks.contestant import BenchmarkError, Slot

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

    def run(self, frames: int, idle_s: float | None, *, beside: bool = False) -> dict[str, Any]:
        """One run.

        Args:
            frames: of the measured window.
            idle_s: seconds of idling before and after it with the meter on; None leaves the meter off.
            beside: with the meter off, let a virtual analyzer run that nobody reads.

        Returns:
            The figures of `benchmarks.energy_worker`.

        Raises:
            BenchmarkError: the run failed or is not valid.
        """
        assert self._worker is not None
        self._worker.tell({"frames": frames, "idle_s": idle_s, "beside": beside})
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


@dataclass
class MeterSlots:
    """The farm with its meter on, off, or off beside an analyzer: a contestant.

    Attributes:
        farm: shared by all; whoever made it starts and stops it.
        name: short name in tables and files.
        meaning: what it is, in one line.
        frames: frames of a slot.
        idle_s: as `MeteredFarm.run` takes it; idling is not part of the rate.
        beside: likewise.
    """

    farm: MeteredFarm
    name: str
    meaning: str
    frames: int
    idle_s: float | None = None
    beside: bool = False

    def start(self) -> None:
        """Nothing of its own."""

    def slot(self) -> Slot:
        """One run; every frame of it must equal the reference."""
        answer = self.farm.run(self.frames, self.idle_s, beside=self.beside)
        metrics = answer["metrics"]
        return Slot(
            ips=metrics["ips"],
            frames=int(metrics["frames_verified"]),
            elapsed_s=metrics["window_s"],
            cpu_s=metrics["nodes_cpu_s"] + metrics["cpu_s"],
            details=answer,
        )

    def stop(self) -> None:
        """Nothing of its own."""
