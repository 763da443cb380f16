"""What a user may hand to `power analyze` and to `run --power`: one clear line, an exit code, and no number made up."""

from __future__ import annotations

import dataclasses
import json
import re
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from power_traces import PHASES, make, measurement

from harness.cli.app import main
from power import sampler as sampler_module
from power.energy import analyze
from power.phases import Markers, Phase
from power.recording import COLUMNS
from power.replay import ReplayMeter
from power.sampler import Sampler
from power.sysfs import HWMON_FOLDER, RAPL_FOLDER
from power.trace import Trace
from power.trace_file import read_trace, write_trace
from tests.power.virtual_process import virtual_analyzer

FRAMES = 600
Output = tuple[int, str, str]
Command = Callable[..., Output]


@pytest.fixture
def iot_farm(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process, where anything but an error for users would fail the test."""

    def call(*arguments: str) -> Output:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return call


def written(path: Path, trace: Trace | None = None, phases: tuple[Phase, ...] = PHASES, frames: int = FRAMES) -> Path:
    """A file of a measurement: idle, run, idle."""
    write_trace(path, measurement() if trace is None else trace, phases, frames)
    return path


def column(name: str, change: Callable[[str], str]) -> Callable[[str], str]:
    """Change one column in all samples."""

    def changed(text: str) -> str:
        place = COLUMNS.index(name)
        lines = [line.split(",") if line[0].isdigit() else [line] for line in text.splitlines()]
        return "\n".join(
            ",".join([*line[:place], change(line[place]), *line[place + 1 :]] if len(line) > 1 else line)
            for line in lines
        )

    return changed


def swapped(text: str) -> str:
    """Two samples in the wrong order."""
    lines = text.splitlines()
    lines[100], lines[101] = lines[101], lines[100]
    return "\n".join(lines)


def dropped(name: str) -> Callable[[str], str]:
    """The same samples without one column."""

    def changed(text: str) -> str:
        place = COLUMNS.index(name)
        lines = [line if line[0] == "#" else line.split(",") for line in text.splitlines()]
        return "\n".join(
            line if isinstance(line, str) else ",".join(line[:place] + line[place + 1 :]) for line in lines
        )

    return changed


UNUSABLE: dict[str, tuple[Callable[[str], str], str]] = {
    **{f"no {name}": (dropped(name), f"column '{name}' is missing") for name in COLUMNS},
    "unsorted times": (swapped, r"line 102: column 't_mono_ns': the time does not come after"),
    "milliwatts by name": (lambda text: text.replace("power_w", "power_mw"), "'power_mw' has another unit"),
    "seconds by name": (lambda text: text.replace("t_mono_ns", "t_mono_s"), "'t_mono_s' has another unit"),
    "unit beside the number": (column("power_w", lambda value: f"{value} W"), "column 'power_w': '.* W' is no number"),
    "seconds in nanoseconds": (column("t_mono_ns", lambda value: f"{int(value) / 1e9}"), "is no whole number"),
    "decimal commas": (lambda text: re.sub(r"(?<=\d)\.(?=\d)", ",", text), "line"),
    "not a number": (column("power_w", lambda _value: "NaN"), "column 'power_w': 'NaN' is no number"),
    "cut off": (lambda text: text[: len(text) - 20], r"line \d+: "),
    "nothing": (lambda _text: "", "is empty"),
    "no header": (lambda text: text[text.index("t_mono_ns,") :], "format None"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_cannot_be_read(iot_farm: Command, tmp_path: Path, what: str) -> None:
    """`power analyze` and `run --power replay:` name file and fault in one line, exit code 2."""
    spoil, message = UNUSABLE[what]
    path = written(tmp_path / "power.csv")
    assert iot_farm("power", "analyze", str(path))[0] == 0, "control"
    path.write_text(spoil(path.read_text()))
    replay = ("run", "--target", "host", "--model", "alexnet", "--power", f"replay:{path}")
    for arguments in (("power", "analyze", str(path)), replay):
        code, out, err = iot_farm(*arguments)
        assert code == 2, err
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        assert str(path) in line
        assert re.search(message, line), line
        assert "computing the reference" not in err
        assert out == ""


def phase(name: str, begin_s: float, end_s: float) -> tuple[Phase, ...]:
    """The phases with one of them moved."""
    return tuple(Phase(name, begin_s, end_s) if old.name == name else old for old in PHASES)  # type: ignore[arg-type]


def holed() -> Trace:
    """Four seconds of the run without a reply."""
    trace = measurement()
    lost = (trace.at_s >= 40) & (trace.at_s < 44)
    flags = tuple("timeout" if gone else "" for gone in lost)
    return dataclasses.replace(trace, power_w=np.where(lost, np.nan, trace.power_w), flags=flags)


PER_FRAME = ("total_j_per_frame", "static_j_per_frame", "dynamic_j_per_frame")
ALL = ("total_j", "dynamic_j", *PER_FRAME)
NO_SAMPLES = make(np.array([]), np.array([]))
INVALID: dict[str, tuple[Callable[[Path], Path], str, tuple[str, ...]]] = {
    "no frames": (lambda path: written(path, frames=0), "no frames", PER_FRAME),
    "fewer than no frames": (lambda path: written(path, frames=-3), "no frames", PER_FRAME),
    "empty window": (lambda path: written(path, phases=phase("run", 50, 50)), "empty or reversed", ALL),
    "window turned round": (lambda path: written(path, phases=phase("run", 60, 50)), "empty or reversed", ALL),
    "window within an update": (lambda path: written(path, phases=phase("run", 50, 50.05)), "shorter than 2", ALL),
    "window of ten updates": (lambda path: written(path, phases=phase("run", 50, 51)), "shorter than 20", ()),
    "window after the trace": (lambda path: written(path, phases=(PHASES[0], Phase("run", 500, 600))), "outside", ALL),
    "window before the trace": (lambda path: written(path, phases=(Phase("run", -9, -2), PHASES[2])), "outside", ALL),
    "idle outside the trace": (
        lambda path: written(path, phases=phase("idle after", 300, 330)),
        "phase 'idle after': .* outside",
        (),
    ),
    "no window": (lambda path: written(path, phases=PHASES[:1]), "no run phase", ALL),
    "no idling": (lambda path: written(path, phases=PHASES[1:2]), "no idle phase", ("static_j", "dynamic_j")),
    "idle above run": (lambda path: written(path, measurement(idle_w=19.0)), "idle power of .* is above", ()),
    "gap": (lambda path: written(path, holed()), "gap of 4", ()),
    "no samples": (lambda path: written(path, NO_SAMPLES), "holds no samples", ALL),
}


@pytest.mark.parametrize("what", INVALID)
def test_a_recording_that_gives_no_energy(iot_farm: Command, tmp_path: Path, what: str) -> None:
    """`power analyze` says INVALID and why, exit code 1; a figure that cannot be made is null, never 0."""
    write, message, unknown = INVALID[what]
    path = write(tmp_path / "power.csv")
    code, out, err = iot_farm("power", "analyze", str(path), "--json")
    assert (code, err) == (1, "")
    energy: dict[str, Any] = json.loads(out)
    assert energy["status"] == "INVALID"
    assert any(re.search(message, reason) for reason in energy["reasons"]), energy["reasons"]
    assert [energy[name] for name in unknown] == [None] * len(unknown)
    assert 0 not in [energy[name] for name in ALL]
    code, out, err = iot_farm("power", "analyze", str(path))
    assert (code, err) == (1, "")
    assert "energy INVALID" in out
    assert re.search(message, " ".join(out.split()))
    valid, out, _ = iot_farm("power", "analyze", str(written(path)), "--json")
    assert (valid, json.loads(out)["status"]) == (0, "VALID"), "control"


def test_a_window_that_energy_cannot_fill_has_no_per_frame_figures(iot_farm: Command, tmp_path: Path) -> None:
    """On paper too: where nothing is known of the window, no line speaks of joules."""
    path = written(tmp_path / "power.csv", phases=phase("run", 50, 50))
    _, out, _ = iot_farm("power", "analyze", str(path))
    assert "Energy per" not in out
    assert " J" not in out
    _, out, _ = iot_farm("power", "analyze", str(written(path)))
    assert " J" in out, "control"


def test_wall_clock_stepped_in_a_file(iot_farm: Command, tmp_path: Path) -> None:
    """A wall clock that goes back by an hour in mid-run changes no figure; a monotonic clock that does is refused."""
    path = written(tmp_path / "power.csv")
    before = iot_farm("power", "analyze", str(path), "--json")
    trace = measurement()
    stepped = dataclasses.replace(trace, utc_s=np.where(trace.at_s > 60, trace.utc_s - 3600, trace.utc_s))
    assert (np.diff(stepped.utc_s) < 0).any()
    assert iot_farm("power", "analyze", str(written(path, stepped)), "--json") == before
    back = column("t_mono_ns", lambda value: str(int(value) - (3600 * 10**9 if int(value) > 60 * 10**9 else 0)))
    path.write_text(back(path.read_text()))
    code, _, err = iot_farm("power", "analyze", str(path), "--json")
    assert code == 2
    assert "does not come after" in err


def test_wall_clock_stepped_while_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples and markers stand on the monotonic clock: a wall clock gone mad is written down and moves nothing."""
    mad = iter(range(10**9, 0, -3600))
    clocks = types.SimpleNamespace(
        monotonic=time.monotonic, thread_time=time.thread_time, time=lambda: float(next(mad))
    )
    monkeypatch.setattr(sampler_module, "time", SimpleTime(clocks))
    path = written(tmp_path / "source.csv")
    markers = Markers()
    with Sampler(ReplayMeter(path), 50.0) as sampler:
        with markers.phase("run"):
            time.sleep(0.6)
        time.sleep(0.1)
        sampler.stop()
    trace = sampler.trace()
    assert (np.diff(trace.utc_s) < 0).all(), "control: the wall clock did go back"
    assert (np.diff(trace.at_s) > 0).all()
    assert np.ptp(trace.at_s) < 60
    write_trace(path, trace, markers.phases, 3)
    back = read_trace(path)
    assert analyze(back.trace, back.phases, 3) == analyze(trace, markers.phases, 3)
    (run,) = markers.phases
    assert analyze(trace, markers.phases, 3).run_s == pytest.approx(run.duration_s)


class SimpleTime:
    """The module `time` with some clocks exchanged."""

    def __init__(self, clocks: types.SimpleNamespace) -> None:
        self._clocks = clocks

    def __getattr__(self, name: str) -> Any:
        """A clock of ours, else that of the module."""
        return getattr(self._clocks, name, None) or getattr(time, name)


RUN = ("run", "--target", "host", "--model", "alexnet", "--frames", "3")
REFUSED = [
    (("--power", "nonsense"), 2, "'nonsense' is no power meter"),
    (("--power", ""), 2, "is no power meter"),
    (("--power", "replay:"), 2, "names no file"),
    (("--power", "replay:/no/such/file.csv"), 2, "cannot read /no/such/file.csv"),
    (("--power", "replay:/"), 2, "names no file"),
    (("--power", "replay:/tmp"), 2, "cannot read /tmp: Is a directory"),
    (("--power", "bogus::words"), 3, "bogus::words"),
    (("--power", "TCPIP::127.0.0.1::9::SOCKET"), 3, "TCPIP::127.0.0.1::9::SOCKET"),
    (("--power", "virtual", "--idle", "0"), 2, "--idle 0.0"),
    (("--power", "virtual", "--idle", "nan"), 2, "--idle nan"),
    (("--power", "none", "--idle", "3"), 2, "--idle"),
    (("--idle", "3"), 2, "--idle"),
    (("--power", "virtual", "--power-rate", "0"), 2, "rate"),
    (("--power", "virtual", "--power-rate", "1e9"), 2, "rate"),
]


@pytest.mark.parametrize(("options", "code", "message"), REFUSED, ids=str)
def test_a_meter_that_cannot_be(iot_farm: Command, options: tuple[str, ...], code: int, message: str) -> None:
    """Words that name no meter, and meters that are not there, end a run in one line before anything is computed."""
    _refused(iot_farm, options, code, message)


@pytest.mark.parametrize(("source", "folder"), [("rapl", RAPL_FOLDER), ("ina3221", HWMON_FOLDER)])
def test_a_machine_without_the_meter(iot_farm: Command, source: str, folder: Path) -> None:
    """`--power rapl` and `--power ina3221` on a machine without them end a run in one line, nothing computed."""
    if folder.is_dir() and any(folder.iterdir()):
        pytest.skip(f"{folder} is there")
    _refused(iot_farm, ("--power", source), 3, str(folder))


def test_an_instrument_that_nobody_knows(iot_farm: Command) -> None:
    """An instrument without a profile ends a run by its name, nothing computed."""
    with virtual_analyzer("--fault", "replaced") as resource:
        _refused(iot_farm, ("--power", resource), 3, "ACME,OTHER METER")


def _refused(iot_farm: Command, options: tuple[str, ...], code: int, message: str) -> None:
    found, out, err = iot_farm(*RUN, *options)
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert message in line
    assert (found, out) == (code, "")
    assert "hint: " in err
    assert "computing the reference" not in err
