"""Profiles, networks and lists of devices as people may get them wrong: one line that names the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError, UserError
from harness.models.catalogue import model
from harness.plan.farm_file import alike, read_assignments, read_devices
from harness.plan.network import Network, network_called
from harness.plan.planner import plan_model
from harness.plan.site import Site
from harness.profile.profile import profile_document, profile_from, read_profile
from harness.profile.shipped import shipped_profile
from harness.records.canonical import parse
from harness.records.json_file import MOST_BYTES, read_json

NETWORK = {"bandwidth_bytes_per_s": 5e6, "latency_s": 0.01, "message_s": 0.0, "shared": True}
NUMBERS = st.one_of(
    st.floats(), st.integers(), st.sampled_from([10**400, -(10**400), 1e308, 5e-324, 0, -1, 0.5, 1, 1e6, 3600])
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
READERS: dict[str, Callable[[Path], object]] = {
    "profile": read_profile,
    "network": lambda path: network_called(str(path)),
    "devices": lambda path: read_devices(path, shipped_profile("rpi3")),
    "assignments": lambda path: read_assignments(path, model("alexnet")),
}


def require_printable(error: UserError) -> None:
    """What is wrong fits on one line that can be printed."""
    assert error.message.isprintable(), error.message


def require_one_line(error: UserError) -> None:
    """What a user sees fits on two lines: what is wrong, and the way out."""
    require_printable(error)
    assert error.hint, error.message


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "1e999"),
    ],
)
def test_no_json_is_one_line_with_the_way_out(kind: str, data: bytes, said: str, tmp_path: Path) -> None:
    """Every reader of a file that people write names the file, and says what would do."""
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=said) as caught:
        READERS[kind](path)
    require_one_line(caught.value)
    assert "file.json" in caught.value.message


@pytest.mark.parametrize("kind", READERS)
def test_folders_and_missing_files_are_named(kind: str, tmp_path: Path) -> None:
    """A folder is no file, a file that is not there is not found, and what cannot be read says why."""
    (tmp_path / "folder.json").mkdir()
    for name in ("folder.json", "none.json", "nul\0.json"):
        with pytest.raises(UserError, match=r"cannot be read|does not exist") as caught:
            READERS[kind](tmp_path / name)
        require_one_line(caught.value)


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    """A hundred megabytes are not parsed to find out that they are no profile; a file at the limit is."""
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(BadInputError, match="more than 32,000,000 bytes"):
        read_profile(path)
    path.write_bytes(b"[1]" + b" " * (MOST_BYTES - 3))
    assert read_json(path, "list", "hint") == [1]


@given(
    bandwidth=NUMBERS,
    latency_s=NUMBERS,
    message_s=NUMBERS,
    shared=st.booleans(),
    objective=st.sampled_from(["latency"]),
)
def test_a_network_is_refused_or_can_be_planned_with(
    bandwidth: float, latency_s: float, message_s: float, shared: bool, objective: str
) -> None:
    """Any numbers: one line that says which cannot be, or a plan whose figures are finite."""
    try:
        network = Network("mine", bandwidth, latency_s, message_s, shared, "a test")
    except BadInputError as error:
        require_one_line(error)
        return
    devices = alike(3, shipped_profile("rpi3"))
    found = plan_model(model("alexnet"), Site(devices[0], tuple(devices[1:]), network), objective=objective)
    assert 0 < found.best.prediction.ips < float("inf")
    assert 0 < found.best.prediction.latency_s < float("inf")


@given(place=st.sampled_from(["warm_s", "cold_s", "memory_bytes", "parts", "cores", "copies", "idle_w"]), value=JSON)
def test_a_figure_of_a_profile_is_refused_or_can_be_planned_with(place: str, value: Any) -> None:
    """Anything in the place of a number: one line that names the field, or a plan that is finite or told impossible."""
    document = profile_document(shipped_profile("rpi3"))
    device, layer = document["device"], document["models"]["alexnet"]["layers"][3]
    if place in {"warm_s", "cold_s", "parts"}:
        layer[place] = value
    else:
        device["weight_copies" if place == "copies" else place] = value
    try:
        profile = profile_from(parse(json.dumps(document).encode(), "mine.json"), "mine.json")
        devices = alike(3, profile)
        found = plan_model(model("alexnet"), Site(devices[0], tuple(devices[1:]), network_called("wifi-n")))
    except UserError as error:
        require_printable(error)
        return
    assert 0 < found.best.prediction.ips < float("inf")


@given(
    entry=st.dictionaries(
        st.sampled_from(["name", "profile", "address", "memory_bytes", "bandwidth_bytes_per_s"]), JSON
    )
)
def test_a_device_is_refused_or_read(entry: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Anything in an entry: one line that names the device's number, or a device."""
    path = tmp_path_factory.mktemp("devices") / "devices.json"
    path.write_text(json.dumps([{}, entry]), encoding="utf-8")
    try:
        devices = read_devices(path, shipped_profile("rpi3"))
    except UserError as error:
        require_printable(error)
        return
    assert len(devices) == 2
    assert 0 < devices[1].memory_bytes <= 10**18


def test_names_are_one_line(tmp_path: Path) -> None:
    """A line break in a name cannot make two lines of a message; the same name without it is read."""
    document = profile_document(shipped_profile("rpi3"))
    with pytest.raises(BadInputError, match="cannot be printed") as caught:
        profile_from({**document, "name": "a\nb"}, "mine.json")
    require_one_line(caught.value)
    assert profile_from({**document, "name": "a b"}, "mine.json").name == "a b"
    path = tmp_path / "devices.json"
    for name, readable in (("a\nb", False), ("", False), ("a b", True)):
        path.write_text(json.dumps([{}, {"name": name}]), encoding="utf-8")
        if readable:
            assert read_devices(path, shipped_profile("rpi3"))[1].name == name
        else:
            with pytest.raises(BadInputError, match="is no name"):
                read_devices(path, shipped_profile("rpi3"))


def test_load_is_not_less_than_idle() -> None:
    """Energy would be negative: watts under load below those at rest are refused; equal ones are not."""
    document = profile_document(shipped_profile("rpi3"))
    with pytest.raises(BadInputError, match=r"load_w 1 is less than device\.idle_w 2"):
        profile_from({**document, "device": {**document["device"], "idle_w": 2.0, "load_w": 1.0}}, "mine.json")
    profile_from({**document, "device": {**document["device"], "idle_w": 2.0, "load_w": 2.0}}, "mine.json")
