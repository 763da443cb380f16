"""The account of the cheaters: a lying node gives no VALID record, even with a forged verdict; an honest farm does."""

import pytest

from benchmarks.audit.cheaters import HONEST, LIES, run_farm


@pytest.mark.parametrize("lie", ["flip", "skip"])
def test_a_cheater_gets_no_valid_record(lied_to, tmp_path, lie):
    """Not by the run, not by the checker, and not after its verdict was overwritten and sealed anew."""
    told = run_farm(lied_to, tmp_path, lie)
    assert not told.passes, told
    assert told.why
    assert len(LIES) == 5


def test_an_honest_farm_passes(alexnet_farm, tmp_path):
    """The control: a farm like that one, without a liar."""
    told = run_farm(alexnet_farm, tmp_path, HONEST)
    assert told.passes
    assert (told.exit_code, told.status, told.forged) == (0, "VALID", "VALID")
