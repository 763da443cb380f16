"""The command line as a user meets it: what is typed wrong gets one clear line, the right exit code, and no file."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from run_records import run_record, steady_frames

from harness.records.store import write_record

ROOT = Path(__file__).parents[2]
COMMANDS: tuple[list[str], ...] = (
    [],
    ["run"],
    ["farm"],
    ["farm", "up"],
    ["farm", "status"],
    ["farm", "down"],
    ["farm", "keys"],
    ["node"],
    ["doctor"],
    ["model"],
    ["profile"],
    ["plan"],
    ["simulate"],
    ["results"],
    ["ck"],
    ["ck", "install"],
    ["power"],
    ["power", "list"],
    ["power", "probe"],
    ["power", "record"],
    ["power", "analyze"],
    ["power", "report"],
)
ELSEWHERE = "198.51.100."
"""Addresses that are kept for documentation, and so belong to no machine."""
ROLES = {
    "initial": ["127.0.3.1"],
    "block1": ["127.0.3.2"],
    "block2": ["127.0.3.3", "127.0.3.4"],
    "block3": ["127.0.3.5"],
}


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def iot_farm(tmp_path: Path) -> Iterator[Command]:
    """`iot-farm`, typed in an empty folder; everything that it could write by itself lies below that folder.

    No test here means to start a node; one that starts by mistake is stopped after the test.
    """
    environ = os.environ | {
        "PYTHONPATH": str(ROOT),
        "IOT_FARM_RESULTS": str(tmp_path / "results"),
        "IOT_FARM_STATE": str(tmp_path / "state"),
        "CK_REPOS": str(tmp_path / "CK"),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "xdg"),
        "IOT_FARM_CACHE": str(tmp_path / "cache"),
    }

    def run(*arguments: str, **changes: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            cwd=tmp_path,
            env=environ | changes,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    yield run
    for target in (tmp_path / "state").glob("*"):
        run("farm", "down", target.name)


@pytest.fixture
def farm_file(tmp_path: Path) -> Callable[..., str]:
    """Writes farm.json: the roles of a good farm with changes (`...` removes one), or any text."""

    def write(text: str | None = None, **changes: object) -> str:
        roles = {role: found for role, found in {**ROLES, **changes}.items() if found is not ...}
        (tmp_path / "farm.json").write_text(json.dumps({"node": roles}) if text is None else text)
        return "farm.json"

    return write


def files_below(folder: Path) -> set[str]:
    """Every file and folder, by its path."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def assert_refused(ended: Ended, code: int, *named: str) -> None:
    """One line that names the thing, one that says the way out, the exit code, and nothing else."""
    lines = ended.err.splitlines()
    assert "Traceback" not in ended.err
    assert [line[: len("error: ")] for line in lines] == ["error: ", "  hint:"], ended.err
    assert all(part in ended.err for part in named), ended.err
    assert ended.out == ""
    assert ended.code == code


