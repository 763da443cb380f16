"""avsc, the Avro implementation for Node.js: installed once, and called as a program."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).with_name("protocol") / "avsc"
FILES = ("package.json", "package-lock.json", "call.js", "frame.js", "idl.js")


def install_avsc(cache: pytest.Cache) -> Path:
    """A folder in which avsc is installed; kept from one test run to the next, outside the tracked files."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm or node is not installed: the avsc client is NOT tested")
    contents = b"".join(HERE.joinpath(name).read_bytes() for name in FILES)
    folder = Path(cache.mkdir(f"avsc-{hashlib.sha256(contents).hexdigest()[:12]}"))
    if not folder.joinpath("installed").exists():
        for name in FILES:
            shutil.copy(HERE / name, folder)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
        assert installed.returncode == 0, f"npm ci failed:\n{installed.stderr}"
        folder.joinpath("installed").touch()
    return folder


def node(folder: Path, script: str, *arguments: str):
    """Run one of the scripts; the JSON that it prints."""
    command = ["node", script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
