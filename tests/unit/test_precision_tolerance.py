"""What a run in fewer bits than float32 is held to."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from run_records import run_record

from harness.bench.options import RunOptions
from harness.records.check import check_record
from harness.records.manifest import seal
from harness.records.rules_frames import OTHER_KERNELS, SEPARATION

HOST = RunOptions(target_name="host", model="alexnet", runtime="litert")


@given(st.floats(0, 1))
def test_fewer_bits_are_held_to_what_tells_images_apart(separation: float) -> None:
    """Just below a tenth of the smallest difference between two references, and never stricter than other kernels."""
    rounded = replace(HOST, precision="int8").held(separation)
    assert rounded.tolerance >= OTHER_KERNELS
    assert rounded.tolerance == OTHER_KERNELS or SEPARATION * rounded.tolerance < separation
    assert HOST.held(separation) is HOST  # the control: float32 is held to what it was


def test_a_record_in_f32_may_not_have_the_wider_tolerance() -> None:
    """The checker allows it to a run that asked for fewer bits, up to what tells images apart, and to no other."""
    plain = run_record().to_document()
    separation = plain["metrics"]["reference_separation"]
    wide = separation / SEPARATION * 0.99

    def said(tolerance: float, **options: str) -> bool:
        found = {**plain, "tolerance": tolerance, "options": {**plain["options"], **options}}
        return next(one.passed for one in check_record(seal(found)).findings if one.rule == "tolerance")

    assert wide > OTHER_KERNELS
    assert said(wide, runtime="litert", precision="fp16")
    assert not said(wide)
    assert not said(wide * 1.1, runtime="litert", precision="fp16")