# What is typed wrong


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["run"], 2, ["Missing option '--target'", "run --help"]),
        (["node"], 2, ["Missing option '--target'", "node --help"]),
        (["farm", "up"], 2, ["Missing argument 'TARGET'", "farm up --help"]),
        (["farm", "status"], 2, ["Missing argument 'TARGET'"]),
        (["farm", "down"], 2, ["Missing argument 'TARGET'"]),
        (["model"], 2, ["Missing argument 'NAME'"]),
        (["rnu"], 2, ["No such command 'rnu'", "iot-farm --help"]),
        (["farm", "start"], 2, ["No such command 'start'"]),
        (["run", "--target", "farm-5-local", "--frame", "3"], 2, ["--frame"]),
        (["run", "--target", "nope"], 16, ["no target 'nope'", "farm-5-local", "ck add machine:nope"]),
        (["run", "--target", ""], 16, ["no target ''", "farm-5-local"]),
        (["run", "--target", "farm 5"], 16, ["no target 'farm 5'"]),
        (["run", "--target", "./nope.json"], 16, ["farm file nope.json does not exist"]),
        (["run", "--target", "nope/"], 16, ["farm file nope does not exist"]),
        (["run", "--target", "."], 16, ["holds no file 'ip'"]),
        (["node", "--target", "nope"], 16, ["no target 'nope'"]),
        (["farm", "up", "nope"], 16, ["no target 'nope'"]),
        (["farm", "status", "nope"], 16, ["no target 'nope'"]),
        (["farm", "down", "nope"], 16, ["no target 'nope'"]),
        (["doctor", "--target", "nope"], 16, ["no target 'nope'"]),
        (["model", "lenet"], 2, ["'lenet'", "alexnet", "vgg16-11"]),
        (["run", "--target", "host"], 2, ["needs a model", "--model alexnet"]),
        (["run", "--target", "host", "--dry-run"], 2, ["needs a model", "--model alexnet"]),
        (["run", "--target", "host", "--model", "lenet"], 2, ["unknown model 'lenet'", "alexnet, vgg16"]),
        (["run", "--target", "host", "--model", "lenet", "--dry-run"], 2, ["unknown model 'lenet'"]),
        (
            ["run", "--target", "host", "--model", "alexnet", "--in-flight", "2"],
            2,
            ["--in-flight", "for farms"],
        ),
        (["run", "--target", "host", "--model", "alexnet", "--rate", "2"], 2, ["--rate", "for farms"]),
        (["run", "--target", "host", "--model", "alexnet", "--wire", "fp16"], 2, ["--wire is for farms"]),
        (["run", "--target", "farm-5-local", "--wire", "int4", "--dry-run"], 2, ["'int4'", "'f32', 'fp16', 'uint8'"]),
        (
            ["run", "--target", "host", "--model", "alexnet", "--partition", "alexnet-5"],
            2,
            ["--partition", "for farms"],
        ),
        (
            ["run", "--target", "host", "--model", "alexnet", "--threads", "0"],
            2,
            ["--threads 0 is too small"],
        ),
        (
            ["run", "--target", "host", "--model", "alexnet", "--weights", "no.h5"],
            2,
            ["File 'no.h5' does not exist"],
        ),
        (
            ["run", "--target", "host", "--model", "alexnet", "--device", "tpu"],
            2,
            ["'tpu' is not one of 'cpu', 'gpu'"],
        ),
        (
            ["run", "--target", "farm-5-local", "--out", "/dev/null"],
            2,
            ["/dev/null cannot be written", "another folder"],
        ),
        (["results"], 16, ["there is no record in", "iot-farm run makes one"]),
        (["results", "--json"], 16, ["there is no record in"]),
        (["results", "elsewhere"], 16, ["there is no record in elsewhere"]),
    ],
)
def test_a_wrong_command_is_refused(
    iot_farm: Command, tmp_path: Path, arguments: list[str], code: int, named: list[str]
) -> None:
    """Missing and unknown commands, options, targets and models: one line, a way out, and nothing written."""
    assert_refused(iot_farm(*arguments), code, *named)
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--frames", "0"], ["--frames 0 is too small", "the least is 1"]),
        (["--frames", "-1"], ["--frames -1 is too small"]),
        (["--frames", "x"], ["'--frames': 'x' is not a valid integer", "run --help"]),
        (["--frames", "2.5"], ["'2.5' is not a valid integer"]),
        (["--frames"], ["'--frames' requires an argument"]),
        (["--warmup", "-1"], ["--warmup -1 is too small", "the least is 0"]),
        (["--seed", "-1"], ["--seed -1 is too small"]),
        (["--seed", "x"], ["'--seed': 'x'"]),
        (["--in-flight", "0"], ["--in-flight 0 is too small"]),
        (["--in-flight", "999"], ["--in-flight 999 is too much", "64"]),
        (["--in-flight", "4", "--rate", "2"], ["--in-flight and --rate exclude each other"]),
        (["--rate", "0"], ["--rate 0.0 is not a positive number"]),
        (["--rate", "-1"], ["--rate -1.0 is not a positive number"]),
        (["--rate", "nan"], ["--rate nan is not a positive number"]),
        (["--rate", "inf"], ["--rate inf is not a positive number"]),
        (["--rate", "x"], ["'--rate': 'x' is not a valid float"]),
        (["--stall", "0"], ["--stall 0.0 is not a positive number"]),
        (["--device", "gpu"], ["--device gpu is for the target host"]),
        (["--model", "lenet"], ["unknown model 'lenet'"]),
        (["--model", "vgg16"], ['unknown role "block']),
        (
            ["--partition", "alexnet-7"],
            ["no partition 'alexnet-7'", "alexnet-5, alexnet-6, vgg16-9, vgg16-11"],
        ),
        (["--partition", "alexnet-6"], ['1 addresses for "block1"', "alexnet-6 needs 2"]),
        (["--partition", "vgg16-11"], ['unknown role "block1"', "vgg16-11 has the roles"]),
        (
            ["--partition", "vgg16-11", "--model", "alexnet"],
            ["partition vgg16-11 is not one of model alexnet"],
        ),
        (["--weights", "no.weights.h5"], ["File 'no.weights.h5' does not exist"]),
    ],
)
def test_a_wrong_option_is_refused(
    iot_farm: Command, farm_file: Callable[..., str], tmp_path: Path, options: list[str], named: list[str]
) -> None:
    """Each option of a farm run that makes no sense is named before anything is asked, computed or written."""
    target = farm_file()
    before = files_below(tmp_path)
    assert_refused(iot_farm("run", "--target", target, *options), 2, *named)
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ["farm.json is not JSON", "line 1 column 1"]),
        ("initial: 127.0.0.1", ["farm.json is not JSON"]),
        ('{"node": {"initial": ["127.0.3.1"],}}', ["farm.json is not JSON", "comma"]),
        ("[]", ['farm.json has no object "node"']),
        ('{"initial": ["127.0.3.1"]}', ['farm.json has no object "node"']),
    ],
)
@pytest.mark.parametrize("command", [["run", "--target"], ["farm", "up"]])
def test_a_file_that_is_no_farm_is_refused(
    iot_farm: Command,
    farm_file: Callable[..., str],
    tmp_path: Path,
    command: list[str],
    text: str,
    named: list[str],
) -> None:
    """Neither a run nor the start of a farm begins with a file that cannot be read."""
    target = farm_file(text)
    assert_refused(iot_farm(*command, target), 2, *named)
    assert files_below(tmp_path) == {"farm.json"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"block9": ["127.0.3.9"]}, ['unknown role "block9"', "block1, block2, block3"]),
        ({"block3": []}, ['role "block3" has no address']),
        ({"block3": ...}, ['has no role "block3"']),
        ({"initial": ...}, ['has no role "initial"']),
        ({"initial": ["127.0.3.1", "127.0.3.6"]}, ['2 addresses for "initial"']),
        ({"block3": ["127.0.3.4"]}, ["127.0.3.4:12345 twice", "block2 and block3"]),
        ({"block2": ["127.0.3.3"]}, ['1 addresses for "block2"', "a multiple of 2"]),
        ({"block3": ["127.0.3.5:0"]}, ['role "block3"', "'127.0.3.5:0'", "port"]),
        ({"block3": ["127.0.3.5:99999"]}, ["'127.0.3.5:99999'"]),
        ({"block3": ["127.0.3.256"]}, ["'127.0.3.256' is not an IPv4 address"]),
        ({"block3": ["pi 5"]}, ["'pi 5' is neither a host name nor an IPv4 address"]),
        ({"block3": "127.0.3.5"}, ['role "block3" is not a list']),
        (
            {"initial": [f"{ELSEWHERE}1"]},
            [f'"initial" is {ELSEWHERE}1', "not an address of this machine", "farm.json"],
        ),
        ({"initial": ["no-such-host.invalid"]}, ["host name no-such-host.invalid has no IPv4 address"]),
    ],
)
def test_a_wrong_farm_is_refused(
    iot_farm: Command,
    farm_file: Callable[..., str],
    tmp_path: Path,
    changes: dict[str, object],
    named: list[str],
) -> None:
    """Roles, addresses and ports that cannot be used are named with the file, before a reference is computed."""
    target = farm_file(**changes)
    assert_refused(iot_farm("run", "--target", target), 2, *named)
    assert files_below(tmp_path) == {"farm.json"}


