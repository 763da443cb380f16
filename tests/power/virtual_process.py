"""A virtual analyzer in a process of its own, for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pyvisa
from pyvisa.resources import MessageBasedResource


@contextmanager
def virtual_analyzers(*options: str) -> Iterator[dict[str, str]]:
    """Start it, give its VISA resources ("resource": raw socket, "vxi11"), end it by closing its standard input."""
    command = [sys.executable, "-m", "power.virtual", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            assert process.wait(timeout=10) == 0


@contextmanager
def virtual_analyzer(*options: str) -> Iterator[str]:
    """As `virtual_analyzers`, with the resource of the raw socket only."""
    with virtual_analyzers(*options) as resources:
        yield resources["resource"]


@contextmanager
def visa(resource: str, terminator: str = "\n") -> Iterator[MessageBasedResource]:
    """A session through pyvisa-py."""
    session = pyvisa.ResourceManager("@py").open_resource(resource)
    session.write_termination = terminator
    if resource.endswith("SOCKET"):
        session.read_termination = terminator
    session.timeout = 500
    try:
        yield session
    finally:
        session.close()
