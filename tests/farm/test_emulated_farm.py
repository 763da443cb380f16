"""A real farm that imitates Raspberry Pis on WiFi: honest figures, the artifact's figure, and neither for the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from farms import Farm, running_farm

from harness.profile.profile import profile_document
from harness.profile.shipped import shipped_profile
from harness.records.check import check_file

EMULATION = "rpi3+wifi-n"
PI_S = {"block1": 0.280, "block2": 0.0692, "block3": 0.1154}
"""Seconds of each block by the profile."""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Five devices."""
    with running_farm(tmp_path_factory.mktemp("emulated"), "alexnet-5", "--emulate", EMULATION) as found:
        yield found


def _run(farm: Farm, *options: str) -> dict:
    done = farm.command("run", "--target", str(farm.file), "--emulate", EMULATION, *options, "--json")
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def _broken(record: dict) -> list[str]:
    """Why a record is INVALID, but for a machine that other tests keep busy: that is told as it should be."""
    return [reason for reason in record["verdict"]["reasons"] if not reason.startswith("this machine is too slow")]


def test_honest_run(farm: Farm) -> None:
    """Every result is right and none comes sooner than from Pis; energy follows the Pis' load; the record says so."""
    record = _run(farm, "--frames", "12", "--warmup", "2", "--power", "virtual", "--idle", "1.5")
    assert not _broken(record)
    assert record["emulated"] == EMULATION
    assert "protocol" not in record
    assert record["metrics"]["frames_verified"] == 12
    for node in record["nodes"]:
        assert min(node["statistics"]["compute_s"]) >= PI_S[node["description"]["role"]] - 0.002
    assert record["metrics"]["ips"] < 1 / PI_S["block1"], "one device computes one frame at a time"
    way_s = sum(PI_S.values()) + 4 * 0.080
    assert min(one["verified_s"] - one["sent_s"] for one in record["frames"]) >= way_s - 0.002
    busy_j = (6.5 - 1.3) * (PI_S["block1"] + 2 * PI_S["block2"] + PI_S["block3"])
    if record["metrics"]["energy_valid"]:  # the analyzer answers in time where there is a core for it
        assert record["metrics"]["energy_dynamic_j"] == pytest.approx(busy_j, rel=0.15)
        assert record["metrics"]["power_idle_w"] == pytest.approx(5 * 1.3, rel=0.02)
        assert record["metrics"]["energy_measured"] == 0
    audit = check_file(Path(record["path"]))
    assert {finding.rule for finding in audit.findings if finding.passed is False} <= {"emulated", "verdict"}
    assert {"emulated", "protocol"} <= {finding.rule for finding in audit.findings}


def test_the_artifact_counts_twice(farm: Farm) -> None:
    """The same farm by the protocol of 2018: two replies a frame, some wrong, twice the figure, and never an IPS."""
    record = _run(farm, "--protocol", "published-2018", "--frames", "5")
    told = record["protocol"]
    assert (told["name"], told["burst"], len(told["replies"])) == ("published-2018", 5, 10)
    assert {reply["frame"] for reply in told["replies"]} == {one["frame"] for one in record["frames"]}
    assert told["right_share"] <= 0.5
    low, high = told["counted_ips"]
    assert 2 * low < told["as_published_ips"] < 2 * high
    assert "as_published_ips" not in record["metrics"]
    computed = {node["description"]["role"]: node["statistics"]["computed"] for node in record["nodes"]}
    assert computed == {"block1": 5, "block2": 5, "block3": 10}
    assert record["verdict"]["status"] == "INVALID"
    assert any(reason.startswith("published-2018: ") for reason in record["verdict"]["reasons"])
    audit = check_file(Path(record["path"]))
    assert audit.status == "INVALID"
    assert {"returned", "computed", "protocol"} <= {one.rule for one in audit.findings if one.passed is False}


def test_the_requests_alone_are_honest(farm: Farm) -> None:
    """The control: sent as in 2018 and joined by frame, every reply is right, and the rows are of their own."""
    record = _run(farm, "--protocol", "requests-2018", "--frames", "6", "--warmup", "2")
    assert not _broken(record)
    assert record["emulated"] == f"{EMULATION}/requests-2018"
    assert record["metrics"]["ips"] < 1 / (PI_S["block1"] + 0.080), "a request waits for the one before"
    audit = check_file(Path(record["path"]))
    assert {finding.rule for finding in audit.findings if finding.passed is False} <= {"emulated", "verdict"}


def test_both_ends_must_say_the_same(farm: Farm) -> None:
    """A run that imitates nothing, or something else, is refused before the reference, in one line."""
    run = ("run", "--target", str(farm.file), "--frames", "4")
    for more, why in (
        ((), "this run is of the machine as it is"),
        (("--emulate", "rpi3+ethernet-100"), "imitates rpi3+wifi-n, this run needs rpi3+ethernet-100"),
    ):
        done = farm.command(*run, *more)
        assert done.returncode == 3, done.stderr
        assert why in done.stderr
        assert "Traceback" not in done.stderr


def test_a_machine_that_is_too_slow_says_so(tmp_path: Path) -> None:
    """The control of the pace: Pis that are a thousand times as fast are none that this machine can imitate."""
    document = profile_document(shipped_profile("rpi3"))
    for layer in document["models"]["alexnet"]["layers"]:
        layer["warm_s"] /= 1000
    file = tmp_path / "fast.json"
    file.write_text(json.dumps(document | {"name": "fast"}))
    with running_farm(tmp_path / "farm", "alexnet-5", "--emulate", f"{file}+loopback") as farm:
        done = farm.command(
            "run", "--target", str(farm.file), "--emulate", f"{file}+loopback", "--frames", "8", "--json"
        )
    assert done.returncode == 1, done.stderr
    record = json.loads(done.stdout)
    assert record["emulated"] == "fast+loopback"
    assert record["metrics"]["frames_verified"] == 8
    assert any("too slow to imitate fast+loopback: block1 at" in reason for reason in record["verdict"]["reasons"])