@pytest.mark.parametrize(
    ("changes", "options", "named"),
    [
        (
            {
                "block1": [f"{ELSEWHERE}2"],
                "block2": [f"{ELSEWHERE}3", f"{ELSEWHERE}4"],
                "block3": [f"{ELSEWHERE}5"],
            },
            [],
            ["no node of farm.json has an address of this machine", "farm-5-local"],
        ),
        ({"block1": ["no-such-host.invalid"]}, [], ["no-such-host.invalid has no IPv4 address"]),
        ({}, ["--timeout", "0"], ["'--timeout': 0.0 is not in the range x>0"]),
        ({}, ["--seed", "-1"], ["'--seed': -1 is not in the range x>=0"]),
        ({}, ["--threads", "0"], ["'--threads': 0 is not in the range x>=1"]),
        ({}, ["--weights", "no.h5"], ["File 'no.h5' does not exist"]),
        ({}, ["--partition", "vgg16-9"], ['unknown role "block2"']),
    ],
)
def test_a_farm_that_cannot_start_is_refused(
    iot_farm: Command,
    farm_file: Callable[..., str],
    tmp_path: Path,
    changes: dict[str, object],
    options: list[str],
    named: list[str],
) -> None:
    """`farm up` names what is wrong before it starts a process or makes a folder for logs."""
    target = farm_file(**changes)
    assert_refused(iot_farm("farm", "up", target, *options), 2, *named)
    assert files_below(tmp_path) == {"farm.json"}


