"""What is imitated, as users type it and as nodes and run compare it; what does not fit is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.bench.options import RunOptions
from harness.bench.preflight import emulation_problem
from harness.emulate.emulation import emulation_called
from harness.emulate.farm import EmulatedFarm, folder_name
from harness.emulate.published import HONEST, PUBLISHED, REQUESTS
from harness.errors import BadInputError, NotFoundError, UserError
from harness.farm.config import Address, FarmConfig
from harness.node.emulated import emulated_farm
from harness.partition.paper import partition
from harness.plan.plan import Placement, Plan, make_plan
from harness.plan.table import Share
from harness.profile.profile import profile_document
from harness.profile.shipped import shipped_profile

ROLES = {
    "initial": ["127.9.9.1"],
    "block1": ["127.9.9.2"],
    "block2": ["127.9.9.3", "127.9.9.4"],
    "block3": ["127.9.9.5"],
}


def _plan(name: str = "alexnet-5", roles: dict[str, list[str]] = ROLES) -> Plan:
    farm = FarmConfig({role: tuple(Address(host, 12345) for host in hosts) for role, hosts in roles.items()}, "a test")
    return make_plan(partition(name), farm)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rpi3", "is not DEVICE"),
        ("+wifi-n", "is not DEVICE"),
        ("rpi3+", "is not DEVICE"),
        ("pi9+wifi-n", "there is no profile 'pi9'"),
        ("rpi3+string", "unknown network 'string'"),
        ("none.json+wifi-n", "does not exist"),
    ],
)
def test_what_is_no_emulation_is_refused(text: str, why: str) -> None:
    """One line that names what is wrong, with what there is."""
    with pytest.raises((BadInputError, NotFoundError), match=why):
        emulation_called(text)


def test_files_have_names_and_digests(tmp_path: Path) -> None:
    """A profile of one's own is told by its name and its figures, not by its path; other figures are another one."""
    document = profile_document(shipped_profile("rpi3"))
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(document))
    own, shipped = emulation_called(f"{file}+wifi-n"), emulation_called("rpi3+wifi-n")
    assert own.name == shipped.name == "rpi3+wifi-n"
    assert own.digest == shipped.digest
    assert own.text == f"{file}+wifi-n"
    document["models"]["alexnet"]["layers"][0]["warm_s"] += 0.001
    file.write_text(json.dumps(document))
    assert emulation_called(f"{file}+wifi-n").digest != shipped.digest
    assert emulation_called("rpi3+wifi-pi").digest != shipped.digest


def test_a_farm_knows_the_time_of_each_block(tmp_path: Path) -> None:
    """Times are those of the profile; processes of one farm meet, and those of another, or elsewhere, do not."""
    plan = _plan()
    farm = EmulatedFarm(emulation_called("rpi3+wifi-n"), plan, tmp_path / "one")
    assert {share: round(time.warm_s, 3) for share, time in farm.times.items()} == {
        Share("block1", 0): 0.280,
        Share("block2", 0): 0.069,
        Share("block2", 1): 0.069,
        Share("block3", 0): 0.115,
    }
    same = EmulatedFarm(emulation_called("rpi3+wifi-n"), plan, tmp_path / "one")
    other = EmulatedFarm(emulation_called("rpi3+wifi-n"), plan, tmp_path / "other")
    assert farm.identity == same.identity != other.identity
    assert farm.identity.startswith("rpi3+wifi-n#")
    assert [farm.label(protocol) for protocol in (HONEST, REQUESTS, PUBLISHED)] == [
        "rpi3+wifi-n", "rpi3+wifi-n/requests-2018", "rpi3+wifi-n",
    ]  # fmt: skip
    assert folder_name(plan) == folder_name(_plan()) != folder_name(_plan(roles=ROLES | {"block3": ["127.9.9.6"]}))
    assert farm.power_load() == f"busy:{tmp_path / 'one' / 'busy'},devices=5,idle=1.3,busy=5.2"
    for one in (farm, same, other):
        one.close()


def test_what_cannot_be_imitated_is_refused(tmp_path: Path) -> None:
    """Nodes on other machines, devices without watts, devices too small: one line each; no emulation is none."""
    assert emulated_farm(_plan(), None) is None
    away = _plan(roles=ROLES | {"block3": ["192.0.2.7"]})
    with pytest.raises(BadInputError, match=r"block3 at 192\.0\.2\.7:12345 is not"):
        emulated_farm(away, "rpi3+wifi-n")
    farm = EmulatedFarm(emulation_called("tx1-gpu+ethernet-100"), _plan(), tmp_path)
    with pytest.raises(BadInputError, match="profile tx1-gpu has no watts"):
        farm.power_load()
    farm.close()
    document = profile_document(shipped_profile("rpi3"))
    document["device"]["memory_bytes"] = 250_000_000
    file = tmp_path / "small.json"
    file.write_text(json.dumps(document))
    with pytest.raises(BadInputError, match="more than rpi3 has"):
        EmulatedFarm(emulation_called(f"{file}+wifi-n"), _plan(), tmp_path)


@pytest.mark.parametrize(
    ("told", "wanted", "why"),
    [
        ("", "rpi3+wifi-n#a@1.1", "imitates nothing, this run needs rpi3.wifi-n"),
        ("rpi3+wifi-n#a@1.1", "", "imitates rpi3.wifi-n, this run is of the machine as it is"),
        ("rpi3+wifi-n#a@1.1", "rpi3+wifi-n#b@1.1", "another rpi3.wifi-n: the figures"),
        ("rpi3+wifi-n#a@1.1", "rpi3+wifi-n#a@1.2", "shares another medium"),
    ],
)
def test_node_and_run_must_imitate_the_same(told: str, wanted: str, why: str) -> None:
    """What differs is named, and the way out; the control: the same on both ends is no problem."""
    node = Placement(Address("127.9.9.2", 12345), "block1", 0, 1, 0, 1)
    assert emulation_problem(node, told, told) is None
    problem = emulation_problem(node, told, wanted)
    assert problem is not None
    with pytest.raises(UserError, match=why):
        raise problem
    assert "farm" in problem.hint


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"protocol": "mine"}, "there is no protocol 'mine'"),
        ({"protocol": PUBLISHED}, "is for emulated farms"),
        ({"protocol": REQUESTS}, "is for emulated farms"),
        ({"emulate": "rpi3+wifi-n", "adapt": True}, "exclude each other"),
        ({"emulate": "rpi3+wifi-n", "protocol": PUBLISHED, "least_s": 60.0}, "--seconds and --protocol"),
        ({"emulate": "rpi3+wifi-n", "protocol": PUBLISHED, "rate_fps": 1.0}, "--rate and --protocol"),
        ({"emulate": "rpi3+wifi-n", "protocol": PUBLISHED, "wire": "fp16"}, "--wire and --protocol"),
        ({"emulate": "rpi3+wifi-n", "protocol": PUBLISHED, "warmup": 0}, "needs a warm-up"),
        ({"emulate": "rpi3+wifi-n", "farm_file": None}, "--emulate is for farms"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict, why: str) -> None:
    """Each is refused before anything starts; the control: without the one that is too many they are accepted."""
    given = {"model": "alexnet", "target_name": "a", "farm_file": Path("a.json")}
    with pytest.raises(BadInputError, match=why):
        RunOptions(**{**given, **options})
    kept = RunOptions(**given, emulate="rpi3+wifi-n", protocol=PUBLISHED, frames=10)
    assert kept.most_in_flight(5) == 10
    assert kept.describe()["protocol"] == PUBLISHED
    assert "protocol" not in RunOptions(**given, emulate="rpi3+wifi-n").describe()
