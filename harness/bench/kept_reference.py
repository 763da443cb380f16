"""References that were computed before, kept where caches are, so that a second run need not compute them again.

A kept reference can only make a right answer look wrong, which fails the run; never a wrong one look right. It counts
for exactly what it was computed for: network, seed or weights file, images, blocks, the code that computes, the
versions of TensorFlow, Keras and NumPy, and the processor. Whatever is damaged or does not fit is computed anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

import harness
from harness.bench.reference import Reference, compute_reference
from harness.errors import BadInputError
from harness.models.catalogue import model
from harness.models.frames import frame_pool
from harness.partition.block import Block
from harness.partition.partition import Partition
from harness.records.store import write_whole

CACHE_VARIABLE: Final = "IOT_FARM_CACHE"
"""Environment variable that names the folder of caches."""
_PACKAGES: Final = ("tensorflow", "tensorflow-cpu", "keras", "numpy")
_SOURCES: Final = ("models", "runtime", "partition", "bench/reference.py", "bench/rounding.py")
_MOST_BYTES: Final = 10_000_000
_MOST_FILES: Final = 50
_CPU_LINES: Final = ("model name", "flags", "Features", "CPU part")


def kept_or_computed(
    model_name: str,
    *,
    seed: int,
    weights: Path | None,
    count: int,
    blocks: tuple[Block, ...],
    cut: Partition | None = None,
    threads: int | None = None,
) -> Reference:
    """The reference from the cache, else computed and kept; arguments and errors of `compute_reference`."""
    path = _folder() / f"{_key(model_name, seed, weights, count, blocks, cut, threads)}.npz"
    found = _read(path, model_name, seed, count, len(blocks))
    if found is not None:
        return found
    more: dict[str, Any] = {} if cut is None else {"cut": cut, "threads": threads}
    reference = compute_reference(model_name, seed=seed, weights=weights, count=count, blocks=blocks, **more)
    _write(path, reference)
    return reference


def _folder() -> Path:
    root = os.environ.get(CACHE_VARIABLE)
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iot-farm"
    return base / "references"


def _key(
    model_name: str,
    seed: int,
    weights: Path | None,
    count: int,
    blocks: tuple[Block, ...],
    cut: Partition | None = None,
    threads: int | None = None,
) -> str:
    """Everything that the answers depend on, as one hash."""
    parts = {
        "graph": model(model_name).digest(),
        "seed": seed,
        "weights": None if weights is None else _file_digest(weights),
        "count": count,
        "blocks": [(block.layers, block.part, block.parts, block.split) for block in blocks],
        "wire": None if cut is None else [cut.wire, [(role.layers, role.parts, role.split) for role in cut.roles]],
        "threads": threads,
        "packages": {name: _version(name) for name in _PACKAGES},
        "sources": _sources_digest(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(("TF_", "XLA_"))},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "unreadable"  # computing says why


def _sources_digest() -> str:
    root = Path(harness.__file__).parent
    digest = hashlib.sha256()
    for source in _SOURCES:
        place = root / source
        for file in [place] if place.is_file() else sorted(place.glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> list[str]:
    """What the kernel says of the first core: other instructions may add in another order."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return []
    return [line for line in lines if line.split("\t")[0].strip(" :") in _CPU_LINES]


def _read(path: Path, model_name: str, seed: int, count: int, blocks: int) -> Reference | None:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        with np.load(path, allow_pickle=False) as archive:
            outputs, about = archive["outputs"], json.loads(str(archive["about"]))
            exact = archive["exact"] if "exact" in archive.files else None
        fingerprints = tuple(map(str, about["block_fingerprints"]))
        whole = about["sha256"] == _digest(
            outputs, exact, {name: value for name, value in about.items() if name != "sha256"}
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    if not whole or len(outputs) != count or outputs.dtype != np.float32 or len(fingerprints) != blocks:
        return None
    images = frame_pool(seed, count, model(model_name).input_shape)
    weights, model_fingerprint = str(about["weights"]), str(about["model_fingerprint"])
    return Reference(images, outputs, weights, model_fingerprint, fingerprints, exact, about.get("threads"))


def _write(path: Path, reference: Reference) -> None:
    """Keep it, whole or not at all; a folder that takes nothing costs the next run its seconds alone."""
    about: dict[str, Any] = asdict(reference)
    del about["images"], about["outputs"], about["exact"]
    about = json.loads(json.dumps(about))
    about["sha256"] = _digest(reference.outputs, reference.exact, about)
    buffer = io.BytesIO()
    arrays = {"outputs": reference.outputs} | ({} if reference.exact is None else {"exact": reference.exact})
    np.savez(buffer, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
    with contextlib.suppress(BadInputError, OSError):
        write_whole(path, buffer.getvalue())
        kept = sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
        for old in kept[:-_MOST_FILES]:
            old.unlink(missing_ok=True)


def _digest(outputs: np.ndarray[Any, Any], exact: np.ndarray[Any, Any] | None, about: dict[str, Any]) -> str:
    more = b"" if exact is None else exact.tobytes()
    return hashlib.sha256(outputs.tobytes() + more + json.dumps(about, sort_keys=True).encode()).hexdigest()
