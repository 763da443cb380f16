"""avsc, the Avro implementation for Node.js, as a client of our server and as a reader of our IDL."""

import hashlib
import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

HERE = Path(__file__).with_name("avsc")
FILES = ("package.json", "package-lock.json", "call.js", "idl.js")


@pytest.fixture(scope="session")
def avsc(request) -> Path:
    """A folder in which avsc is installed; kept from one test run to the next, outside the tracked files."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm or node is not installed: the avsc client is NOT tested")
    contents = b"".join(HERE.joinpath(name).read_bytes() for name in FILES)
    folder = Path(request.config.cache.mkdir(f"avsc-{hashlib.sha256(contents).hexdigest()[:12]}"))
    if not folder.joinpath("installed").exists():
        for name in FILES:
            shutil.copy(HERE / name, folder)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        installed = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=240, check=False
        )
        assert installed.returncode == 0, f"npm ci failed:\n{installed.stderr}"
        folder.joinpath("installed").touch()
    return folder


def node(folder: Path, script: str, *arguments: str):
    """Run one of the scripts; the JSON that it prints."""
    command = ["node", script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kept", ["kept", "new"])
def test_avsc_calls_a_running_server(avsc, server, kept):
    """The client avsc sends tensors in chunked bodies, twice with one client, and reads answers, records and errors."""
    protocol = str(resources.files("harness.rpc").joinpath("image.avpr"))
    told = node(avsc, "call.js", *map(str, server.address), protocol, kept)
    tensor = bytes(number % 251 for number in range(100_352))
    assert told["encoding"] == "chunked"
    assert told["first"]["errors"] == [hashlib.sha256(tensor).hexdigest(), "fc1", "frame=1"]
    assert told["second"]["errors"] == [hashlib.sha256(tensor).hexdigest(), "fc2", "frame=2"]
    assert told["second"]["errors"][0] != hashlib.sha256(tensor[:-1] + b"\0").hexdigest()
    assert told["second"]["received"] == 2
    assert told["second"]["bytes_in"] == 2 * len(tensor)
    assert told["description"]["pid"] == server.pid
    assert told["refusal"] == "busy: the queue of refuse is full"
    assert told["probe"] == 5


def test_avsc_reads_the_same_protocol_from_both_files(avsc):
    """A complete IDL parser makes of image.avdl what image.avpr says, documentation aside."""

    def bare(value):
        if isinstance(value, dict):
            return {key: bare(one) for key, one in value.items() if key != "doc"}
        return [bare(one) for one in value] if isinstance(value, list) else value

    package = resources.files("harness.rpc")
    assembled = bare(node(avsc, "idl.js", str(package.joinpath("image.avdl"))))
    assembled.pop("namespace", None)
    loaded = json.loads(package.joinpath("image.avpr").read_text())
    assert assembled == loaded
    loaded["messages"]["forward"]["request"].pop()
    assert assembled != loaded
