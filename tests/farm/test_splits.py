"""A real farm whose convolutions are split in every way there is, told in its farm file, against the single device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farms import Farm, document_of, running_farm
from liars import liar

from harness.bench.options import RunOptions
from harness.bench.session import run_benchmark
from harness.farm.config import FarmConfig
from harness.farm.planned_cut import PlannedCut, PlannedRole
from harness.models.split import Split
from harness.partition.paper import partition_for
from harness.partition.partition import Partition
from harness.records.check import check_file
from harness.records.rules_frames import TOLERANCES
from harness.records.store import read_record, write_record

FRAMES = 20


def role(first: str, last: str, parts: int = 1, split: str = "columns") -> PlannedRole:
    """One role, named after its first layer."""
    return PlannedRole(f"from-{first}", first, last, parts, 1, split)


ROLES = (
    role("rescale", "pool1", 2, "rows"),
    role("conv2", "pool2", 2, "output_channels"),
    role("conv3", "conv3", 2, "input_channels"),
    role("conv4", "flatten", 2, "rows"),
    role("fc1", "fc1", 2),
    role("fc2", "predictions"),
)
"""AlexNet on twelve devices: each kind of split feeds another kind."""


def told() -> Partition:
    """The cut that the farm file tells."""
    addresses = {one.role: [f"127.0.0.{9 + at}:{port}" for port in range(1, one.nodes + 1)]
                 for at, one in enumerate(ROLES)}  # fmt: skip
    return partition_for(
        FarmConfig.from_document(document({"node": {"initial": ["127.0.0.1"], **addresses}}), "f.json")
    )


def document(farm: dict) -> dict:
    """A farm file with the cut."""
    return {**farm, "partition": PlannedCut("alexnet", ROLES).to_document()}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """The farm, whose blocks add up as every reference does."""
    file = document(document_of(told()))
    with running_farm(tmp_path_factory.mktemp("split"), "split", "--way", "function", document=file) as running:
        yield running


def _options(farm: Farm, wire: str = "f32") -> RunOptions:
    return RunOptions(
        model=None, target_name="split", farm_file=farm.file, frames=FRAMES, warmup=0, wire=wire, in_flight=8
    )


def test_every_frame_of_a_split_farm_is_right(farm: Farm, tmp_path: Path) -> None:
    """Frames in rows, rows to channels, channels to summands, summands to rows, rows to columns: VALID, each frame."""
    record = run_benchmark(_options(farm))
    assert record.verdict.valid, record.verdict.reasons
    assert record.metrics["frames_verified"] == FRAMES
    assert record.metrics["largest_error"] <= TOLERANCES["cpu"]
    assert record.metrics["bytes_per_frame"] == told().frame_bytes
    nodes = {(node["role"], node["part"]): node for node in record.plan["nodes"]}
    assert [nodes[one.role, 1].get("split") for one in ROLES if one.parts > 1] == [
        Split.ROWS, Split.OUTPUT_CHANNELS, Split.INPUT_CHANNELS, Split.ROWS, None
    ]  # fmt: skip
    path = write_record(record, tmp_path)
    audit = check_file(path)
    assert audit.status == "VALID", audit.reasons
    prints = {node["description"]["block_fingerprint"] for node in read_record(path)["nodes"]}
    assert len(prints) == 11, "no two parts pass for each other"


def test_split_tensors_travel_rounded(farm: Farm, tmp_path: Path) -> None:
    """Each message has a step of its own, and the farm answers to 1e-6 what a reference of the same messages does."""
    record = run_benchmark(_options(farm, "uint8"))
    assert record.verdict.valid, record.verdict.reasons
    assert record.tolerance == TOLERANCES["cpu"]
    assert record.metrics["wire_error"] > record.tolerance, "the check can tell that something was rounded"
    audit = check_file(write_record(record, tmp_path))
    assert audit.status == "VALID", audit.reasons


def test_swapped_rows_do_not_pass(farm: Farm) -> None:
    """The control: a node that puts the halves of a picture together the wrong way round makes the run INVALID."""
    with liar(farm, farm.document()["from-conv2"][0], "swap"):
        record = run_benchmark(_options(farm))
    assert not record.verdict.valid
    assert any("differ from the single-device reference" in reason for reason in record.verdict.reasons)
