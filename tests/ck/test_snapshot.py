"""The artifact snapshot: a zip that installs itself beside the user's own Collective Knowledge, in any shell."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from energy_records import VIRTUAL_METER, file_record

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "deploy" / "snapshot" / "build.py"
SHELLS = [shell for shell in ("bash", "sh", "zsh") if shutil.which(shell)]


def built(records: Path, out: Path, *options: str, code: int = 0, **variables: str) -> str:
    """`make snapshot` with these records; returns what it prints."""
    done = subprocess.run(
        [sys.executable, str(BUILD), "--records", str(records), "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000", **variables},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records to be reviewed: a host with energy, a farm without."""
    folder = tmp_path_factory.mktemp("results") / "first-run"
    file_record(folder, target="host", devices=1, device="cpu", meter=VIRTUAL_METER, run="a1" * 8)
    file_record(folder, target="farm-5-local", meter=None, run="a2" * 8)
    return folder


@pytest.fixture(scope="module")
def snapshot_zip(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of these records."""
    out = tmp_path_factory.mktemp("dist")
    built(records, out)
    (found,) = out.glob("ck-iot-farm-*-snapshot.zip")
    return found


def unpacked(archive: Path, folder: Path) -> Path:
    """The zip unpacked with its permissions, as unzip does."""
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            path = Path(opened.extract(member, folder))
            path.chmod(member.external_attr >> 16 & 0o777)
    return folder


@pytest.fixture
def place(snapshot_zip: Path, tmp_path: Path) -> Path:
    """The snapshot unpacked somewhere, with this interpreter's packages in place of those that pip would bring."""
    folder = unpacked(snapshot_zip, tmp_path / "somewhere")
    binaries = folder / "venv" / "bin"
    binaries.mkdir(parents=True)
    for name, module in (("python", ""), ("ck", "-m ck"), ("iot-farm", "-m harness")):
        (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (binaries / name).chmod(0o755)
    (folder / "venv" / ".snapshot-place").write_text(str(folder))
    return folder


@pytest.fixture
def user(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A user with a home of their own and a CK in it; at the end it is as it was."""
    home = tmp_path / "home"
    (home / "CK" / "local").mkdir(parents=True)
    (home / "CK" / "local" / "mine").write_text("mine")
    (home / ".ck").mkdir()
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    yield {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "CK_REPOS": str(home / "CK"),
        "PYTHONPATH": "/nowhere",
        "LC_ALL": "C.UTF-8",
    }
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if ".cache" not in path.parts} == before


def typed(shell: str, lines: str, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """These lines typed into a shell in this folder."""
    return subprocess.run(
        [shell, "-c", lines],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_the_zip_holds_what_the_appendix_needs(snapshot_zip: Path, records: Path) -> None:
    """Scripts, wheel, locks, farms, the records byte for byte, the commands that repeat them, and sums of all of it."""
    with zipfile.ZipFile(snapshot_zip) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for record in records.glob("*.*"):
        if record.suffix != ".jsonl":
            assert files[f"records/first-run/{record.name}"] == record.read_bytes()
    page = files["REPEAT.md"].decode()
    assert "iot-farm run --target host --model alexnet" in page
    assert "iot-farm farm up farm-5-local" in page
    assert "ck zip 'local:experiment:ck-request-asplos18-iot-farm*'" in page
    sums = dict(reversed(line.split("  ", 1)) for line in files.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert {"prepare_virtual_ck.sh", "start_virtual_ck.sh", "LICENSE", "farms/farm-11.json", "prepare/cpu.txt"} <= set(
        sums
    )
    (wheel,) = (name for name in files if name.endswith(".whl"))
    with zipfile.ZipFile(snapshot_zip) as archive, archive.open(wheel) as stream, zipfile.ZipFile(stream) as inner:
        names = set(inner.namelist())
    for repository in ("ck-programs", "ck-machines", "experiments"):
        assert f"harness/_repositories/{repository}/.ckr.json" in names


def test_the_same_records_give_the_same_bytes(snapshot_zip: Path, records: Path, tmp_path: Path) -> None:
    """Built again it is the same file; with other records, the control, it is not."""
    built(records, tmp_path / "again")
    assert (tmp_path / "again" / snapshot_zip.name).read_bytes() == snapshot_zip.read_bytes()
    other = file_record(tmp_path / "first-run", meter=None, run="a3" * 8).parent
    built(other, tmp_path / "other")
    assert (tmp_path / "other" / snapshot_zip.name).read_bytes() != snapshot_zip.read_bytes()


def test_private_text_stays_at_home(records: Path, tmp_path: Path) -> None:
    """Paths and addresses in records get stand-ins and are named; `--as-they-are`, the control, packs them."""
    folder = shutil.copytree(records, tmp_path / "first-run")
    record = next(path for path in folder.glob("*.json") if "farm" in path.name)
    document = json.loads(record.read_text())
    document["options"]["weights"] = "/home/somebody/weights.h5"
    document["target"]["roles"] = {"initial": ["192.168.1.8:9999"]}
    record.write_text(json.dumps(document))
    assert "not packed: /home/somebody/weights.h5" in built(folder, tmp_path / "a")
    built(folder, tmp_path / "b", "--as-they-are")
    packed = {}
    for name in "ab":
        (archive,) = (tmp_path / name).glob("*.zip")
        with zipfile.ZipFile(archive) as opened:
            packed[name] = opened.read(f"records/first-run/{record.name}").decode() + opened.read("REPEAT.md").decode()
    for text in ("somebody", "192.168.1.8"):
        assert text not in packed["a"]
        assert text in packed["b"]


def test_without_records_there_is_no_snapshot(tmp_path: Path) -> None:
    """An empty folder and a file that is no record end with one line, and leave no zip."""
    (tmp_path / "empty").mkdir()
    assert "error: there is no record" in built(tmp_path / "empty", tmp_path / "out", code=16)
    (tmp_path / "empty" / "x.json").write_text("{}")
    assert "error:" in built(tmp_path / "empty", tmp_path / "out", code=2)
    assert not list(tmp_path.rglob("*.zip"))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_started_shell_has_a_ck_of_its_own(shell: str, place: Path, user: dict[str, str]) -> None:
    """Sourced, `ck` works in this folder alone; twice is once; `stop_virtual_ck` gives every variable back."""
    lines = """
    env | grep -v -e '^_=' -e '^OLDPWD=' | sort >before
    . ./start_virtual_ck.sh && . ./start_virtual_ck.sh
    iot-farm ck install && ck ls program && ck ls machine
    env | grep -c "^CK_REPOS=$PWD/CK$"
    echo "[${PYTHONPATH-unset}] $(command -v ck)"
    stop_virtual_ck
    env | grep -v -e '^_=' -e '^OLDPWD=' | sort >after
    cmp before after && echo as before
    stop_virtual_ck || echo alive
    """
    done = typed(shell, lines, place, user)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"request-iot-benchmark", "farm-11-local", "1", f"[unset] {place}/venv/bin/ck", "as before", "alive"} <= set(
        said
    )
    assert sum("virtual CK is started already" in line for line in said) == 1
    assert (place / "CK" / "ck-iot-farm-programs").is_dir()


@pytest.mark.parametrize("shell", SHELLS)
def test_no_failure_ends_the_shell(shell: str, snapshot_zip: Path, user: dict[str, str], tmp_path: Path) -> None:
    """Nothing prepared, a folder with a blank, changed files, another folder: one line each, and the shell lives."""
    plain = unpacked(snapshot_zip, tmp_path / "plain")
    blank = unpacked(snapshot_zip, tmp_path / "with blank")
    with next((plain / "prepare").glob("*.whl")).open("ab") as stream:
        stream.write(b"more")
    for folder, script, says in (
        (plain, "start", "nothing is prepared"),
        (plain, "prepare", "files of the snapshot were changed"),
        (blank, "prepare", "does not quote paths"),
    ):
        done = typed(shell, f". ./{script}_virtual_ck.sh; echo status $? still here", folder, user)
        assert done.stdout == "status 1 still here\n"
        assert says in done.stderr
        assert not (folder / "CK").exists()
    moved = shutil.copy(plain / "start_virtual_ck.sh", tmp_path)
    done = typed(shell, f". {moved}; echo status $?", tmp_path, user)
    assert (done.stdout, done.stderr.count("error:")) == ("status 1\n", 1)


@pytest.mark.skipif("SNAPSHOT_INSTALL" not in os.environ, reason="SNAPSHOT_INSTALL=1 lets pip install for two minutes")
@pytest.mark.timeout(900)
def test_the_real_installation(snapshot_zip: Path, user: dict[str, str], tmp_path: Path) -> None:
    """With the ordinary pip: prepared twice, then a measurement through real CK; the user's home is as it was."""
    folder = unpacked(snapshot_zip, tmp_path / "real")
    environ = user | {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environ |= {"RUSTUP_HOME": str(tmp_path / "rustup")}  # pip asks for the version of rustc, and a shim makes files
    lines = """
    . ./prepare_virtual_ck.sh && . ./prepare_virtual_ck.sh && . ./start_virtual_ck.sh &&
    ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-single-device-cpu --env.STAT_REPEAT=64 \\
      --return_error_if_external_fail=yes &&
    iot-farm record check results
    """
    done = typed("bash", lines, folder, environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "venv: up to date" in done.stdout
    assert "VALID" in done.stdout