@pytest.mark.parametrize("command", [["farm", "up", "farm.json"], ["node", "--target", "farm.json"]])
def test_a_port_in_use_is_named(
    iot_farm: Command, farm_file: Callable[..., str], tmp_path: Path, command: list[str]
) -> None:
    """A node's port that something listens on is named, and no node is started."""
    with socket.create_server(("127.0.3.4", 0)) as taken:
        port = taken.getsockname()[1]
        farm_file(block2=["127.0.3.3", f"127.0.3.4:{port}"])
        assert_refused(
            iot_farm(*command), 2, f"port {port} on 127.0.3.4 is taken by process {os.getpid()}", "stop that"
        )
    assert files_below(tmp_path) == {"farm.json"}


@pytest.mark.parametrize("address", ["127.0.3.77", "127.0.3.2:99999", "not an address"])
def test_a_node_that_is_not_in_the_farm_is_refused(
    iot_farm: Command, farm_file: Callable[..., str], tmp_path: Path, address: str
) -> None:
    """`node --address` takes an address of the farm file, and no other."""
    assert_refused(iot_farm("node", "--target", farm_file(), "--address", address), 2, address)
    assert files_below(tmp_path) == {"farm.json"}


def test_without_tensorflow_a_run_says_what_to_install(iot_farm: Command, tmp_path: Path) -> None:
    """A machine without TensorFlow gets exit code 5 and the name of the extra."""
    (tmp_path / "site" / "tensorflow").mkdir(parents=True)
    (tmp_path / "site" / "tensorflow" / "__init__.py").write_text("raise ImportError('there is none')")
    before = files_below(tmp_path)
    ended = iot_farm(
        *("run", "--target", "host", "--model", "alexnet"),
        PYTHONPATH=f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
        PYTHONDONTWRITEBYTECODE="1",
    )
    lines = ended.err.splitlines()
    assert lines[:-2] == ["computing the reference ..."]
    assert_refused(Ended(ended.code, ended.out, "\n".join(lines[-2:])), 5, "TensorFlow", "there is none", "extra `cpu`")
    assert files_below(tmp_path) == before


def test_without_a_gpu_a_gpu_run_is_refused(iot_farm: Command, tmp_path: Path) -> None:
    """`--device gpu` never becomes a CPU number: exit code 5, and no reference is computed first."""
    ended = iot_farm(*("run", "--target", "host", "--model", "alexnet", "--device", "gpu"), CUDA_VISIBLE_DEVICES="-1")
    assert_refused(ended, 5, "finds no GPU", "--device cpu")
    assert files_below(tmp_path) <= {".keras", ".keras/keras.json"}, "Keras' own settings, and nothing of ours"


