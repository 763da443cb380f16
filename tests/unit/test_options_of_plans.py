"""Options that cannot be, of commands that plan, imitate and simulate: refused before anything is started."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.bench.options import RunOptions
from harness.cli.app import main
from harness.cli.numbers import FiniteRange
from harness.errors import BadInputError, FarmError, UserError
from harness.node.exits import exit_code_of, exit_text
from harness.node.processes import StartedNode, require_alive
from harness.node.startable import only_start
from harness.profile.profile import profile_document
from harness.profile.shipped import shipped_profile

FARM = {
    "node": {
        "initial": ["127.40.2.50"],
        "block1": ["127.40.2.51"],
        "block2": ["127.40.2.52", "127.40.2.53"],
        "block3": ["127.40.2.54"],
    }
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a farm, a profile with a gap, and one of another model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IOT_FARM_STATE", str(tmp_path / "state"))
    (tmp_path / "farm.json").write_text(json.dumps(FARM), encoding="utf-8")
    document = profile_document(shipped_profile("rpi3"))
    figures = document["models"].pop("alexnet")
    (tmp_path / "vgg.json").write_text(json.dumps(document), encoding="utf-8")
    figures["layers"] = [layer for layer in figures["layers"] if layer["layer"] != "conv3"]
    document["models"]["alexnet"] = figures
    (tmp_path / "gap.json").write_text(json.dumps(document), encoding="utf-8")
    return tmp_path


PLAN = "plan --model alexnet --devices 5"
SIMULATE = "simulate --model alexnet --devices 5"
UP = "farm up farm.json"
RUN = "run --target farm.json"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("profile alexnet --seconds nan", "--seconds"),
        ("profile alexnet --seconds 1e9", "--seconds"),
        ("profile alexnet --idle-w nan", "--idle-w"),
        ("profile alexnet --load-w inf", "--load-w"),
        ("profile alexnet --idle-w 3 --load-w 2", "--load-w 2 is less"),
        ("profile alexnet --device rpi3 --threads 2", "--threads is for --device host"),
        ("profile alexnet --device rpi3 --runtime onnx", "--runtime is for --device host"),
        ("profile alexnet --out none/host.json", "there is no folder none"),
        ("profile alexnet --out farm.json", "not written over"),
        (f"{PLAN} --out none/farm.json", "there is no folder none"),
        (f"{PLAN} --out farm.json", "not written over"),
        (f"{PLAN} --out vgg.json", "not written over"),
        (f"{PLAN} --assignments farm.json", "not written over"),
        (f"{PLAN} --out one.json --assignments one.json", "the same file"),
        ("plan --model alexnet --devices ", "--devices"),
        (f"plan --model alexnet --devices {'9' * 5000}", "5000 digits"),
        ("plan --model alexnet --devices 2001", "2001 devices cannot be planned as one farm"),
        (f"{PLAN} --device gap.json", "conv3"),
        (f"{PLAN} --device vgg.json", "not of alexnet"),
        (f"{SIMULATE} --device gap.json", "conv3"),
        (f"{SIMULATE} --device vgg.json", "not of alexnet"),
        (f"{SIMULATE} --device host", "this machine has no profile"),
        (f"{SIMULATE} --frames 0", "0 frames"),
        (f"{SIMULATE} --frames 1000001", "1000001 frames"),
        (f"{SIMULATE} --repair 5", "--repair is for devices that fail"),
        (f"{SIMULATE} --out farm.json/x", "farm.json is no folder"),
        ("simulate --predict farm.json --device gap.json", "conv3"),
        ("simulate --predict farm.json --mtbf 9", "--mtbf is for --devices"),
        ("simulate --predict farm.json --model vgg16", "--model is for --devices"),
        ("simulate --predict farm.json --fail 1:1", "--fail is for --devices"),
        ("simulate --predict farm.json --frames 0", "0 frames"),
        ("simulate --predict farm.json --fit farm.json --device rpi3", "--device and --fit"),
        (f"{UP} --threads 500000", "500000 threads are too many"),
        (f"{UP} --runtime keras --precision fp16", "keras does not compute in fp16"),
        (f"{UP} --emulate gap.json+wifi-n", "conv3"),
        (f"{UP} --emulate vgg.json+wifi-n", "not of alexnet"),
        (f"{UP} --timeout nan", "--timeout"),
        ("node --target farm.json --threads 500000", "500000 threads are too many"),
        (f"{RUN} --precision fp16", "keras does not compute in fp16"),
        (f"{RUN} --emulate rpi3+wifi-n --protocol published-2018 --frames 65", "--frames 65 is no burst"),
        (f"{RUN} --emulate rpi3+wifi-n --protocol published-2018 --power virtual --dry-run", "--power exclude"),
        ("reproduce --only nope", "nope"),
        ("reproduce --out farm.json/x", "farm.json is no folder"),
        ("reproduce --power nope", "nope"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], typed: str, said: str
) -> None:
    """One line that names it and one with the way out; files stay as they are and no node, no log appears."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(typed.split(" "))
    told = capsys.readouterr()
    assert ended.value.code in {2, 16}
    lines = told.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "  hint"], told.err
    assert said in lines[0]
    assert told.out == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_is_alike_and_can_be_is_not_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The control: outputs of the same kind are written anew, fits are taken where wanted, a dry run is shown."""
    for typed in (
        f"{PLAN} --out planned.json --assignments all.json",
        f"{PLAN} --out planned.json --assignments all.json",
        f"{PLAN} --device gap.json --extrapolate",
        f"{SIMULATE} --device vgg.json --extrapolate --frames 5",
        "simulate --predict farm.json --frames 5",
        f"{RUN} --emulate rpi3+wifi-n --protocol published-2018 --frames 64 --dry-run",
        "profile alexnet --device rpi3 --out pi.json",
        "profile alexnet --device rpi3 --out pi.json",
    ):
        with pytest.raises(SystemExit) as ended:
            main(typed.split())
        assert ended.value.code == 0, typed
    assert json.loads((folder / "planned.json").read_text(encoding="utf-8"))["partition"]["model"] == "alexnet"
    assert "error" not in capsys.readouterr().err


def test_a_range_takes_finite_numbers_alone() -> None:
    """NaN passes no comparison and so no bound: it is refused by name; a number within is taken."""
    for text in ("nan", "inf", "-inf", "1e999"):
        with pytest.raises(Exception, match=r"finite|range"):
            FiniteRange(min=0).convert(text, None, None)
    assert FiniteRange(min=0).convert("0.5", None, None) == 0.5


def test_one_command_at_a_time_starts_a_farm(folder: Path) -> None:
    """The second one is told so and stops nothing; another farm, and the same one later, can be started."""
    with only_start("farm.json"):
        with pytest.raises(UserError, match=r"another command is starting") as caught, only_start("farm.json"):
            pass
        assert "nothing was started or stopped" in caught.value.hint
        with only_start("other.json"):
            pass
    with only_start("farm.json"):
        pass
    assert not (folder / "state").exists()


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda child: child.kill(), "was killed by SIGKILL"),
        (lambda child: child.terminate(), "was killed by SIGTERM"),
        (lambda child: child.communicate(b"\n"), "ended: it wrote nothing"),
    ],
)
def test_a_killed_node_is_told_by_its_signal(
    tmp_path: Path, end: Callable[[subprocess.Popen[bytes]], object], said: str
) -> None:
    """The signal that ended a process stands in the message; one that ended by itself is told by its last words."""
    log = tmp_path / "node.log"
    log.touch()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        node = StartedNode("127.40.2.51:12345", child.pid, _created(child.pid), str(log))
        require_alive([node])
        end(child)
        if child.returncode is None:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not waited for
        with pytest.raises(FarmError, match=said):
            require_alive([node])


def _created(pid: int) -> float:
    import psutil

    return psutil.Process(pid).create_time()


def test_exit_codes_have_words() -> None:
    """Signals by name, codes by number; of a process that runs, or that nobody knows, there is no code."""
    assert exit_text(3) == "ended with exit code 3"
    assert exit_text(-signal.SIGSEGV) == "was killed by SIGSEGV"
    assert exit_text(-99) == "was killed by signal 99"
    assert exit_code_of(os.getpid()) is None
    assert exit_code_of(2**22 + 5) is None


def test_a_precision_that_no_runtime_has_is_refused_of_farms_too() -> None:
    """A farm's run is as strict as the single device's; what the runtime has is taken."""
    farm = Path("farm.json")
    with pytest.raises(BadInputError, match="keras does not compute in int8"):
        RunOptions(None, "farm.json", farm, precision="int8")
    assert RunOptions(None, "farm.json", farm, runtime="litert", precision="int8").wanted.precision == "int8"
