"""What is compared: systems, each of one run or of several repetitions, with figures that were made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import BadInputError, NotFoundError
from harness.records.check import Audit, check_file
from harness.records.computing import asked_computing
from harness.records.record import Status
from harness.records.store import read_record, read_records

Values = npt.NDArray[np.float64]
_LONGEST_LABEL = 60
_TAKES = "name records (*.json), or folders with repetitions of one system"


@dataclass(frozen=True)
class Run:
    """One run, as far as it can be compared.

    Attributes:
        name: its identity, as every message of it carried.
        status: what the checker says: VALID, INVALID or INCOMPLETE.
        reasons: why it is not VALID.
        model: name of the network, and the fingerprint over graph and weights.
        system: target, kind, device, number of devices, what was emulated, the wire between blocks ("" for f32),
            runtime and precision ("" for Keras in f32): equal for repetitions of one system.
        virtual: True where the energy is that of a load model, False where it was measured, None without one.
        completions_s: when the verified results were there, seconds since the first send.
        latencies_s: send to verified result in the order of sending, seconds.
        figures: metrics that the checker made again.
        refused: why there is no energy among them, where one was measured.
    """

    name: str
    status: str
    reasons: tuple[str, ...]
    model: tuple[str, str]
    system: tuple[str, str, str, int, str, str, str]
    virtual: bool | None
    completions_s: Values = field(repr=False, compare=False)
    latencies_s: Values = field(repr=False, compare=False)
    figures: dict[str, float]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """What stands in one column of a comparison.

    Attributes:
        label: what people read, printable characters on one line.
        runs: its repetitions, at least one.
    """

    label: str
    runs: tuple[Run, ...]

    @property
    def status(self) -> str:
        """VALID when every run is."""
        others = [run.status for run in self.runs if run.status != Status.VALID]
        return others[0] if others else str(Status.VALID)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why its runs are not VALID, each reason once."""
        return tuple(dict.fromkeys(reason for run in self.runs for reason in run.reasons))


def read_systems(paths: Sequence[Path]) -> tuple[System, ...]:
    """Read what is to be compared.

    Args:
        paths: records, or folders that hold repetitions of one system.

    Returns:
        One system for each path, with labels that differ.

    Raises:
        NotFoundError: a path does not exist, or holds no record.
        BadInputError: a file is no record, a folder holds records of several systems, or a run is named twice.
    """
    found = [_read(path) for path in paths]
    _require_distinct(paths, found)
    labels = [_label(runs[0]) for runs in found]
    if len(set(labels)) < len(labels):
        # The same system twice: told apart by the folder, or by the run's name.
        names = [
            path.name if path.is_dir() else f"run {runs[0].name[:8]}" for path, runs in zip(paths, found, strict=True)
        ]
        labels = [f"{label}, {_plain(name)}" for label, name in zip(labels, names, strict=True)]
    if len(set(labels)) < len(labels):
        labels = [f"{label}, {at}" for at, label in enumerate(labels, start=1)]
    return tuple(System(label, runs) for label, runs in zip(labels, found, strict=True))


def run_of(document: dict[str, Any], audit: Audit, name: str) -> Run:
    """A record as it is compared.

    Args:
        document: a record in the layout of the present version.
        audit: what the checker says of it.
        name: of its file, for messages.

    Raises:
        BadInputError: its frames, target or model have no form that can be read.
    """
    try:
        done = [frame for frame in document["frames"] if _verified(frame, document["tolerance"])]
        sent_s = np.array([float(frame["sent_s"]) for frame in done])
        verified_s = np.array([float(frame["verified_s"]) for frame in done])
        target, model, energy = document["target"], document["model"], document["energy"]
        system = (
            str(target["name"]),
            str(target["kind"]),
            str(target.get("device") or ""),
            int(target["devices"]),
            str(document.get("emulated") or ""),
            str((document.get("wire") or {}).get("encoding", "")),
            asked_computing(document["options"]),
        )
        # Anything but a plain yes to "measured" counts as made up.
        virtual = None if energy is None else energy["meter"]["measured"] is not True
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInputError(f"{name}: its frames, target or energy cannot be read", "leave it out") from None
    return Run(
        name=str(document["run"]),
        status=str(audit.status),
        reasons=audit.reasons,
        model=(str(model["name"]), str(model["fingerprint"])),
        system=system,
        virtual=virtual,
        completions_s=verified_s,
        latencies_s=verified_s - sent_s,
        figures=audit.figures,
        refused=tuple(finding.detail for finding in audit.findings if finding.rule == "energy" and finding.detail),
    )


def _read(path: Path) -> tuple[Run, ...]:
    if not path.exists():
        raise NotFoundError(f"there is no {path}", "name records, or folders of repetitions; iot-farm run makes some")
    try:
        documents = read_records(path) if path.is_dir() else [(path, read_record(path))]
    except BadInputError as error:
        named_like_one = path.is_dir() or path.suffix == ".json"
        raise BadInputError(error.message, error.hint if named_like_one else _TAKES) from None
    if not documents:
        raise NotFoundError(f"there is no record in {path}", "iot-farm run makes one")
    runs = tuple(run_of(document, check_file(file), str(file)) for file, document in documents)
    systems = {(run.system, run.model[0]): _label(run) for run in runs}
    if len(systems) > 1:
        raise BadInputError(
            f"{path} holds runs of {len(systems)} systems: {', '.join(sorted(systems.values())[:4])}",
            "name the records, or folders with the repetitions of one system each",
        )
    return runs


def _require_distinct(paths: Sequence[Path], found: Sequence[tuple[Run, ...]]) -> None:
    """A run held against itself, or counted twice among repetitions, would look surer than it is."""
    first: dict[str, int] = {}
    for at, (path, runs) in enumerate(zip(paths, found, strict=True)):
        for number, run in enumerate(runs):
            of = paths[first.setdefault(run.name, at)]
            if of.resolve() != path.resolve():
                told = f"{of} and {path} hold one and the same run, {_plain(run.name)}: that is one system"
            elif first[run.name] != at:
                told = f"{path} is named twice: that is one system"
            elif run.name in (other.name for other in runs[:number]):
                told = f"{path} holds the run {_plain(run.name)} twice"
            else:
                continue
            raise BadInputError(told, "name other runs; iot-farm run makes one")


def _verified(frame: dict[str, Any], tolerance: float) -> bool:
    return frame["verified_s"] is not None and frame["error"] is not None and frame["error"] <= tolerance


def _label(run: Run) -> str:
    name, kind, device, devices, emulated, wire, computed = run.system
    what = f"{devices} devices" if kind == "farm" else f"1 {device.upper()}"
    marks = [f"emulated {_plain(emulated)}"] * bool(emulated) + [f"{_plain(wire)} wire"] * bool(wire)
    marks += [computed] * bool(computed)
    return f"{_plain(run.model[0])} on {_plain(name)} ({', '.join([what, *marks])})"


def _plain(text: str) -> str:
    """Text from a record on one line, without what steers a terminal."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"