# What is typed right


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(iot_farm: Command, command: list[str]) -> None:
    """--help exits with 0, and shows at least one command line that stands on a line of its own."""
    ended = iot_farm(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "\\b" not in ended.out
    typed = [line.strip() for line in ended.out.splitlines()]
    assert any(line.startswith(("iot-farm ", "ck ", "CK_REPOS=")) for line in typed), ended.out


def test_help_and_the_plan_need_no_tensorflow(iot_farm: Command, farm_file: Callable[..., str]) -> None:
    """The pages of --help, a model's layers and a plan are shown without importing TensorFlow or ck."""
    farm_file()
    for command in ([], ["run"], ["power"], ["--dry-run"], ["model"]):
        arguments = {"--dry-run": ["run", "--target", "farm.json", "--dry-run"], "model": ["model", "vgg16"]}
        typed = arguments.get("".join(command), [*command, "--help"])
        ended = iot_farm(*typed, PYTHONPROFILEIMPORTTIME="1")
        assert ended.code == 0
        imported = {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}
        assert "harness.cli.app" in imported
        assert not imported & {"tensorflow", "keras", "ck", "ck.kernel", "pyvisa", "plotly", "matplotlib", "jinja2"}


def test_the_version_is_told(iot_farm: Command) -> None:
    """--version names the program and its version."""
    ended = iot_farm("--version")
    assert ended.code == 0
    assert ended.out.startswith("iot-farm, version ")


@pytest.mark.parametrize("target", ["farm-5-local", "farm-6-local", "farm-9-local", "farm-11-local"])
def test_a_dry_run_of_a_farm_is_json(iot_farm: Command, tmp_path: Path, target: str) -> None:
    """`--dry-run --json` prints one document: the options and the plan with every node and edge; nothing is written."""
    ended = iot_farm("run", "--target", target, "--dry-run", "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["target"] == target
    assert told["plan"]["devices"] == int(target.split("-")[1]) == 1 + len(told["plan"]["nodes"])
    assert told["model"] == told["plan"]["model"]
    assert told["options"]["frames"] == 50
    assert told["plan"]["edges"][0]["from"] == told["plan"]["edges"][-1]["to"] == "initial"
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize(("wire", "size"), [("f32", 221_088), ("fp16", 187_808), ("uint8", 171_200)])
def test_a_dry_run_tells_the_bytes_of_a_wire(iot_farm: Command, wire: str, size: int) -> None:
    """The plan is that of the wire, in the table and in JSON; float32 is not named, and what it was."""
    told = json.loads(iot_farm("run", "--target", "farm-5-local", "--wire", wire, "--dry-run", "--json").out)
    assert told["plan"]["bytes_per_frame"] == size
    assert (told["plan"].get("wire"), told["options"].get("wire")) == ((None, None) if wire == "f32" else (wire, wire))
    shown = iot_farm("run", "--target", "farm-5-local", "--wire", wire, "--dry-run").out
    assert f"{size:,} payload bytes per frame" in shown
    assert (f"{wire} between blocks" in shown) == (wire != "f32")


def test_a_dry_run_is_a_table(iot_farm: Command) -> None:
    """Without --json the plan is a table that names every node, its role and what travels."""
    ended = iot_farm("run", "--target", "farm-11-local", "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    for part in (
        "vgg16-11",
        "127.0.0.110:9999",
        "127.0.0.117:12345",
        "1 of 2",
        "14,714,688",
        "371,616 payload bytes",
    ):
        assert part in ended.out


def test_a_dry_run_of_this_machine_names_the_model(iot_farm: Command) -> None:
    """The single device has no plan; its model is told, as text and as JSON."""
    ended = iot_farm("run", "--target", "host", "--model", "alexnet", "--dry-run")
    assert ended.code == 0
    assert "47,518,376 parameters" in ended.out
    assert "373.4 M MAC" in ended.out
    told = json.loads(iot_farm("run", "--target", "host", "--model", "alexnet", "--dry-run", "--json").out)
    assert (told["target"], told["model"], told["plan"]) == ("host", "alexnet", None)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("farm.json", "farm"),
        ("./farm.json", "farm"),
        ("sub/my.lab", "my.lab"),
        ("sub/my.lab/ip", "ip"),
        (".", None),
    ],
)
def test_a_target_keeps_its_name(
    iot_farm: Command, farm_file: Callable[..., str], tmp_path: Path, typed: str, name: str | None
) -> None:
    """A record calls a file by its name without .json, and a folder by its own name, dots and all."""
    content = (tmp_path / farm_file()).read_text()
    (tmp_path / "sub" / "my.lab").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "sub" / "my.lab"):
        (folder / "ip").write_text(content)
    ended = iot_farm("run", "--target", typed, "--dry-run", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["target"] == (name or tmp_path.name)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "alexnet-5", "vgg16-9"])
