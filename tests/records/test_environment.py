"""What a device says of itself: read where it stands, "unknown" where it does not, never guessed."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.records import environment as module
from harness.records.environment import SINCE_START, THROTTLED_NOW, UNKNOWN, environment
from harness.records.rules_devices import LOOK

CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"
ZONE = "sys/class/thermal/thermal_zone{}/temp"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI = {
    f"{CPUFREQ}/scaling_governor": "ondemand\n",
    f"{CPUFREQ}/scaling_cur_freq": "1200000\n",
    f"{CPUFREQ}/scaling_min_freq": "600000\n",
    f"{CPUFREQ}/scaling_max_freq": "1200000\n",
    THROTTLED: "50005\n",
    "sys/class/thermal/thermal_zone0/temp": "48312\n",
    "proc/device-tree/model": "Raspberry Pi 3 Model B Rev 1.2\0",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nHardware\t: BCM2835\n",
}
"""What stands in a Raspberry Pi 3."""


def tree(root: Path, files: dict[str, str | bytes]) -> Path:
    """A root with such files."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def test_a_raspberry_pi(tmp_path: Path) -> None:
    """Every value of a whole tree, in its unit."""
    found = environment(tree(tmp_path, PI))
    wanted = {
        "governor": "ondemand",
        "frequency_khz": 1_200_000,
        "frequency_min_khz": 600_000,
        "frequency_max_khz": 1_200_000,
        "throttled": 0x50005,
        "temperature_c": 48.312,
        "board": "Raspberry Pi 3 Model B Rev 1.2",
        "cpu": "ARMv7 Processor rev 4 (v7l)",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert set(LOOK) <= found.keys()
    told = {name for bit, name in THROTTLED_NOW.items() if found["throttled"] & 1 << bit}
    assert told == {"under-voltage", "throttled"}
    assert found["throttled"] & 1 << SINCE_START


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    """An empty root: all of it unknown, nothing 0, nothing missing, all of it JSON."""
    found = environment(tmp_path)
    for name in ("governor", "frequency_khz", "frequency_min_khz", "frequency_max_khz", "throttled", "temperature_c"):
        assert found[name] == UNKNOWN, name
    assert (found["board"], found["cpu"]) == (UNKNOWN, UNKNOWN)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("files", "name", "value"),
    [
        ({f"{CPUFREQ}/scaling_governor": ""}, "governor", UNKNOWN),
        ({f"{CPUFREQ}/scaling_governor": b"\xff\xfe"}, "governor", UNKNOWN),
        ({f"{CPUFREQ}/scaling_governor": "performance"}, "governor", "performance"),
        ({f"{CPUFREQ}/scaling_governor/x": "a folder"}, "governor", UNKNOWN),
        ({f"{CPUFREQ}/scaling_cur_freq": "<unknown>"}, "frequency_khz", UNKNOWN),
        ({f"{CPUFREQ}/scaling_cur_freq": "-1"}, "frequency_khz", UNKNOWN),
        ({f"{CPUFREQ}/scaling_cur_freq": "1.2e6"}, "frequency_khz", UNKNOWN),
        ({f"{CPUFREQ}/scaling_max_freq": "1400000\n"}, "frequency_max_khz", 1_400_000),
        ({THROTTLED: "0\n"}, "throttled", 0),
        ({THROTTLED: "0x80008\n"}, "throttled", 0x80008),
        ({THROTTLED: "none"}, "throttled", UNKNOWN),
        ({THROTTLED: ""}, "throttled", UNKNOWN),
        ({"sys/class/thermal/thermal_zone0/temp": "0"}, "temperature_c", 0.0),
        ({"sys/class/thermal/thermal_zone0/temp": "hot"}, "temperature_c", UNKNOWN),
        ({ZONE.format(n): t for n, t in enumerate(("41000", "", "63500"))}, "temperature_c", 63.5),
        ({"sys/class/thermal/cooling_device0/temp": "99000"}, "temperature_c", UNKNOWN),
        ({"proc/cpuinfo": "Model\t\t: Raspberry Pi 4\n"}, "cpu", "Raspberry Pi 4"),
        ({"proc/cpuinfo": b"model name\t: \xff\xfe\n"}, "cpu", "\ufffd\ufffd"),
        ({"proc/cpuinfo": "model name\t:\n"}, "cpu", UNKNOWN),
    ],
)  # fmt: skip
def test_one_thing_at_a_time(tmp_path: Path, files: dict[str, str | bytes], name: str, value: object) -> None:
    """Right, empty, odd and unreadable files of the kernel, one by one."""
    assert environment(tree(tmp_path, files))[name] == value


@given(st.binary(max_size=40))
@example(b"\0\r\0")
def test_no_content_of_a_file_is_guessed_at(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Any bytes in any of these files: a number, a word of the file itself, or unknown."""
    root = tree(tmp_path_factory.mktemp("root"), dict.fromkeys(PI, content))
    found = environment(root)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for name in ("frequency_khz", "throttled"):
        assert found[name] == UNKNOWN or isinstance(found[name], int)
    assert found["governor"] == UNKNOWN or found["governor"].encode() in content


@pytest.mark.parametrize(
    ("prints", "code", "value"),
    [
        ("throttled=0x0", 0, 0),
        ("throttled=0x50005", 0, 0x50005),
        ("VCHI initialization failed", 0, UNKNOWN),
        ("throttled=", 0, UNKNOWN),
        ("throttled=0x50005", 1, UNKNOWN),
        ("", 0, UNKNOWN),
    ],
)
def test_the_firmware_s_own_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, code: int, value: object
):
    """Where the kernel has no such file, `vcgencmd get_throttled` is asked; what it fails to say is unknown."""
    tool = tmp_path / "vcgencmd"
    tool.write_text(f'#!/bin/sh\n[ "$1" = get_throttled ] || exit 9\necho "{prints}"\nexit {code}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(module, "_THROTTLED_FILE", "nowhere/at/all")
    assert environment()["throttled"] == value


def test_a_tool_that_hangs_or_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that never answers costs a bounded time; without one the bits are unknown."""
    monkeypatch.setattr(module, "_THROTTLED_FILE", "nowhere/at/all")
    monkeypatch.setattr(module, "_COMMAND_S", 0.2)
    tool = tmp_path / "vcgencmd"
    tool.write_text("#!/bin/sh\nexec sleep 60\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert module._throttled(Path("/")) == UNKNOWN
    tool.unlink()
    assert module._throttled(Path("/")) == UNKNOWN


def test_the_tool_is_not_asked_about_another_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a tree that is looked at from outside says nothing by the tool of this machine."""
    tool = tmp_path / "vcgencmd"
    tool.write_text("#!/bin/sh\necho throttled=0x50005\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert environment(tmp_path)["throttled"] == UNKNOWN
