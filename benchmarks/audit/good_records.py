"""Good records of every sort, as runs file them: what each mutation starts from."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.records.canonical import canonical
from harness.records.index import INDEX_FILE, append
from harness.records.manifest import TRACE, beside, seal
from harness.records.rules_frames import counted, frames_of
from harness.records.store import read_record
from harness.records.window import window_metrics

_TESTS: Final = Path(__file__).resolve().parents[2] / "tests"
SERIES: Final = "5e21e55e21e55e21"
LEAST_S: Final = 60.0


@dataclass
class Case:
    """One record on disk, about to be mutated.

    Attributes:
        folder: of the record, with its index.
        path: the record.
        document: what it holds; an edit changes it.
        sealed: seal and enter it anew afterwards, as a liar would.
        data: bytes to write in place of the document.
        others: the other records of the folder.
    """

    folder: Path
    path: Path
    document: dict[str, Any]
    sealed: bool = True
    data: bytes | None = None
    others: list[Path] = field(default_factory=list)

    @property
    def trace(self) -> Path:
        """Its power trace."""
        return beside(self.path, TRACE)

    def write(self) -> None:
        """Put the edited record in place; the index is made anew for it."""
        if self.document.get("version") == 1:
            self.path.write_bytes(self.data or canonical(self.document))
            return
        if self.sealed and self.data is None:
            noted = {TRACE: self.trace} if TRACE in self.document["manifest"]["files"] else {}
            self.document = seal(self.document, noted)
            (self.folder / INDEX_FILE).unlink(missing_ok=True)
            for path in (self.path, *self.others):
                document = self.document if path == self.path else read_record(path)
                append(self.folder, path.name, document["manifest"]["record_sha256"])
        self.path.write_bytes(self.data or canonical(self.document))


def metered(folder: Path) -> Case:
    """A farm of five, 300 frames in 60 s, with the trace of an instrument."""
    return _filed(folder, {})


def farm(folder: Path) -> Case:
    """The same without a meter."""
    return _filed(folder, {"meter": None})


def adapted(folder: Path) -> Case:
    """A farm that lost a device, and sent three frames again."""
    case = farm(folder)
    holders = {f"{node['role']}/{node['part']}": [node["address"]] for node in case.document["plan"]["nodes"]}
    case.document["options"]["adapt"] = True
    case.document["adapted"] = {
        "deadline_s": 0.8,
        "sent_again": 3,
        "late": 1,
        "lost": [case.document["plan"]["nodes"][1]["address"]],
        "changes": [
            {"epoch": epoch, "at_s": 10.0 * epoch, "why": "a device is gone", "holders": holders} for epoch in (1, 2)
        ],
    }
    for node in case.document["nodes"]:
        told = node["statistics"]
        told["shares"] = [{"role": node["description"]["role"], "part": 0, "computed": told["computed"]}]
    case.document["nodes"][1]["statistics"] |= {"refused": 2, "wall_s": 30.0, "errors": ["has no table of epoch 1"]}
    case.write()
    return case


def rounded(folder: Path) -> Case:
    """A farm whose blocks sent each other half floats."""
    case = farm(folder)
    document = case.document
    nodes = document["plan"]["nodes"]
    ways = [("initial", "block1", 500), *((f"block{at}", f"block{at + 1}", 500) for at in range(1, len(nodes)))]
    ways.append((f"block{len(nodes)}", "initial", 100))
    document["plan"] |= {
        "wire": "fp16",
        "edges": [
            {"from": source, "to": target, "tensor": source, "messages_per_frame": 1, "message_bytes": size}
            for source, target, size in ways
        ],
        "bytes_per_frame": sum(size for _, _, size in ways),
    }
    document["options"]["wire"] = "fp16"
    errors = [at * 1e-5 for at in range(1, 9)]
    document["wire"] = {
        "encoding": "fp16",
        "errors": errors,
        "same_class": [True] * 7 + [False],
        "f32_bytes_per_frame": sum(size * (1 if "initial" in ends else 2) for *ends, size in ways),
    }
    document["metrics"] |= {
        "bytes_per_frame": document["plan"]["bytes_per_frame"],
        "wire_error": max(errors),
        "wire_top1": 7 / 8,
    }
    case.write()
    return case


def emulated(folder: Path) -> Case:
    """A farm that imitated another one."""
    case = farm(folder)
    case.document["emulated"] = "rpi3+wifi-n"
    for node in case.document["nodes"]:
        node["description"]["emulates"] = "rpi3+wifi-n#0123456789ab@1f.2e"
        node["statistics"]["late"] = 1
    case.write()
    return case


def host(folder: Path) -> Case:
    """A single device, 333 frames."""
    return _filed(folder, {"target": "host", "devices": 1, "device": "cpu", "frames": 333, "meter": None})


def virtual(folder: Path) -> Case:
    """A farm whose power came from the virtual analyzer."""
    return _filed(folder, {"meter": _energy_records().VIRTUAL_METER})


def first_layout(folder: Path) -> Case:
    """A record of version 1."""
    case = farm(folder)
    document = case.document
    document["environment"] = document["devices"][0]["before"]
    for name in ("ended_utc", "kind", "series", "declared", "devices", "manifest"):
        del document[name]
    del document["verdict"]["broken_off"]
    document["version"] = 1
    (folder / INDEX_FILE).unlink()
    case.write()
    return case


def series(folder: Path) -> Case:
    """An official series of three; the case is its second run."""
    paths: list[Path] = []
    for number, frames in enumerate((300, 240, 400), start=1):
        case = _filed(folder, {"meter": None, "frames": frames, "run": str(number) * 16})
        case.document |= {"kind": "official", "series": {"id": SERIES, "number": number, "of": 3}}
        case.document["options"] |= {"frames": 50, "least_s": LEAST_S}
        case.others = list(paths)
        case.write()
        paths.append(case.path)
    second = paths.pop(1)
    return Case(folder, second, read_record(second), others=paths)


GOOD: Final[dict[str, Callable[[Path], Case]]] = {
    "metered": metered,
    "farm": farm,
    "adapted": adapted,
    "rounded": rounded,
    "emulated": emulated,
    "host": host,
    "virtual": virtual,
    "v1": first_layout,
    "series": series,
}


def count_again(document: dict[str, Any]) -> None:
    """Make metrics and counters fit the frames again, as a careful liar would."""
    frames = frames_of(document)
    given = window_metrics(frames) | counted(frames, document["tolerance"])
    kept = {name: value for name, value in document["metrics"].items() if not name.startswith("latency_p")}
    document["metrics"] = kept | given
    document["options"]["frames"] = len(frames)
    for node in document["nodes"]:
        told = node["statistics"]
        told["computed"] = len(frames)
        told["compute_s"] = (told["compute_s"] * 2)[: len(frames)]


def _filed(folder: Path, options: dict[str, Any]) -> Case:
    path: Path = _energy_records().file_record(folder, **options)
    return Case(folder, path, read_record(path))


def _energy_records() -> Any:
    """The records that the checker's own tests call good."""
    if str(_TESTS) not in sys.path:
        sys.path.append(str(_TESTS))
    return importlib.import_module("energy_records")
