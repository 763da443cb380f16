"""What a run asks of its meter before anything is measured."""

import os
import time
from pathlib import Path

import pytest

import power
from harness.bench.energy import PowerOptions, RunMeter
from harness.errors import BadInputError, FarmError
from power.source import open_source
from tests.power.virtual_process import virtual_analyzer

PROFILES = Path(power.__file__).with_name("profiles")


def test_nodes_that_nobody_here_sees() -> None:
    """A virtual analyzer for nodes on other machines is refused: their CPU time would count as 0."""
    meter = RunMeter(PowerOptions("virtual", 5.0))
    with pytest.raises(BadInputError, match="2 nodes run elsewhere"):
        meter.begin([os.getpid()], 5, "pi3", elsewhere=2)
    meter.end()
    meter.begin([os.getpid()], 5, "pi3")
    meter.end()


def test_idle_phases_that_are_too_short() -> None:
    """Idle phases that a baseline cannot be made from are refused before the run, with the length that is needed."""
    for idle_s, refused in ((1.0, True), (1.5, False)):
        meter = RunMeter(PowerOptions("virtual", idle_s))
        if refused:
            with pytest.raises(BadInputError, match="too short for a meter") as told:
                meter.begin([os.getpid()], 1, "pi3")
            assert "at least 1.4 s" in told.value.hint
        else:
            meter.begin([os.getpid()], 1, "pi3")
        meter.end()


def test_profile_of_a_user(tmp_path: Path) -> None:
    """A profile that is named is the one that is used; an instrument that it does not match is refused."""
    mine = tmp_path / "mine.toml"
    text = (PROFILES / "yokogawa-wt300e.toml").read_text(encoding="utf-8")
    mine.write_text(
        text.replace('name = "yokogawa-wt300e"', 'name = "mine"\naccuracy = { reading_pct = 0.1, range_pct = 0.05 }')
    )
    with virtual_analyzer() as resource:
        meter = open_source(resource, profiles=[mine])
        meter.open()
        assert (meter.info.profile, meter.info.reading_pct) == ("mine", 0.1)
        meter.close()
        plain = open_source(resource)
        plain.open()
        assert (plain.info.profile, plain.info.reading_pct) == ("yokogawa-wt300e", None), "control"
        plain.close()
        other = RunMeter(PowerOptions(resource, 5.0, profiles=(PROFILES / "itech-it9121.toml",)))
        with pytest.raises(FarmError, match="for which there is no profile"):
            other.begin([], 1, "pi3")


def test_last_marker_has_a_sample_behind_it() -> None:
    """The idle phase at the end is covered to its end, however short it is."""
    meter = RunMeter(PowerOptions("virtual", 1.5))
    meter.begin([os.getpid()], 1, "pi3")
    for name in ("idle before", "run", "idle after"):
        with meter.phase(name):
            end_s = time.monotonic() + (2.1 if name == "run" else 1.5)
            while time.monotonic() < end_s:
                sum(range(20_000)) if name == "run" else time.sleep(0.01)
    meter.end()
    trace = meter.sampling.trace()
    energy = meter.energy({"frames_verified": 7})
    assert trace.at_s[-1] >= energy.phases[-1].end_s
    assert not [reason for reason in energy.reasons if "covered" in reason]
