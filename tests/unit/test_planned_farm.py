"""Plans as files: farm files that carry their cut, devices to plan for, and assignments kept for later."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning import pi_farm

from benchmarks.random_plans import random_assignment
from harness.cli.app import main
from harness.errors import BadInputError, NotFoundError
from harness.farm.config import FarmConfig
from harness.models.catalogue import model
from harness.partition.paper import partition, partition_for
from harness.plan.assignment import assignment_of, partition_of
from harness.plan.explain import explain, one_more
from harness.plan.farm_file import (
    assignment_for,
    assignments_document,
    farm_document,
    farm_text,
    read_assignments,
    read_devices,
)
from harness.plan.plan import make_plan
from harness.plan.planner import plan_model
from harness.profile.profile import profile_text
from harness.profile.shipped import shipped_profile

FILE = "farm.json"


def sorted_keys(document: object) -> object:
    """As Collective Knowledge keeps what it is given."""
    return json.loads(json.dumps(document, sort_keys=True))


@given(name=st.sampled_from(["alexnet", "vgg16"]), devices=st.integers(2, 12), seed=st.integers(0, 10**6))
def test_a_farm_file_carries_its_cut(name: str, devices: int, seed: int) -> None:
    """Whatever is planned comes back from its file as the same partition and plan; another plan's does not."""
    graph, site = model(name), pi_farm(devices)
    random = Random(seed)
    assignment = random_assignment(graph, devices - 1, random)
    document = sorted_keys(json.loads(farm_text(farm_document(graph, site, assignment))))
    farm = FarmConfig.from_document(document, FILE)
    cut = partition_for(farm)
    assert cut == partition_of(assignment, graph)
    assert cut.roles[0].layers[0] == "rescale"
    assert farm.devices == devices
    plan = make_plan(cut, farm)
    assert len(plan.placements) == devices - 1
    for role, stage in zip(cut.roles, assignment.stages, strict=True):
        for replica, numbers in enumerate(stage.replicas):
            for part, number in enumerate(numbers):
                placed = plan.at(site.devices[number].address)
                assert (placed.role, placed.part, placed.replica) == (role.name, part, replica)
    other = random_assignment(graph, devices - 1, random)
    if other.stages != assignment.stages:
        assert farm_document(graph, site, other) != farm_document(graph, site, assignment)


@pytest.mark.parametrize("name", ["alexnet-5", "alexnet-6", "vgg16-9", "vgg16-11"])
def test_a_paper_cut_keeps_the_paper_names(name: str) -> None:
    """A planned cut that is the paper's is the paper's partition, with and without its name, and without its cut."""
    cut = partition(name)
    document = farm_document(cut.graph, pi_farm(cut.devices), assignment_of(cut))
    farm = FarmConfig.from_document(document, FILE)
    assert partition_for(farm) == partition_for(farm, name=name) == cut
    assert partition_for(FarmConfig.from_document({"node": document["node"]}, FILE)) == cut


def planned(**changes: object) -> dict[str, object]:
    """A farm file of two stages; None removes a key of its first stage."""
    stage = {"first": "rescale", "last": "flatten", "parts": 1, "replicas": 2} | changes
    return {
        "node": {"initial": ["127.0.0.1"], "stage1": ["127.0.0.2", "127.0.0.3"], "stage2": ["127.0.0.4"]},
        "partition": {
            "model": "alexnet",
            "roles": {
                "stage1": {key: value for key, value in stage.items() if value is not None},
                "stage2": {"first": "fc1", "last": "predictions", "parts": 1, "replicas": 1},
            },
        },
    }


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (planned(first="nowhere"), "no layer 'nowhere'"),
        (planned(first="pool5", last="conv1"), "begins behind its end"),
        (planned(last="pool5"), "not those of alexnet in order"),
        (planned(last="fc1"), "not those of alexnet in order"),
        (planned(parts=2, replicas=1), "only a block of one dense layer"),
        (planned(replicas=3), '2 addresses for "stage1"'),
        (planned(replicas=True), '"replicas"'),
        (planned(parts=0), '"parts"'),
        (planned(parts=1.5), '"parts"'),
        (planned(parts=None), "incomplete"),
        (planned(first=7), "no layer"),
        (planned(colour="red"), "incomplete"),
        (planned() | {"partition": {"model": "lenet", "roles": {}}}, "no roles"),
        (planned() | {"partition": []}, "exactly"),
        (planned() | {"more": 1}, "unknown key"),
    ],
)
def test_a_cut_that_cannot_be_is_refused(document: dict[str, object], said: str) -> None:
    """Each wrong cut is one line that says what; the same file without the change is taken."""
    with pytest.raises(BadInputError) as caught:
        partition_for(FarmConfig.from_document(document, FILE))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(partition_for(FarmConfig.from_document(planned(), FILE)).roles) == 2


def test_a_planned_farm_is_of_one_model_and_cut() -> None:
    """Asking for another model, or for a cut of the paper that it is not, is an error."""
    farm = FarmConfig.from_document(planned(), FILE)
    with pytest.raises(BadInputError, match="planned for alexnet, not for vgg16"):
        partition_for(farm, model_name="vgg16")
    with pytest.raises(BadInputError, match="another cut than alexnet-5"):
        partition_for(farm, name="alexnet-5")
    found = partition_for(farm, model_name="alexnet")
    assert found.graph.name == "alexnet"
    assert partition_for(farm, name=found.name) == found, "a record names the cut so, and the command that repeats it"


def test_assignments_are_kept_and_looked_up(tmp_path: Path) -> None:
    """Every number of devices finds its plan again, a number in between the next smaller one, another model none."""
    path = tmp_path / "assignments.json"
    result = plan_model(model("alexnet"), pi_farm(6), objective="energy")
    path.write_text(json.dumps(assignments_document(result)))
    kept = read_assignments(path, model("alexnet"))
    assert kept == {count: one.assignment for count, one in result.by_devices.items()}
    assert assignment_for(kept, 4) == kept[4]
    assert assignment_for({2: kept[2], 5: kept[5]}, 4) == kept[2]
    with pytest.raises(BadInputError, match="no plan for 1 devices"):
        assignment_for(kept, 1)
    with pytest.raises(BadInputError, match="planned for another"):
        read_assignments(path, model("vgg16"))
    path.write_text(path.read_text().replace('"last": "predictions"', '"last": "fc2"'))
    with pytest.raises(BadInputError, match="cannot be"):
        read_assignments(path, model("alexnet"))
    with pytest.raises(NotFoundError):
        read_assignments(tmp_path / "nothing.json", model("alexnet"))


