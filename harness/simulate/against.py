"""A calibration held against runs that it was not fitted to: predicted beside measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.farm.config import FarmConfig
from harness.models.catalogue import model
from harness.partition.paper import named_partition, partition_for
from harness.partition.partition import Partition, Role
from harness.partition.split import Split
from harness.plan.plan import Plan, make_plan
from harness.plan.site import FarmDevice, Site
from harness.records.canonical import MAX_BYTES
from harness.records.json_file import read_json
from harness.records.record import FORMAT
from harness.simulate.farm import simulate
from harness.simulate.fit import Calibration, valid_record
from harness.simulate.outcome import Outcome
from harness.simulate.scene import DEFAULT_FRAMES, Scene

FIGURES: Final = ("ips", "latency_p50_s", "latency_p90_s")


@dataclass(frozen=True)
class Asked:
    """What is predicted.

    Attributes:
        name: of the farm or the record.
        plan: roles on addresses.
        frames: of the window.
        warmup: frames before it; None is as many as a run has.
        in_flight: of the closed loop; None is as many as a run has.
        rate_fps: of the open loop; None is the closed one.
        measured: figure -> what was measured; empty where nothing was.
        latencies_s: of the measured frames; none where nothing was measured.
    """

    name: str
    plan: Plan
    frames: int
    warmup: int | None
    in_flight: int | None
    rate_fps: float | None
    measured: dict[str, float]
    latencies_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """A simulated run beside a measured one.

    Attributes:
        asked: what was predicted.
        outcome: what the simulation gave.
    """

    asked: Asked
    outcome: Outcome

    def predicted(self, figure: str) -> float | None:
        """A figure of the simulation; None where there are too few frames for it."""
        return self.outcome.metrics.get(figure)

    def measured(self, figure: str) -> float | None:
        """The same as it was measured; None where it was not."""
        return self.asked.measured.get(figure)

    def error(self, figure: str) -> float | None:
        """Predicted over measured, less one; None where either is unknown."""
        predicted, measured = self.predicted(figure), self.measured(figure)
        return None if predicted is None or measured is None else predicted / measured - 1


def asked_by(path: Path, *, frames: int | None = None) -> Asked:
    """What a file asks for: a farm file its farm, a record the very run that it holds.

    Args:
        path: farm file or record.
        frames: of the window of a farm file.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is neither, or a record that is not VALID.
    """
    document = read_json(path, "farm file or record", "name a farm file or a record", most_bytes=MAX_BYTES)
    if isinstance(document, dict) and document.get("format") == FORMAT:
        return _of_record(path)
    farm = FarmConfig.load(path)
    plan = make_plan(partition_for(farm), farm)
    return Asked(path.name, plan, DEFAULT_FRAMES if frames is None else frames, None, None, None, {})


def predict_run(calibration: Calibration, asked: Asked, *, jitter: float | None = None, seed: int = 0) -> Prediction:
    """Simulate a run on devices like those of the fitted one.

    Raises:
        BadInputError: a number that cannot be.
    """
    memory = calibration.profile.device.memory_bytes
    placements = asked.plan.placements
    site = Site(
        FarmDevice("initial", calibration.profile, memory, asked.plan.farm.initial),
        tuple(FarmDevice(str(node.address), calibration.profile, memory, node.address) for node in placements),
        calibration.network,
        calibration.shared_cores,
    )
    scene = Scene(
        asked.plan,
        site,
        frames=asked.frames,
        warmup=asked.warmup,
        in_flight=asked.in_flight,
        rate_fps=asked.rate_fps,
        jitter=calibration.jitter if jitter is None else jitter,
        seed=seed,
    )
    return Prediction(asked, simulate(scene))


def _of_record(path: Path) -> Asked:
    document, figures = valid_record(path)
    farm = FarmConfig.from_document({"node": document["target"]["roles"]}, path.name)
    options = document["options"]
    in_flight = document["metrics"].get("in_flight")
    return Asked(
        path.name,
        make_plan(_partition(document["plan"]), farm),
        len(document["frames"]),
        options.get("warmup"),
        None if in_flight is None else int(in_flight),
        options.get("rate_fps"),
        {figure: figures[figure] for figure in FIGURES if figure in figures},
        tuple(frame["verified_s"] - frame["sent_s"] for frame in document["frames"]),
    )


def _partition(plan: dict[str, Any]) -> Partition:
    """The partition of a record, by the layers of its roles: names of planned cuts do not tell them."""
    nodes = [node for node in plan["nodes"] if node["layers"]]
    counts = Counter(node["role"] for node in nodes)
    roles = {
        node["role"]: Role(
            node["role"],
            tuple(node["layers"]),
            parts=node["parts"],
            replicas=counts[node["role"]] // node["parts"],
            split=Split(node.get("split", Split.COLUMNS)),
        )
        for node in nodes
    }
    return named_partition(model(plan["model"]), tuple(roles.values()))
