"""The range of a meter: found under load, held from then on, and every change of it named."""

import dataclasses
import time

import pytest
from power_traces import METER

from power.errors import LinkError, PowerError
from power.instrument import Instrument
from power.profile import shipped_profiles
from power.profile_sections import Check
from power.sampler import Sampler
from power.sampling import start_sampling
from tests.power.virtual_process import virtual_analyzer, visa

STEP = "square:low=2,high=40,hz=0.5"  # one second at each
WT300E = next(profile for profile in shipped_profiles() if profile.name == "yokogawa-wt300e")


def test_range_is_held() -> None:
    """The range that the load needed is held; without the pass the meter is in the range of the moment."""
    with virtual_analyzer("--load", STEP) as resource, Sampler(Instrument(resource)) as sampler:
        sampler.require_reading(5)
        assert sampler.info.range_mode == "automatic"
        time.sleep(2.5)
        sampler.fix_range()
        held = sampler.info
        assert held.range_mode == "fixed"
        assert held.range_w >= 40
        time.sleep(2.5)
        trace = sampler.trace()
    assert trace.meter == held
    assert "range" not in trace.flags
    assert trace.good.all()


def test_a_range_for_idling_is_too_small() -> None:
    """Control: a range that is held before the load came is exceeded by it, and the samples say so."""
    load = "square:low=40,high=2,hz=0.25"  # low for two seconds first
    with virtual_analyzer("--load", load) as resource, visa(resource) as session:
        while float(session.query(":NUM:NORM:NUM 1;:NUM:NORM:ITEM1 P,1;:NUM:NORM:VAL?")) > 3:
            time.sleep(0.02)
        session.close()
        with Sampler(Instrument(resource)) as sampler:
            sampler.require_reading(5)
            sampler.fix_range()
            narrow = sampler.info.range_w
            time.sleep(2.5)
            trace = sampler.trace()
    assert narrow < 40
    assert "overrange" in trace.flags


def test_range_that_is_turned_by_hand() -> None:
    """A range that changes after it was held is flagged; the samples before it are not."""
    turned = virtual_analyzer("--load", "constant:12.5", "--fault", "range:after=40")
    with turned as resource, Sampler(Instrument(resource)) as sampler:
        sampler.require_reading(5)
        sampler.fix_range()
        time.sleep(3.5)
        trace = sampler.trace()
    assert "range" in trace.flags
    assert set(trace.flags[:10]) == {""}


def test_range_survives_a_lost_connection() -> None:
    """After a reconnection the same range is held, and the trace goes on without a flag of it."""
    broken = virtual_analyzer("--load", STEP, "--fault", "eof:after=70")
    with broken as resource, Sampler(Instrument(resource)) as sampler:
        sampler.require_reading(5)
        time.sleep(2.2)
        sampler.fix_range()
        held_w = sampler.info.range_w
        time.sleep(3)
        trace = sampler.trace()
    assert "eof" in trace.flags
    assert "range" not in trace.flags
    assert sampler.info.range_mode == "fixed"
    assert sampler.info.range_w == held_w
    assert trace.good[-10:].all()


def test_instrument_that_does_not_hold() -> None:
    """An instrument that takes no range is an error of the ranging pass by name; sampling goes on."""
    stubborn = WT300E.range._replace(fix=":INP:VOLT:RANG {1};:INP:CURR:AUTO ON")
    liar = WT300E.range._replace(held=Check(":INP:VOLT:AUTO?", "7"))
    for commands in (stubborn, liar):
        profile = dataclasses.replace(WT300E, range=commands)
        with virtual_analyzer() as resource, Sampler(Instrument(resource, [profile])) as sampler:
            sampler.require_reading(5)
            with pytest.raises(PowerError, match="does not hold its range"):
                sampler.fix_range()
            assert sampler.info.range_mode == "automatic"
            time.sleep(0.2)
            assert sampler.trace().good[-1]


def test_profile_without_a_range() -> None:
    """A meter whose range is not known stays so: nothing is claimed."""
    with virtual_analyzer("--persona", "generic") as resource, Sampler(Instrument(resource)) as sampler:
        sampler.require_reading(5)
        sampler.fix_range()
        assert sampler.info.range_mode == "unknown"
        assert sampler.info.range_w is None


def test_ranging_without_a_meter() -> None:
    """A sampler that ended, or never began, says so instead of waiting."""
    with virtual_analyzer() as resource:
        sampler = Sampler(Instrument(resource))
        with pytest.raises(LinkError, match="not open"):
            sampler.fix_range()
        with sampler:
            sampler.require_reading(5)
        with pytest.raises(LinkError):
            sampler.fix_range()


def test_meter_without_readings() -> None:
    """A meter that answers and never gives a value is refused before a run, with what came instead."""
    silent = pytest.raises(LinkError, match=r"no reading within 1 s \('nan'")
    with virtual_analyzer("--fault", "nan:every=1") as resource, Sampler(Instrument(resource)) as sampler, silent:
        sampler.require_reading(1)


@pytest.mark.parametrize("rate_hz", [0, -1, 5000, float("nan")])
def test_impossible_rates(rate_hz: float) -> None:
    """A rate that no sampler can have is refused by name."""
    with pytest.raises(PowerError, match="readings per second"):
        start_sampling(lambda: None, rate_hz)


def test_info_of_tests_is_held() -> None:
    """Control: the meter of the other tests claims a held range."""
    assert METER.range_mode == "fixed"
