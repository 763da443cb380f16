"""`make snapshot`: the artifact as one zip, which installs itself beside a Collective Knowledge that is there already.

Unpacked anywhere it gives the two commands of the paper's appendix A.7.2, `. ./prepare_virtual_ck.sh` and
`. ./start_virtual_ck.sh`. It holds the wheel of this checkout, the pinned and hashed requirements, the records that
are to be reviewed, and the commands that repeat them. The same commit and records give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import harness
from harness.errors import BadInputError, NotFoundError, UserError
from harness.records.canonical import canonical, parse
from harness.records.manifest import TRACE, beside
from harness.records.privacy import Private
from harness.records.store import document_of, write_whole

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from repeat import repeat_page  # noqa: E402  beside this file, which is no package

ROOT = HERE.parents[1]
SCRIPTS = ("prepare_virtual_ck.sh", "start_virtual_ck.sh")
REQUIREMENTS = ("build.txt", "cpu.txt", "gpu.txt")
_EARLIEST = 315_532_800  # 1980-01-01, where the times of a zip begin
_CHECKSUMS = "SHA256SUMS"


def build(records: Path, out: Path, *, as_they_are: bool = False) -> tuple[Path, dict[str, str]]:
    """Make the zip.

    Args:
        records: folder of records that are to be reviewed.
        out: folder that the zip goes into.
        as_they_are: leave absolute paths and network addresses in the records; else stand-ins take their place.

    Returns:
        The zip, and private text -> its stand-in.

    Raises:
        NotFoundError: there are no records.
        BadInputError: a file there is no record, or the zip cannot be written.
    """
    stand_ins = Private()
    documents: dict[str, dict[str, Any]] = {}
    files: dict[str, bytes] = {}
    for record in sorted(records.glob("*.json")):
        name = f"records/{records.name}/{record.name}"
        packed = _record(record, None if as_they_are else stand_ins)
        documents[name] = document_of(packed[record.name], str(record))
        files |= {f"records/{records.name}/{file}": content for file, content in packed.items()}
    if not documents:
        raise NotFoundError(
            f"there is no record in {records}", "make benchmark writes some; or SNAPSHOT_RECORDS=FOLDER"
        )
    epoch_s = _commit_time_s()
    with tempfile.TemporaryDirectory() as folder:
        wheel = _wheel(Path(folder), epoch_s)
        files[f"prepare/{wheel.name}"] = wheel.read_bytes()
    files |= {name: (HERE / name).read_bytes() for name in SCRIPTS}
    files["prepare/install.sh"] = (HERE / "install.sh").read_bytes()
    files["prepare/find-python"] = (ROOT / "requirements" / "find-python").read_bytes()
    files |= {f"prepare/{name}": (ROOT / "requirements" / name).read_bytes() for name in REQUIREMENTS}
    files |= {f"farms/{farm.name}": farm.read_bytes() for farm in sorted((ROOT / "ck-machines/farms").glob("*.json"))}
    files["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    files["REPEAT.md"] = repeat_page(documents, version=harness.__version__, revision=_revision()).encode()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    files[_CHECKSUMS] = sums.encode()
    path = out / f"ck-iot-farm-{harness.__version__}-snapshot.zip"
    write_whole(path, _zipped(files, epoch_s))
    return path, stand_ins.found


def newest_records() -> Path:
    """The records of the newest `make benchmark`.

    Raises:
        NotFoundError: nobody called it yet.
    """
    found = sorted(folder for folder in (ROOT / "results").glob("first-run-*") if any(folder.glob("*.json")))
    if not found:
        raise NotFoundError("there are no records to review in results/", "make benchmark writes some")
    return found[-1]


def _record(path: Path, stand_ins: Private | None) -> dict[str, bytes]:
    """A record and its trace as they are packed, by file name."""
    data, trace = path.read_bytes(), beside(path, TRACE)
    packed = {trace.name: trace.read_bytes()} if trace.is_file() else {}
    if stand_ins is not None:
        cleaned_trace = {name: stand_ins.text(content.decode("utf-8")).encode() for name, content in packed.items()}
        document = parse(data, str(path))
        cleaned = stand_ins.record(document, dict.fromkeys([TRACE], cleaned_trace[trace.name]) if packed else {})
        # A record without private text goes out byte for byte, with the seal that it was written with.
        if cleaned != document:
            data = canonical(cleaned)
        packed = cleaned_trace
    return {path.name: data, **packed}


def _wheel(folder: Path, epoch_s: int) -> Path:
    """The wheel of this checkout."""
    done = subprocess.run(  # noqa: S603  our own interpreter
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),
        ],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = list(folder.glob("*.whl"))
    if done.returncode or not found:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise BadInputError(f"the wheel cannot be built: {lines[-1] if lines else 'pip says nothing'}", "make venv")
    return found[0]


def _zipped(files: dict[str, bytes], epoch_s: int) -> bytes:
    with tempfile.TemporaryFile() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in sorted(files.items()):
                member = zipfile.ZipInfo(name, time.gmtime(epoch_s)[:6])
                member.create_system = 3
                runs = name in ("prepare/install.sh", "prepare/find-python")
                member.external_attr = (stat.S_IFREG | (0o755 if runs else 0o644)) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, content, compresslevel=9)
        stream.seek(0)
        return stream.read()


def _commit_time_s() -> int:
    """$SOURCE_DATE_EPOCH, else when the last commit was made: what the files in the zip are dated."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    return max(_EARLIEST, int(text)) if text.isdigit() else _EARLIEST


def _revision() -> str:
    return _git("describe", "--always", "--dirty=+", "--abbrev=12") or "unknown"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  fixed commands
            ["git", "-C", str(ROOT), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=Path, help="folder of records to review (default: the newest first run)")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the zip (default: dist)")
    parser.add_argument(
        "--as-they-are", action="store_true", help="leave absolute paths and network addresses in the records"
    )
    options = parser.parse_args()
    try:
        records = newest_records() if options.records is None else options.records.absolute()
        path, hidden = build(records, options.out.absolute(), as_they_are=options.as_they_are)
    except UserError as error:
        print(f"error: {error.message}\n  hint: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    for text, stand_in in hidden.items():
        print(f"not packed: {text} (there it says {stand_in})")  # noqa: T201
    print(f"records: {records}\nsnapshot: {path} ({path.stat().st_size / 1e6:.1f} MB)")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
