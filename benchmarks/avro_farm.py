"""The engine's farm as a user runs it: `iot-farm farm up`, then `iot-farm run` for each slot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contestant import BenchmarkError, Slot

_COMMAND_S = 300.0
_WARM_FRAMES = 8
_NOT_VALID = 1
"""Exit code of a run that was measured and must not be used; its reasons are in the record."""


class CommandError(BenchmarkError):
    """A command of `iot-farm` failed; the message holds what it wrote."""


class AvroFarm:
    """Node processes of the engine, kept up between the slots.

    Args:
        model: name in the catalogue.
        partition: name of the cut; None where the farm's file holds one.
        farm_file: roles and addresses.
        seed: seed of the weights and of the frames.
        frames: frames of a slot.
        warmup: frames before those of a slot; None leaves it to the run.
        folder: takes the run records and the nodes' logs.
        runtime: what computes the blocks.
        options: of both `farm up` and `run`, behind all others.

    Attributes:
        marker: environment variable and value that every process of this farm carries.
    """

    name = "farm"
    meaning = "this project's nodes: Avro RPC over persistent connections, compiled function"

    def __init__(
        self,
        *,
        model: str,
        partition: str | None,
        farm_file: Path,
        seed: int,
        frames: int,
        folder: Path,
        runtime: str = "keras",
        warmup: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._runtime = ["--runtime", runtime, *options]
        self._farm = [str(farm_file), *([] if partition is None else ["--partition", partition])]
        self._run = ["--model", model, "--target", *self._farm, "--seed", str(seed)]
        self._frames = ["--frames", str(frames), *([] if warmup is None else ["--warmup", str(warmup)])]
        self._seed = seed
        self._up = False
        self.marker = ("IOT_FARM_STATE", str(folder / "state"))
        self._environment = {**os.environ, "IOT_FARM_RESULTS": str(folder / "runs"), **dict([self.marker])}

    def start(self) -> None:
        """Start the nodes and wait until each is ready."""
        self._iot_farm("farm", "up", *self._farm, "--seed", str(self._seed), *self._runtime)
        self._up = True

    def warm_up(self) -> None:
        """A run of a few frames after the usual warm-up, in which what results are compared with is computed.

        Raises:
            CommandError: the run failed.
        """
        self._iot_farm("run", *self._run, "--frames", str(_WARM_FRAMES), *self._runtime)

    def slot(self) -> Slot:
        """One run with its own warm-up; every frame of it must equal the reference.

        Raises:
            CommandError: the run failed or is not valid.
        """
        record = json.loads(
            self._iot_farm("run", *self._run, *self._frames, *self._runtime, "--json", accept=(0, _NOT_VALID))
        )
        metrics: dict[str, Any] = record["metrics"]
        if record["verdict"]["status"] != "VALID":
            raise CommandError(f"the run is not valid: {'; '.join(record['verdict']['reasons'])}")
        return Slot(
            ips=metrics["ips"],
            frames=int(metrics["frames_verified"]),
            elapsed_s=metrics["window_s"],
            cpu_s=metrics["nodes_cpu_s"] + metrics["cpu_s"],
            details={"metrics": metrics},
        )

    def stop(self) -> None:
        """Stop the nodes."""
        if self._up:
            self._iot_farm("farm", "down", self._farm[0])
            self._up = False

    def _iot_farm(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        if done.returncode not in accept:
            raise CommandError(f"iot-farm {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout
