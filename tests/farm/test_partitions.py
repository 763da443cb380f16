"""The four farms of the paper, as real processes, against the single device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from farms import Farm, running_farm

from harness.bench.options import RunOptions
from harness.bench.reference import Reference
from harness.bench.right_answers import reference_for
from harness.bench.session import plan_of, run_benchmark

PARTITIONS = ("alexnet-5", "alexnet-6", "vgg16-9", "vgg16-11")
IN_FLIGHT = 20


@pytest.fixture(scope="module", params=PARTITIONS)
def farm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Each farm once, for all tests of this module."""
    with running_farm(tmp_path_factory.mktemp(request.param), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def reference(farm: Farm) -> Reference:
    """What the single device answers to twenty distinct frames."""
    options = _options(farm, frames=1)
    return reference_for(options, plan_of(options))


def _options(farm: Farm, frames: int) -> RunOptions:
    return RunOptions(
        model=None, target_name=farm.partition, farm_file=farm.file, frames=frames, in_flight=IN_FLIGHT, warmup=0
    )


@pytest.mark.timeout(600)
def test_every_frame_comes_back_once_and_right(farm: Farm, reference: Reference) -> None:
    """1, 5 and 50 frames give 1, 5 and 50 results on a fresh farm and again, each equal to the single device."""
    for frames in (1, 5, 50, 1, 5, 50):
        record = run_benchmark(_options(farm, frames), reference=reference)
        counted = {name: record.metrics[f"frames_{name}"] for name in ("sent", "returned", "distinct", "verified")}
        assert counted == dict.fromkeys(counted, frames)
        assert record.metrics["largest_error"] <= 1e-6
        assert record.verdict.valid, record.verdict.reasons
    images = {sample.image for sample in record.frames}
    assert len(images) == IN_FLIGHT
    # The check could tell any two of these frames apart.
    assert record.metrics["reference_separation"] > 1e-4


def test_the_command_line_files_the_same_account(farm: Farm) -> None:
    """`iot-farm run --json` prints the record that it files, with every block's fingerprint and every frame."""
    # As many in flight as above: the reference is kept, and a warm-up is twice as long otherwise.
    options = ("--frames", "20", "--in-flight", str(IN_FLIGHT), "--warmup", "5", "--partition", farm.partition)
    done = farm.command("run", "--target", str(farm.file), *options, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    filed = json.loads(Path(printed.pop("path")).read_text())
    assert filed == printed
    assert len(printed["frames"]) == 20
    assert printed["verdict"]["status"] == "VALID"
    fingerprints = {(n["description"]["role"], n["description"]["part"]): n["description"] for n in printed["nodes"]}
    assert all(len(node["block_fingerprint"]) == 16 for node in fingerprints.values())
    assert printed["plan"]["partition"] == farm.partition
