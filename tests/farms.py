"""Real farms for tests: node processes on loopback addresses that no shipped farm uses."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.partition.paper import partition
from harness.partition.partition import Partition

_octets = itertools.count(130)


def free_ports(count: int) -> list[int]:
    """Ports that are free now on 127.0.0.1, held together so that they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


def farm_document(name: str) -> dict[str, dict[str, list[str]]]:
    """A farm for a partition of the paper: an address of its own for each device."""
    return document_of(partition(name))


def document_of(cut: Partition) -> dict[str, dict[str, list[str]]]:
    """A farm for any partition."""
    ports = free_ports(cut.devices)
    addresses = iter([f"127.0.0.{next(_octets) % 100 + 130}:{port}" for port in ports])
    roles = {role.name: [next(addresses) for _ in range(role.nodes)] for role in cut.roles}
    return {"node": {"initial": [next(addresses)], **roles}}


@dataclass
class Farm:
    """A farm that is up."""

    file: Path
    partition: str
    environment: dict[str, str]

    def document(self) -> dict[str, list[str]]:
        """Its roles and addresses."""
        roles: dict[str, list[str]] = json.loads(self.file.read_text())["node"]
        return roles

    def processes(self) -> dict[str, psutil.Process]:
        """Its node processes that run, by address."""
        state = Path(self.environment["IOT_FARM_STATE"]) / self.file.name
        state = state if state.is_dir() else next(Path(self.environment["IOT_FARM_STATE"]).iterdir())
        entries = json.loads((state / "nodes.json").read_text())
        running = {}
        for entry in entries:
            with suppress(psutil.NoSuchProcess):
                running[entry["address"]] = psutil.Process(entry["pid"])
        return running

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`iot-farm ARGUMENTS` with this farm's state and results folders."""
        return iot_farm(*arguments, environment=self.environment)


def iot_farm(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@contextmanager
def running_farm(folder: Path, name: str, *options: str, document: dict | None = None) -> Iterator[Farm]:
    """A farm of a partition of the paper, or of the cut that a document tells, up on entry and down on exit."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document or farm_document(name)))
    if document is None:
        options = ("--partition", name, *options)
    environment = {"IOT_FARM_STATE": str(folder / "state"), "IOT_FARM_RESULTS": str(folder / "results")}
    farm = Farm(file, name, environment)
    try:
        up = farm.command("farm", "up", str(file), *options)
        assert up.returncode == 0, up.stdout + up.stderr
        yield farm
    finally:
        down = farm.command("farm", "down", str(file))
        assert down.returncode == 0, down.stdout + down.stderr