def test_devices_are_read_from_a_file(tmp_path: Path) -> None:
    """Names, profiles, addresses and memory are taken; what is not given has a default."""
    path = tmp_path / "devices.json"
    path.write_text('[{}, {"name": "tx", "profile": "tx2-cpu", "address": "127.0.7.7:99"}, {"memory_bytes": 5e8}]')
    initial, tx2, small = read_devices(path, shipped_profile("rpi3"))
    assert (initial.name, str(initial.address), initial.profile.name) == ("device1", "127.0.1.1:9999", "rpi3")
    assert (tx2.name, str(tx2.address), tx2.profile.name) == ("tx", "127.0.7.7:99", "tx2-cpu")
    assert small.memory_bytes == 500_000_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "no list"),
        ("[{}]", "no list"),
        ('[{}, {"memory_bytes": -1}]', "no positive number"),
        ('[{}, {"memory_bytes": NaN}]', "NaN"),
        ('[{}, {"bandwidth_bytes_per_s": 0}]', "no positive number"),
        ('[{}, {"address": "300.1.1.1"}]', "not an IPv4 address"),
        ('[{}, {"colour": "red"}]', "no object with"),
        ('[{"name": "a"}, {"name": "a"}]', "names a twice"),
        ("[{}, 3]", "no object with"),
        ('[{}, {"name": 3}]', "no text"),
    ],
)
def test_devices_that_cannot_be_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """Each wrong entry is one line that names the device."""
    path = tmp_path / "devices.json"
    path.write_text(text)
    with pytest.raises(BadInputError) as caught:
        read_devices(path, shipped_profile("rpi3"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_is_explained() -> None:
    """The words name what was split and why, what sets the pace, and whether a further device helps."""
    result = plan_model(model("vgg16"), pi_farm(11))
    text = "\n".join(explain(result))
    assert "fc1 split in 2: 411 MB of weights swap on 1 GB: 2.48 s -> 349 ms each" in text
    assert "block12345 (rescale to flatten) whole: 7.71 s a frame, on 7 devices that take turns" in text
    assert "the pace is set by role block12345" in text
    more = one_more(result)
    assert more.helps
    assert more.planned.prediction.ips > 1.1 * result.best.prediction.ips
    # The control: one device beyond AlexNet's quickest pipeline for a single frame changes no latency.
    assert not one_more(plan_model(model("alexnet"), pi_farm(3), objective="latency")).helps


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`plan` prints its reasons, writes a farm file that is read again, and the same as JSON."""
    out, kept = tmp_path / FILE, tmp_path / "assignments.json"
    arguments = ["plan", "--model", "vgg16", "--devices", "11"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(out), "--assignments", str(kept)])
    assert ended.value.code == 0
    assert "will one more device help? yes" in capsys.readouterr().out
    assert partition_for(FarmConfig.load(out)).name == "vgg16-11"
    assert len(read_assignments(kept, model("vgg16"))) == 10
    with pytest.raises(SystemExit):
        main([*arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["farm"] == json.loads(out.read_text())
    assert document["exact"] is True
    assert document["prediction"]["ips"] == pytest.approx(0.907, abs=0.001)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["plan", "--model", "alexnet", "--devices", "1"], 2, "the initial included"),
        (["plan", "--model", "alexnet", "--devices", "5", "--objective", "beauty"], 2, "unknown objective"),
        (["plan", "--model", "alexnet", "--devices", "5", "--network", "token-ring"], 2, "unknown network"),
        (["plan", "--model", "alexnet", "--devices", "5", "--device", "pdp-11"], 16, "no profile"),
        (["plan", "--model", "alexnet", "--devices", "5", "--max-latency", "nan"], 2, "latency of nan"),
        (["plan", "--model", "vgg16", "--devices", "4", "--max-latency", "1"], 3, "the quickest takes"),
        (["plan", "--model", "alexnet", "--devices", "nowhere.json"], 16, "does not exist"),
        (["profile", "alexnet", "--device", "pdp-11"], 16, "no profile"),
        (["profile", "lenet", "--device", "rpi3"], 2, "unknown model"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each is one error with one hint and an exit code, and nothing on standard output."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert len(printed.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("part", "said"), [("model", "is of vgg16, not of alexnet"), ("layer", "no figure for conv2 of alexnet")]
)
def test_a_profile_with_gaps_is_refused_unless_its_fits_are_wanted(
    part: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A profile of another model, or without a layer, is one line; with --extrapolate its fits fill the gap."""
    document = json.loads(profile_text(shipped_profile("rpi3")))
    if part == "model":
        del document["models"]["alexnet"]
    else:
        layers = document["models"]["alexnet"]["layers"]
        document["models"]["alexnet"]["layers"] = [one for one in layers if one["layer"] != "conv2"]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(document))
    arguments = ["plan", "--model", "alexnet", "--devices", "3", "--device", str(path)]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 2
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--extrapolate"])
    assert ended.value.code == 0
    assert "extrapolated" in capsys.readouterr().out


def test_a_shipped_profile_is_printed_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """`profile --device rpi3` says what is published and what is not."""
    with pytest.raises(SystemExit) as ended:
        main(["profile", "vgg16", "--device", "rpi3"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for said in ("2.483 s", "published", "extrapolated", "parallel-ml/fc", "14336: 634 ms / 1.128 s"):
        assert said in printed
