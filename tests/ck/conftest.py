"""Real Collective Knowledge in folders of its own: no test ever touches the user's ~/CK."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "program:request-iot-benchmark"


@dataclass
class CkHome:
    """One $CK_REPOS and the commands that people type in it."""

    repos: Path
    work: Path
    environ: dict[str, str] = field(default_factory=dict)

    def ck(self, *arguments: str, answers: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """`ck ARGUMENTS`, with lines for its questions and nothing after them."""
        return self.python("-m", "ck", *arguments, answers=answers, **variables)

    def run_program(self, key: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`ck run program:request-iot-benchmark --cmd_key=KEY ARGUMENTS`."""
        return self.ck("run", PROGRAM, f"--cmd_key={key}", *arguments, **variables)

    def iot_farm(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`iot-farm ARGUMENTS`."""
        return self.python("-m", "harness", *arguments, **variables)

    def python(self, *arguments: str, answers: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS`; standard error goes where CK writes its errors, to standard output."""
        return subprocess.run(
            [sys.executable, *arguments],
            input=answers,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.work,
            env={**self.environ, **variables},
            timeout=600,
            check=False,
        )

    @contextmanager
    def background(self, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """`ck ARGUMENTS` in a session of its own; ends with Ctrl-C, as a user ends it."""
        log = self.work / f"background-{time.monotonic_ns()}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "ck", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=self.work,
                env=self.environ,
                start_new_session=True,
            )
        try:
            yield process, log
        finally:
            _end_session(process)

    @property
    def timer(self) -> Path:
        """Where the program entry leaves its figures."""
        return self.repos / "ck-iot-farm-programs" / "program" / "request-iot-benchmark" / "tmp" / "tmp-ck-timer.json"


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., CkHome]:
    """Makes an empty $CK_REPOS and an empty working folder."""
    if not any(distribution.name == "ck" for distribution in importlib.metadata.distributions()):
        pytest.skip("ck is not installed: Python 3.11 and `pip install ck==2.6.4` have it")

    def make(**variables: str) -> CkHome:
        base = tmp_path_factory.mktemp("ck")
        work = base / "work"
        work.mkdir()
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CK_", "IOT_FARM_", "STAT_REPEAT", "POWER", "CUDA_"))
        }
        environ |= {
            "CK_REPOS": str(base / "CK"),
            "CK_TOOLS": str(base / "CK-TOOLS"),
            "HOME": str(base / "home"),
            "IOT_FARM_RESULTS": str(base / "results"),
            "IOT_FARM_STATE": str(base / "state"),
            "IOT_FARM_CACHE": os.environ["IOT_FARM_CACHE"],
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        return CkHome(base / "CK", work, environ)

    return make


@pytest.fixture
def empty_home(new_home: Callable[..., CkHome]) -> CkHome:
    """A $CK_REPOS in which nothing is installed yet."""
    return new_home()


@pytest.fixture(scope="module")
def home(new_home: Callable[..., CkHome]) -> CkHome:
    """A $CK_REPOS after `iot-farm ck install`, shared by the tests of a module."""
    return _installed(new_home())


@pytest.fixture
def own_home(new_home: Callable[..., CkHome]) -> CkHome:
    """A $CK_REPOS after `iot-farm ck install`, for one test that changes it."""
    return _installed(new_home())


@pytest.fixture
def snapshot() -> Callable[[Path], Mapping[str, bytes]]:
    """Reads a folder: relative path -> content of every file."""

    def read(folder: Path) -> Mapping[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }

    return read


def _installed(home: CkHome) -> CkHome:
    done = home.iot_farm("ck", "install")
    assert done.returncode == 0, done.stdout
    return home


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C for the session that this process leads, then the hard way for what is left of it."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            process.poll()
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)


@pytest.fixture
def fake_repository(tmp_path: Path) -> Callable[..., Path]:
    """Makes a CK repository of somebody else, with entries `module/name` that have the given UIDs."""
    modules = {"program": "b0ac08fe1d3c2615", "machine": "84be34883a81b2a9", "os": "0440cb72c2bc5cc6"}

    def make(alias: str, uid: str, entries: Mapping[str, str], source: Path | None = None) -> Path:
        folder = tmp_path / alias
        (folder / ".cm").mkdir(parents=True)
        (folder / ".ckr.json").write_text(
            f'{{"data_uoa": "{alias}", "data_alias": "{alias}", "data_uid": "{uid}", "dict": {{}}}}'
        )
        for entry, entry_uid in entries.items():
            module, name = entry.split("/")
            (folder / module / ".cm").mkdir(parents=True, exist_ok=True)
            (folder / ".cm" / f"alias-a-{module}").write_text(modules[module] + "\n")
            (folder / ".cm" / f"alias-u-{modules[module]}").write_text(module + "\n")
            (folder / module / ".cm" / f"alias-a-{name}").write_text(entry_uid + "\n")
            (folder / module / ".cm" / f"alias-u-{entry_uid}").write_text(name + "\n")
            if source is not None:
                shutil.copytree(source / entry, folder / entry)
            else:
                (folder / entry / ".cm").mkdir(parents=True)
                (folder / entry / ".cm" / "meta.json").write_text("{}")
        return folder

    return make


PUBLISHED = ROOT.parent / "shared" / "data" / "ck-request-asplos18-iot-farm-benchmark-alexnet-farm-5-nodes"


@pytest.fixture
def published_entry() -> Path:
    """An entry as it was published in 2018; it lies beside the project, not in it."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published entry is not here")
    return PUBLISHED


@pytest.fixture
def place_published(published_entry: Path) -> Callable[[Path], Path]:
    """Copies the published entry into a CK repository; gives its folder there."""
    return lambda repository: _place(published_entry, repository, "5a3dac8c7477d06f")


def _place(source: Path, repository: Path, uid: str) -> Path:
    """Copy an entry into a CK repository, with the alias files that belong to it."""
    module = repository / "experiment"
    shutil.copytree(source, module / source.name, copy_function=shutil.copyfile)
    for folder in [module / source.name, *(module / source.name).rglob("*")]:
        folder.chmod(0o755 if folder.is_dir() else 0o644)
    for place, alias, key in (
        (repository, "experiment", "bc0409fb61f0aa82"),
        (module, source.name, uid),
    ):
        (place / ".cm").mkdir(exist_ok=True)
        (place / ".cm" / f"alias-a-{alias}").write_text(f"{key}\n")
        (place / ".cm" / f"alias-u-{key}").write_text(f"{alias}\n")
    return module / source.name
