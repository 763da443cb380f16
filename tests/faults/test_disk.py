"""Row 24: a disk that is full, read-only or failing takes no record, and nobody is told that it has."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from faults.conftest import Devices
from faults.whole_runs import FRAMES, WAIT_S, run_command, unreadable
from run_records import run_record

from harness.errors import BadInputError
from harness.records.store import write_record

ROOM_BYTES = 8192
"""Less than a record takes."""
MOUNTED = 'mount -t tmpfs -o {options} none "$1" || exit 99; out=$1; shift; "$@"; code=$?; ls -A "$out"; exit $code'


def namespace() -> list[str]:
    """A command that has mounts of its own, made as root or as an ordinary user; skips where neither may be."""
    for options in (["-m"], ["-rm"]):
        command = [shutil.which("unshare") or "unshare", *options]
        try:
            done = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
        except FileNotFoundError:
            break
        if done.returncode == 0:
            return command
    pytest.skip("SKIPPED ROW 24 in part: this user may not mount in a namespace; test_row_24_no_room stands in for it")


@pytest.mark.parametrize(
    ("options", "reason"), [("size=8k", "No space left on device"), ("ro", "Read-only file system")], ids=["full", "ro"]
)
def test_row_24_disk_full(devices: Devices, tmp_path: Path, options: str, reason: str) -> None:
    """A run onto a disk that is full or read-only ends with exit code 2 and the reason, and leaves nothing."""
    script = MOUNTED.format(options=options)
    command = [*namespace(), "sh", "-c", script, "sh", str(tmp_path)]
    done = subprocess.run(
        [*command, *run_command(devices.farm, tmp_path, "--frames", str(FRAMES))],
        env=os.environ | devices.farm.environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "", "no record is shown, and the disk is empty"


def test_row_24_no_room(devices: Devices, tmp_path: Path) -> None:
    """The same without any privilege: a run that may write no file as long as its record says so, and leaves nothing.

    Control: where there is room the run files its record, which is longer than that.
    """
    bounds = (resource.RLIMIT_FSIZE, (ROOM_BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    for room in (True, False):
        out = tmp_path / str(room)
        done = subprocess.run(
            run_command(devices.farm, out, "--frames", str(FRAMES)),
            env=os.environ | devices.farm.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
            preexec_fn=None if room else lambda: resource.setrlimit(*bounds),
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == (0 if room else 2), done.stderr
        sizes = [path.stat().st_size for path in out.iterdir() if path.suffix == ".json"]
        assert (len(sizes), all(size > ROOM_BYTES for size in sizes)) == (room, True)
        if not room:
            assert "cannot be written: File too large" in done.stderr
            assert done.stdout == ""
            assert list(out.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("call", ["mkstemp", "fsync of the file", "chmod", "replace", "fsync of the folder", "open"])
def test_row_24_every_call_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Whichever step of filing meets the error, it is told in one line; what is there afterwards is whole or absent."""
    record, folder = run_record(), tmp_path / "records"
    name, _, of = call.partition(" of the ")
    calls = 0
    module = __import__("tempfile") if name == "mkstemp" else os
    really = getattr(module, name)

    def fail(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if of == "folder" and calls == 1:
            return really(*arguments, **options)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as failing:
        failing.setattr(module, name, fail)
        with pytest.raises(BadInputError, match=os.strerror(number)):
            write_record(record, folder)
    assert calls > 0
    assert unreadable(folder) == []
    assert [path for path in folder.iterdir() if path.name.startswith(".") and path.suffix != ".lock"] == []
    write_record(record, tmp_path / "control")
    assert len(list((tmp_path / "control").glob("*.json"))) == 1
