"""A real farm whose blocks send each other half floats and bytes: held to its own reference, and to no other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from farms import Farm, running_farm
from liars import liar

from harness.bench.options import RunOptions
from harness.bench.reference import Reference
from harness.bench.right_answers import reference_for
from harness.bench.session import plan_of, run_benchmark
from harness.records.check import check_file
from harness.records.rules_frames import TOLERANCES
from harness.records.store import read_record, write_record

FRAMES = 20
BYTES = {"f32": 150_528 + 2 * 25_088 + 2 * 8192 + 4000,
         "fp16": 150_528 + 2 * 12_544 + 2 * 4096 + 4000,
         "uint8": 150_528 + 2 * (6272 + 8) + 2 * (2048 + 8) + 4000}  # fmt: skip


@pytest.fixture(scope="module")
def alexnet_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm whose blocks add up as every reference does."""
    with running_farm(tmp_path_factory.mktemp("alexnet"), "alexnet-5", "--way", "function") as farm:
        yield farm


def _options(farm: Farm, wire: str) -> RunOptions:
    return RunOptions(
        model=None, target_name=farm.partition, farm_file=farm.file, frames=FRAMES, warmup=0, wire=wire, in_flight=8
    )


def _halves(farm: Farm) -> Reference:
    """The reference of half floats, computed as the nodes compute."""
    options = _options(farm, "fp16")
    return reference_for(options, plan_of(options), max(1, len(os.sched_getaffinity(0)) // len(farm.processes())))


@pytest.mark.parametrize("wire", ["fp16", "uint8"])
def test_a_farm_is_held_to_the_reference_of_its_wire(alexnet_farm: Farm, wire: str, tmp_path: Path) -> None:
    """One farm, each wire in turn: VALID to 1e-6, smaller messages, the error told and found again by the checker."""
    record = run_benchmark(_options(alexnet_farm, wire))
    assert record.verdict.valid, record.verdict.reasons
    assert record.metrics["frames_verified"] == FRAMES
    assert record.metrics["bytes_per_frame"] == BYTES[wire]
    assert record.tolerance == TOLERANCES["cpu"]
    assert record.metrics["wire_error"] > record.tolerance, "the check can tell that something was rounded"
    path = write_record(record, tmp_path)
    document, audit = read_record(path), check_file(path)
    assert audit.status == "VALID", audit.reasons
    assert {finding.rule for finding in audit.findings if finding.passed} >= {"wire", "counters", "tolerance"}
    assert document["wire"]["f32_bytes_per_frame"] == BYTES["f32"]
    assert audit.figures["wire_error"] == record.metrics["wire_error"] == max(document["wire"]["errors"])
    assert any(note.startswith(f"{wire} between blocks") for note in record.verdict.notes)


def test_no_wire_passes_for_another(alexnet_farm: Farm) -> None:
    """The control: float32 results do not pass for half floats, nor the other way; float32 has no new field."""
    rounded = _halves(alexnet_farm)
    record = run_benchmark(_options(alexnet_farm, "f32"), reference=rounded)
    assert not record.verdict.valid
    assert any("differ from the single-device reference" in reason for reason in record.verdict.reasons)
    assert "wire" not in {**record.to_document(), **record.options, **record.plan}
    assert "wire_error" not in record.metrics
    assert record.metrics["bytes_per_frame"] == BYTES["f32"]
    exact = replace(rounded, outputs=rounded.exact)
    record = run_benchmark(_options(alexnet_farm, "fp16"), reference=exact)
    assert not record.verdict.valid


def test_another_arithmetic_has_a_wider_tolerance(alexnet_farm: Farm, tmp_path: Path) -> None:
    """Where nobody knows that the reference adds up as the nodes do, values may be rounded the other way."""
    record = run_benchmark(_options(alexnet_farm, "fp16"), reference=replace(_halves(alexnet_farm), threads=None))
    assert record.tolerance > TOLERANCES["cpu"]
    assert record.verdict.valid, record.verdict.reasons
    assert record.metrics["reference_separation"] >= 10 * record.tolerance
    assert check_file(write_record(record, tmp_path)).status == "VALID"


def test_swapped_halves_do_not_pass_a_rounding_wire(alexnet_farm: Farm, tmp_path: Path) -> None:
    """The check of joins is as fine as without rounding: a node that swaps its halves makes the run INVALID."""
    environment = {**alexnet_farm.environment, "IOT_FARM_RESULTS": str(tmp_path / "results")}
    farm = replace(alexnet_farm, environment=environment)
    with liar(farm, farm.document()["block3"][0], "swap"):
        done = farm.command(
            "run", "--target", str(farm.file), "--frames", "20", "--warmup", "0", "--wire", "uint8", "--json"
        )
    assert done.returncode == 1, done.stderr
    record = json.loads(done.stdout)
    assert record["verdict"]["status"] == "INVALID"
    assert record["plan"]["wire"] == record["options"]["wire"] == record["wire"]["encoding"] == "uint8"
