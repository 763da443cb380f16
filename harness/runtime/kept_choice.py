"""Choices that were measured before, kept where caches are, so that a node need not measure again at every start.

A choice counts for what it was measured with: the layers, the threads, the versions of TensorFlow and Keras, the
processor and TensorFlow's environment. What is damaged or does not fit is measured anew. The way is built from this
run's weights all the same, and every frame of a run is compared with the reference.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from harness.partition.block import Block
from harness.records.computing import Choice
from harness.runtime.device import versions

CACHE_VARIABLE: Final = "IOT_FARM_CACHE"
"""Environment variable that names the folder of caches."""
_SCHEME: Final = 2
"""Of measuring and of the ways themselves; a change of either needs a new one."""
_MOST_BYTES: Final = 10_000
_CPU_LINES: Final = ("model name", "flags", "Features", "CPU part")


class KeptChoices:
    """Choices on disk.

    Args:
        threads: threads inside one operation.
    """

    def __init__(self, threads: int) -> None:
        self._about: dict[str, Any] = {
            "scheme": _SCHEME,
            "threads": threads,
            "versions": versions(),
            "processor": _processor(),
            "environment": {
                name: text for name, text in sorted(os.environ.items()) if name.startswith(("TF_", "XLA_"))
            },
        }

    def find(self, block: Block, ways: tuple[str, ...]) -> Choice | None:
        """The choice among such ways, or None."""
        try:
            path = self._path(block, ways)
            if path.stat().st_size > _MOST_BYTES:
                return None
            told = json.loads(path.read_text(encoding="utf-8"))
            choice = Choice(str(told["way"]), float(told["gain"]), float(told["differs"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return choice if choice.way in ways else None

    def keep(self, block: Block, ways: tuple[str, ...], choice: Choice) -> None:
        """Keep a choice, whole or not at all; a folder that takes nothing costs the next start its seconds alone."""
        path = self._path(block, ways)
        told = {"way": choice.way, "gain": choice.gain, "differs": choice.differs}
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Nodes of one machine measure at the same time: each writes a file of its own.
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(told), encoding="utf-8")
            temporary.replace(path)

    @contextmanager
    def alone(self, block: Block, ways: tuple[str, ...]) -> Iterator[None]:
        """Measure while no other process does the same: replicas would disturb each other, and one is enough."""
        path = self._path(block, ways).with_suffix(".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("wb")
        except OSError:
            yield
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when the process ends, however that happens
            yield

    def _path(self, block: Block, ways: tuple[str, ...]) -> Path:
        about = {
            **self._about,
            "graph": block.graph.digest(),
            "layers": block.layers,
            "outputs": block.outputs,
            # Parts of one kind that read as much as each other take the same way.
            "parts": [block.parts, block.split, [block.shape(name) for name in (*block.inputs, *block.layers)]],
            "ways": ways,
        }
        name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        root = os.environ.get(CACHE_VARIABLE)
        base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iot-farm"
        return base / "ways" / f"{name}.json"


def _processor() -> list[str]:
    """What the kernel says of the first core."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return []
    return [line for line in lines if line.split("\t")[0].strip(" :") in _CPU_LINES]
