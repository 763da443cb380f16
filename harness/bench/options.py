"""What a run is asked to do, checked before anything starts."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.emulate.published import HONEST, PROTOCOLS, PUBLISHED
from harness.errors import BadInputError
from harness.partition.wire import Wire
from harness.plan.plan import QUEUE_FRAMES
from harness.records.computing import Precision, RuntimeName, Wanted, Way
from harness.records.record import OFFICIAL_RUNS, OFFICIAL_S, Series
from harness.records.rules_frames import tolerance_of, unlike_tolerance

DEFAULT_FRAMES = 50
"""Frames of a run where none is given: the single-device default of the published artifact."""
MOST_FRAMES = 1_000_000
"""Each frame of a window leaves a sample in the record."""
MOST_SECONDS = 7200.0
DEFAULT_SEED = 2018


@dataclass(frozen=True)
class RunOptions:
    """One measured run.

    Attributes:
        model: name of the model; None takes it from the farm's roles.
        target_name: what the user called the target; `host` is this machine.
        farm_file: the farm's JSON file; None for `host`.
        partition: the paper's name of the cut; None recognises it by the farm's roles.
        device: "cpu" or "gpu" of the single device.
        frames: frames of the measured window.
        warmup: frames before it; None is twice the number of frames in flight.
        seed: seed of the weights and of the frames' images.
        weights: a Keras weights file in place of the seeded weights.
        in_flight: frames under way at once (closed loop); None is two for each node, one in work and one waiting.
        rate_fps: frames due per second (open loop) in place of `in_flight`.
        threads: threads of the single device's model; None is all cores.
        gpu_memory_percent: share of the GPU's memory that TensorFlow may take; None is all.
        stall_s: a farm run ends when no result comes for this long.
        least_s: the measured window lasts at least so long; `frames` is the least number of frames then.
        official: the run claims to be one for publication: a minute at least, and one of three.
        adapt: go on when devices fail, leave or join; without it a run ends, because its figures belong to the
            farm that its record describes.
        wire: how tensors travel between the blocks of a farm: "f32", "fp16" or "uint8".
        held_to: tolerance of a wire that rounds, where the reference cannot be computed as the nodes compute, and of
            computing in fewer bits than float32.
        runtime: what computes; the nodes of a farm must have been started with the same.
        precision: likewise.
        way: how the single device's Keras model is compiled; nodes have chosen theirs when they started.
        plain: whether nothing but the plain Keras function computes, as whoever computes tells.
        emulate: device and network that the farm's processes imitate, "rpi3+wifi-n"; None is this machine as it is.
        protocol: how frames are sent, joined and counted: "honest"; "published-2018" as the artifact did;
            "requests-2018" sent as the artifact did, joined and counted honestly.
        series: the runs that it belongs to.
        declared: price and peak power with their sources, see `harness.records.declared`.
    """

    model: str | None
    target_name: str
    farm_file: Path | None = None
    partition: str | None = None
    device: str = "cpu"
    frames: int = DEFAULT_FRAMES
    warmup: int | None = None
    seed: int = DEFAULT_SEED
    weights: Path | None = None
    in_flight: int | None = None
    rate_fps: float | None = None
    threads: int | None = None
    gpu_memory_percent: float | None = None
    stall_s: float = 60.0
    least_s: float = 0.0
    official: bool = False
    adapt: bool = False
    wire: str = Wire.F32.value
    held_to: float | None = None
    runtime: RuntimeName = "keras"
    precision: Precision = "f32"
    way: Way = "auto"
    plain: bool = False
    emulate: str | None = None
    protocol: str = HONEST
    series: Series | None = None
    declared: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        _at_least("--frames", self.frames, 1)
        if self.frames > MOST_FRAMES:
            raise BadInputError(f"--frames {self.frames} is too much", f"the most is {MOST_FRAMES}")
        _at_least("--warmup", self.warmup, 0)
        _at_least("--seed", self.seed, 0)
        _at_least("--threads", self.threads, 1)
        _at_least("--in-flight", self.in_flight, 1)
        if self.in_flight is not None and self.in_flight > QUEUE_FRAMES:
            raise BadInputError(f"--in-flight {self.in_flight} is too much", f"a node holds {QUEUE_FRAMES} frames")
        for name, value in (("--rate", self.rate_fps), ("--stall", self.stall_s)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise BadInputError(f"{name} {value} is not a positive number", f"for example {name} 5")
        if not (math.isfinite(self.least_s) and 0 <= self.least_s <= MOST_SECONDS):
            raise BadInputError(f"--seconds {self.least_s} is out of range", f"0 to {MOST_SECONDS:g}")
        if (self.least_s or self.official) and self.rate_fps is not None:
            raise BadInputError("--seconds, --official and --rate exclude each other", "--frames is rate x seconds")
        if self.in_flight is not None and self.rate_fps is not None:
            raise BadInputError(
                "--in-flight and --rate exclude each other", "closed loop: --in-flight; open loop: --rate"
            )
        self._require_target()
        self._require_protocol()
        wanted = self.wanted  # refuses what no runtime does, for farms, too
        if self.device != "cpu" and wanted.runtime != "keras":
            raise BadInputError(
                f"the runtime {self.runtime} computes on the CPU", "--device gpu is for --runtime keras"
            )

    def _require_target(self) -> None:
        if self.farm_file is None and (self.in_flight or self.rate_fps or self.partition):
            raise BadInputError(
                "--in-flight, --rate and --partition are for farms", "the single device computes one frame at a time"
            )
        if self.farm_file is None and self.model is None:
            raise BadInputError("the target host needs a model", "--model alexnet or --model vgg16")
        if self.farm_file is not None and self.threads is not None:
            raise BadInputError("--threads is for the target host", "farm nodes take theirs when they start")
        if self.farm_file is not None and self.device == "gpu":
            raise BadInputError("--device gpu is for the target host", "farm nodes choose theirs when they start")
        if self.wire not in tuple(Wire):
            raise BadInputError(f"there is no wire '{self.wire}'", f"there are {', '.join(Wire)}")
        if self.farm_file is None and self.wire != Wire.F32:
            raise BadInputError("--wire is for farms", "a single device sends nothing between blocks")
        if self.farm_file is None and self.adapt:
            raise BadInputError("--adapt is for farms", "name one with --target")
        if self.farm_file is not None and self.way != "auto":
            raise BadInputError("--way is for the target host", "farm nodes choose theirs when they start")
        if self.official and self.adapt:
            raise BadInputError("--adapt and --official exclude each other", "an official figure is of one farm")

    def _require_protocol(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise BadInputError(f"there is no protocol '{self.protocol}'", f"there are {', '.join(PROTOCOLS)}")
        if self.emulate is not None and self.farm_file is None:
            raise BadInputError("--emulate is for farms", "name one with --target")
        if self.emulate is not None and self.adapt:
            raise BadInputError("--emulate and --adapt exclude each other", "an imitated farm stays as it is")
        if self.protocol == HONEST:
            return
        if self.emulate is None:
            raise BadInputError(
                f"--protocol {self.protocol} is for emulated farms: nothing else goes by it",
                "for example --emulate rpi3+wifi-n",
            )
        if self.protocol != PUBLISHED:
            return
        others = {
            "--official": self.official,
            "--seconds": self.least_s,
            "--rate": self.rate_fps,
            "--in-flight": self.in_flight,
            "--wire": self.wire != Wire.F32,
        }
        excluded = next((name for name, given in others.items() if given), None)
        if excluded is not None:
            raise BadInputError(
                f"{excluded} and --protocol {self.protocol} exclude each other", "it sends one burst of --frames"
            )
        if self.frames > QUEUE_FRAMES:
            raise BadInputError(
                f"--frames {self.frames} is no burst for --protocol {self.protocol}",
                f"a node holds {QUEUE_FRAMES} frames",
            )
        if self.warmup == 0:
            raise BadInputError(
                f"--protocol {self.protocol} needs a warm-up: a cold farm gave one reply too few, and hung",
                "leave --warmup out",
            )

    def runs(self) -> tuple[RunOptions, ...]:
        """The runs to make: this one, or the three of an official series, each a minute at least."""
        if not self.official:
            return (self,)
        name, least_s = secrets.token_hex(8), max(self.least_s, OFFICIAL_S)
        return tuple(
            replace(self, least_s=least_s, series=Series(name, number, OFFICIAL_RUNS))
            for number in range(1, OFFICIAL_RUNS + 1)
        )

    def most_in_flight(self, devices: int) -> int:
        """Frames that may be under way at once on a farm of so many devices."""
        if self.rate_fps is not None:
            return QUEUE_FRAMES
        if self.protocol == PUBLISHED:
            return min(self.frames, QUEUE_FRAMES)
        return self.in_flight or min(2 * (devices - 1), QUEUE_FRAMES)

    @property
    def wanted(self) -> Wanted:
        """What is to compute.

        Raises:
            BadInputError: the runtime has no such precision or way.
        """
        return Wanted(self.runtime, self.precision, self.way)

    @property
    def tolerance(self) -> float:
        """Largest absolute difference to the reference that counts as equal."""
        if self.held_to is not None:
            return self.held_to
        return tolerance_of(self.device, plain=self.plain or self.device != "cpu")

    def held(self, separation: float) -> RunOptions:
        """The same; where fewer bits than float32 compute, held to what still tells all references apart.

        Args:
            separation: smallest difference between the references of two images.
        """
        return (
            self
            if self.precision == "f32"
            else replace(self, held_to=max(self.tolerance, unlike_tolerance(separation)))
        )

    def describe(self) -> dict[str, Any]:
        """The options as plain data for the record."""
        return {
            "frames": self.frames,
            "warmup": self.warmup,
            "seed": self.seed,
            "weights": None if self.weights is None else self.weights.name,
            "in_flight": self.in_flight,
            "rate_fps": self.rate_fps,
            "device": self.device,
            "threads": self.threads,
            "stall_s": self.stall_s,
            "least_s": self.least_s,
            **({"adapt": True} if self.adapt else {}),
            **({} if self.protocol == HONEST else {"protocol": self.protocol}),
            **({} if self.wire == Wire.F32 else {"wire": self.wire}),
            **self.wanted.describe(),
        }


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise BadInputError(f"{name} {value} is too small", f"the least is {least}")