def test_models_and_partitions_are_shown(iot_farm: Command, name: str) -> None:
    """`model` shows layers or roles, as a table and as JSON with the same rows."""
    shown, told = iot_farm("model", name), iot_farm("model", name, "--json")
    assert (shown.code, told.code) == (0, 0)
    rows = json.loads(told.out)
    first = "role" if "-" in name else "layer"
    assert all(row[first] in shown.out for row in rows)
    if first == "layer":
        total = {"alexnet": 47_518_376, "vgg16": 138_357_544}[name]
        assert sum(row["parameters"] for row in rows) == total
        assert f"{total:,}" in shown.out


def test_a_farm_that_is_down_is_told_node_by_node(iot_farm: Command, farm_file: Callable[..., str]) -> None:
    """`farm status` exits with 3 and names each node that does not answer; `farm down` has nothing to do."""
    target = farm_file()
    ended = iot_farm("farm", "status", target)
    assert ended.code == 3
    assert ended.out.count("[ ]") == 4
    assert "block2 part 2 of 2 at 127.0.3.4:12345" in ended.out
    told = json.loads(iot_farm("farm", "status", target, "--json").out)
    assert told[0]["address"] == "127.0.3.2:12345"
    assert all("is down" in report["problem"] for report in told)
    down = iot_farm("farm", "down", target)
    assert (down.code, down.err) == (0, "")
    assert "no node of farm.json was running" in down.out


# Records of earlier runs


def file_record(folder: Path, run: str, target: str = "farm-5-local") -> Path:
    """File a record of a small run."""
    record = run_record(frames=steady_frames(1, 0.5), target=target, run=run * 16)
    return write_record(replace(record, started_utc=f"2026-02-03T04:05:0{run}.000+00:00"), folder)


def test_results_shows_what_is_there(iot_farm: Command, tmp_path: Path) -> None:
    """All records oldest first, only the latest of each target with --latest, from the default or a named folder."""
    folder = tmp_path / "results"
    first, second = file_record(folder, "1"), file_record(folder, "2", "[bold]odd[/x]")
    third = file_record(folder, "3")
    told = json.loads(iot_farm("results", "--json").out)
    assert [entry["path"] for entry in told] == [str(first), str(second), str(third)]
    latest = json.loads(iot_farm("results", str(folder), "--latest", "--json").out)
    assert {entry["run"][0] for entry in latest} == {"2", "3"}
    shown = iot_farm("results")
    assert shown.code == 0
    assert (shown.out.count("VALID"), shown.out.count("INVALID")) == (3, 0)
    assert "[bold]odd[/x]" in shown.out, "a name is text, whatever stands in it"
    assert "1 = 1 = 1" in shown.out
    first.write_bytes(first.read_bytes().replace(b'"ips":2.0', b'"ips":4.0'))
    edited = iot_farm("results")
    assert (edited.out.count("INVALID"), edited.out.count("4.00")) == (1, 0), "an edited figure is not shown"


@pytest.mark.parametrize("text", ["{", "{}", '{"format": "ck-iot-farm run", "version": 1}', "\x00"])
def test_a_damaged_record_is_named(iot_farm: Command, tmp_path: Path, text: str) -> None:
    """One file that is no record stops the table, and is named, so that no run silently disappears from it."""
    path = file_record(tmp_path / "results", "1")
    path.with_name("zz.json").write_text(text)
    assert_refused(iot_farm("results"), 2, "zz.json", "another folder")
