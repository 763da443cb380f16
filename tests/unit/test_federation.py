"""Many devices in farms: dealt out evenly, and no figure without the number of farms that it rests on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning import TINY, profile_of
from simulating import AIR, LINKS, SECONDS

from harness.errors import BadInputError
from harness.report.simulation_figures import SimulatedLine, SimulatedPoint, simulation_svg
from harness.simulate.federation import Federations, Wanted, farm_sizes
from harness.simulate.scene import Failures
from harness.simulate.study import ALL_CASES, study

WANTED = Wanted(TINY, profile_of(SECONDS), AIR, frames=60, farm_devices=12, distinct=3)


@given(st.integers(2, 3_000_000), st.integers(3, 1000))
def test_devices_are_dealt_out_to_farms(devices: int, most: int) -> None:
    """Proves that every device is in one farm, none is too large, and no two differ by more than one."""
    sizes = farm_sizes(devices, most)
    assert sum(size * count for size, count in sizes) == devices
    assert all(2 <= size <= most and count > 0 for size, count in sizes)
    assert max(size for size, _ in sizes) - min(size for size, _ in sizes) <= 1


def test_dealing_out_is_not_trivial() -> None:
    """Control: what deals out less than there is would not pass."""
    assert sum(size * count for size, count in farm_sizes(25, 12)[:1]) != 25
    assert farm_sizes(25, 12) == [(9, 1), (8, 2)]


def test_a_federation_says_what_it_rests_on() -> None:
    """Proves that speeds add up over the farms, and that the number of those simulated stands beside them."""
    found = Federations(WANTED).of(240)
    assert (found.farms, found.simulated) == (20, 3)
    outcomes = found.sizes[0].outcomes
    assert found.ips == pytest.approx(20 * sum(one.ips for one in outcomes) / 3)
    assert found.counted == "3 of 20 farms of 12 devices simulated, the others counted as their mean"
    assert found.describe()["counted"] == found.counted
    assert found.ips_spread is not None
    assert 0 < found.ips_spread < 0.5
    assert len({one.ips for one in outcomes}) == 3, "each has a seed of its own"


def test_more_simulated_farms_say_the_same() -> None:
    """Proves that counting alike farms as a mean is no more than that: all of them simulated come within a per cent."""
    few, all_of_them = (Federations(replace(WANTED, distinct=count)).of(240) for count in (3, 20))
    assert all_of_them.simulated == 20
    assert few.ips == pytest.approx(all_of_them.ips, rel=0.01)
    assert few.latency_s(50) == pytest.approx(all_of_them.latency_s(50), rel=0.02)
    other = Federations(replace(WANTED, distinct=3)).of(120)
    assert other.ips != pytest.approx(all_of_them.ips, rel=0.01), "control: half of the devices are told apart"


def test_two_sizes_weigh_as_many_frames_as_they_have() -> None:
    """Proves that farms of two sizes are both simulated, and percentiles lie between those of either."""
    found = Federations(WANTED).of(25)
    assert [(size.devices, size.count) for size in found.sizes] == [(9, 1), (8, 2)]
    each = [Federations(WANTED).of(9).latency_s(50), Federations(replace(WANTED, farm_devices=8)).of(16).latency_s(50)]
    assert None not in each
    middle = found.latency_s(50)
    assert middle is not None
    assert min(filter(None, each)) * 0.9 <= middle <= max(filter(None, each)) * 1.1


def test_a_study_switches_sharing_and_failures() -> None:
    """Proves that a shared medium is never quicker than own links, and failures never quicker than none."""
    wanted = replace(WANTED, network=replace(LINKS, bandwidth_bytes_per_s=2e3), failures=Failures(between_s=5.0))
    curves = {(one.case.shared, one.case.failing): one for one in study([wanted], [5, 12], ALL_CASES)}
    assert len(curves) == 4
    largest = {case: curve.federations[-1] for case, curve in curves.items()}
    assert largest[True, False].ips < largest[False, False].ips
    assert largest[False, True].ips < largest[False, False].ips
    assert sum(one.failures for one in largest[True, True].sizes[0].outcomes) > 0
    assert all(one.returned == one.sent for curve in largest.values() for one in curve.sizes[0].outcomes)


@pytest.mark.parametrize("wrong", [{"farm_devices": 1}, {"farm_devices": 1001}, {"distinct": 0}])
def test_farms_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    """Proves that farms beyond a thousand, and figures that rest on none, are refused."""
    with pytest.raises(BadInputError):
        replace(WANTED, **wrong)


@pytest.mark.parametrize("devices", [-1, 0, 1, 10**12])
def test_numbers_of_devices_that_cannot_be_are_refused(devices: int) -> None:
    """Proves the same of numbers of devices."""
    with pytest.raises(BadInputError):
        Federations(WANTED).of(devices)


def test_figures_are_the_same_bytes_and_tell_what_they_rest_on() -> None:
    """Proves that a figure is determined by its data, says that it is simulated, and survives what is unknown."""
    lines = [
        SimulatedLine(
            "alexnet",
            "shared medium",
            (SimulatedPoint(5, 7.5, 1.0, 1.1, 3.6), SimulatedPoint(100, 85.7, 0.7, 0.8, None)),
        ),
        SimulatedLine("alexnet", "own links", ()),
    ]
    drawn = simulation_svg(lines, "Farms", "3 of 20 farms simulated")
    assert drawn == simulation_svg(lines, "Farms", "3 of 20 farms simulated")
    assert drawn != simulation_svg(lines[:1], "Farms", "3 of 20 farms simulated")
    assert b"3 of 20 farms simulated" in drawn
    assert b"not measured" in drawn
