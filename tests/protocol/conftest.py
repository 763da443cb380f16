"""A real server process for the tests of the wire."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from farm_keys import made_keys
from protocol.tls_peers import HOST, OTHER

from harness.rpc.security import Security

ROOT = Path(__file__).parents[2]
MAX_MESSAGE_BYTES = 4_000_000


@dataclass(frozen=True)
class Served:
    """Where a server process listens, and its process id."""

    host: str
    port: int
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """What a socket connects to."""
        return self.host, self.port


@contextmanager
def serving(host: str = "127.0.0.7", **limits: float) -> Iterator[Served]:
    """Run serve.py with these limits until the block ends."""
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), host]
    settings = {"max_message_bytes": MAX_MESSAGE_BYTES} | limits
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, json.dumps(settings)], stdout=subprocess.PIPE, env=environment, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield Served(*json.loads(process.stdout.readline()), process.pid)
        assert process.poll() is None or process.returncode == 0, "the server has died"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """A server with ordinary limits, shared by the tests."""
    with serving() as served:
        yield served


@pytest.fixture
def start_server() -> Callable[..., AbstractContextManager[Served]]:
    """Starts a server with limits of its own for a `with` block."""
    return serving


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Security]:
    """Keys of one farm with two devices."""
    return made_keys(tmp_path_factory.mktemp("keys"), HOST, OTHER)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Security]:
    """Keys of another farm with the same addresses."""
    return made_keys(tmp_path_factory.mktemp("foreign"), HOST, OTHER)
