"""Puts a node that lies in the place of an honest one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farms import Farm

LYING_NODE = Path(__file__).parent / "farm" / "lying_node.py"


@contextmanager
def liar(farm: Farm, address: str, lie: str) -> Iterator[None]:
    """Replace the node at an address by one that lies; nobody is there afterwards."""
    honest = farm.processes().get(address)
    if honest is not None:
        honest.terminate()
        honest.wait(10)
    command = [sys.executable, str(LYING_NODE), str(farm.file), address, lie]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready")
            yield
        finally:
            process.terminate()
