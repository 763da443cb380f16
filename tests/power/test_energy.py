"""The integral of a trace, the split into static and dynamic energy, and every reason against a result."""

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_traces import IDLE_W, LOADS, METER, PHASES, RUN_W, Load, averaged, make, measurement, polled

from power.energy import analyze
from power.errors import PowerError, TraceError
from power.integral import integrate
from power.meter import RangeMode
from power.phases import Markers, Phase, by_name
from power.trace import Trace
from power.verdict import Settings

POWERS = st.lists(st.floats(0.1, 1000), min_size=60, max_size=120)
FRAMES = 600


def samples(powers: list[float], shift_s: float = 0.0) -> Trace:
    """One sample every 0.1 s."""
    return make(shift_s + 0.1 * np.arange(len(powers)), np.array(powers))


@pytest.mark.parametrize(("window_s", "bound"), [(60.23, 0.001), (6.13, 0.01)])
@pytest.mark.parametrize("read", [averaged, polled])
@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_known_waveforms(load: Load, read: Callable[..., Trace], window_s: float, bound: float) -> None:
    """Four loads with a closed-form energy are right to 0.1 % in 60 s and 1 % in 6 s, whatever the meter's phase.

    The windows are no whole number of periods, where the errors of both edges would cancel.
    """
    rng = np.random.default_rng(7)
    worst = 0.0
    for phase_s, begin_s in zip(rng.uniform(0, 0.1, 200), rng.uniform(1, 3, 200), strict=True):
        trace = read(load.energy_j, phase_s, window_s + 5)
        edges = np.array([begin_s, begin_s + window_s])
        truth_j = float(np.diff(load.energy_j(edges))[0])
        worst = max(worst, abs(integrate(trace, *edges).energy_j / truth_j - 1))
    assert worst <= bound


def test_known_waveforms_control() -> None:
    """Control: a stamp at the end of the averaging interval instead of its middle misses the step of a run."""
    step = Load("step", lambda at_s: 10 * at_s + 100 * np.maximum(at_s - 3, 0))
    trace = averaged(step.energy_j, 0.0, 10.0)
    late = dataclasses.replace(trace, at_s=trace.at_s + 0.05)
    truth_j = 10 * 6 + 100 * 5
    assert integrate(trace, 2, 8).energy_j == pytest.approx(truth_j, rel=1e-3)
    assert integrate(late, 2, 8).energy_j != pytest.approx(truth_j, rel=1e-3)


@given(POWERS, st.floats(0.5, 5.0))
def test_adjoining_windows_add_up(powers: list[float], cut_s: float) -> None:
    """The energy of a window is the sum of the energies of its two parts."""
    trace, end_s = samples(powers), 0.1 * (len(powers) - 1)
    whole = integrate(trace, 0.2, end_s).energy_j
    left, right = integrate(trace, 0.2, cut_s).energy_j, integrate(trace, cut_s, end_s).energy_j
    assert left + right == pytest.approx(whole, rel=1e-9)
    assert left + right != pytest.approx(whole * 1.001, rel=1e-9), "control"


@given(POWERS, st.floats(0.01, 100))
def test_scaled_power_scales_energy(powers: list[float], factor: float) -> None:
    """Twice the watts are twice the joules."""
    end_s = 0.1 * (len(powers) - 1)
    plain = integrate(samples(powers), 0.25, end_s - 0.25).energy_j
    scaled = integrate(samples([factor * power for power in powers]), 0.25, end_s - 0.25).energy_j
    assert scaled == pytest.approx(factor * plain, rel=1e-9)


@given(POWERS, st.integers(0, 10**7))
def test_shift_of_the_clock_changes_nothing(powers: list[float], shift_s: int) -> None:
    """A host that has been up for months measures the same energy as one that just booted."""
    end_s = 0.1 * (len(powers) - 1)
    plain = integrate(samples(powers), 0.25, end_s - 0.25)
    shifted = integrate(samples(powers, float(shift_s)), shift_s + 0.25, shift_s + end_s - 0.25)
    assert shifted.energy_j == pytest.approx(plain.energy_j, rel=1e-5)
    assert shifted.samples in range(plain.samples - 1, plain.samples + 2)


def hole(begin_s: float, end_s: float, flag: str = "timeout") -> Trace:
    """The measurement with samples between two instants flagged."""
    trace = measurement()
    lost = (trace.at_s >= begin_s) & (trace.at_s < end_s)
    flags = tuple(flag if gone else "" for gone in lost)
    return dataclasses.replace(trace, power_w=np.where(lost, np.nan, trace.power_w), flags=flags)


def test_gap_is_filled_with_the_mean() -> None:
    """A hole of 6 s in a run of bursts moves its energy by less than 0.5 %, and is counted; never filled with 0."""
    bursts = LOADS[3]
    trace = averaged(bursts.energy_j, 0.03, 70)
    kept = (trace.at_s < 20) | (trace.at_s >= 26)
    holed = make(trace.at_s[kept], trace.power_w[kept])
    truth_j = float(np.diff(bursts.energy_j(np.array([2.0, 62.0])))[0])
    whole = integrate(holed, 2, 62)
    assert whole.energy_j == pytest.approx(truth_j, rel=0.005)
    assert whole.energy_j != pytest.approx(0.9 * truth_j, rel=0.05), "control: a hole counted as 0 W"
    assert whole.coverage == pytest.approx(0.9, abs=0.005)
    assert whole.longest_gap_s == pytest.approx(6.0, abs=0.2)


def test_short_hole_is_no_gap() -> None:
    """Samples missing for less than 0.5 s are bridged by a line, and the window counts as covered."""
    assert integrate(hole(40.0, 40.3), 32, 92).coverage == 1.0
    assert integrate(hole(40.0, 40.8), 32, 92).coverage < 1.0


@pytest.mark.parametrize(
    ("begin_s", "end_s", "problem"),
    [
        (50.0, 50.0, "empty or reversed"),
        (60.0, 50.0, "empty or reversed"),
        (math.nan, 50.0, "empty or reversed"),
        (50.0, 50.15, "shorter than 2 updates"),
        (-5.0, 50.0, "outside the trace"),
        (50.0, 130.0, "outside the trace"),
    ],
)
def test_impossible_windows(begin_s: float, end_s: float, problem: str) -> None:
    """A window that cannot be integrated is an error that says why, not a number."""
    with pytest.raises(TraceError, match=problem):
        integrate(measurement(), begin_s, end_s)


def test_window_without_samples() -> None:
    """A window in which every sample is flagged is an error, never 0 J."""
    with pytest.raises(TraceError, match="no two good samples"):
        integrate(hole(39.0, 61.0), 40, 60)


def test_split() -> None:
    """A plain measurement is VALID; static, dynamic and the figures per frame follow from it."""
    energy = analyze(measurement(), PHASES, FRAMES)
    assert (energy.status, energy.reasons) == ("VALID", ())
    assert energy.dynamic_j == pytest.approx((RUN_W - IDLE_W) * 60, rel=0.002)
    assert energy.static_j == pytest.approx(IDLE_W * 60, rel=0.002)
    assert energy.total_j == pytest.approx(energy.static_j + energy.dynamic_j)
    assert energy.total_j_per_frame == pytest.approx(energy.total_j / FRAMES)
    assert energy.inferences_per_j == pytest.approx(FRAMES / energy.total_j)
    assert energy.edp_j_s == pytest.approx(energy.total_j_per_frame * 60 / FRAMES)
    assert abs(energy.dynamic_j - (RUN_W - IDLE_W) * 60) < energy.u_dynamic_j < energy.u_total_j
    assert energy.meter_wh_j is None


def test_drift_cancels() -> None:
    """Idle power that drifts by 5 mW/s biases the dynamic energy by 0.2 % at most; idle before alone does not."""
    truth_j = (RUN_W - IDLE_W) * 60
    off = [analyze(measurement(0.05, 0.005, seed), PHASES, FRAMES).dynamic_j / truth_j - 1 for seed in range(20)]
    assert abs(float(np.mean(off))) <= 0.002
    one_sided = analyze(measurement(0.05, 0.005), PHASES[:2], FRAMES)
    assert abs(one_sided.dynamic_j / truth_j - 1) > 0.02, "control"
    assert any("drift" in note for note in one_sided.notes)


def ranged(mode: RangeMode) -> Trace:
    """The measurement by a meter whose range was treated like this."""
    return dataclasses.replace(measurement(), meter=dataclasses.replace(METER, range_mode=mode))


RUN = PHASES[1]
REASONS = [
    ("covered to", hole(40, 41.6 + 2.0), PHASES, FRAMES, Settings()),
    ("gap of", hole(40, 42.5), PHASES, FRAMES, Settings(coverage_min=0.5)),
    ("not fixed", ranged("automatic"), PHASES, FRAMES, Settings()),
    ("'range'", hole(60, 60.2, "range"), PHASES, FRAMES, Settings()),
    ("above the range", hole(40, 40.2, "overrange"), PHASES, FRAMES, Settings()),
    ("shorter than 20 updates", measurement(), (PHASES[0], Phase("run", 40, 41.5)), 9, Settings()),
    ("shorter than 2 updates", measurement(), (PHASES[0], Phase("run", 40, 40.1)), 9, Settings()),
    (
        "should be above 0",
        dataclasses.replace(measurement(), power_w=-measurement().power_w),
        PHASES,
        FRAMES,
        Settings(),
    ),
    (
        "mean power of the run is 0 W",
        dataclasses.replace(measurement(), power_w=0 * measurement().power_w),
        PHASES,
        FRAMES,
        Settings(),
    ),
    ("is above the", measurement(idle_w=19.0), PHASES, FRAMES, Settings()),
    ("no frames", measurement(), PHASES, 0, Settings()),
    ("no frames", measurement(), PHASES, -1, Settings()),
    ("outside the trace", measurement(), (PHASES[0], Phase("run", 90, 200)), FRAMES, Settings()),
    ("outside the trace", measurement(), (*PHASES[:2], Phase("idle after", 110, 200)), FRAMES, Settings()),
    ("no idle phase", measurement(), (RUN,), FRAMES, Settings()),
    ("no run phase", measurement(), (PHASES[0],), FRAMES, Settings()),
    ("empty or reversed", measurement(), (PHASES[0], Phase("run", 90, 80)), FRAMES, Settings()),
    ("good samples", measurement(), (Phase("idle before", 1, 2), RUN), FRAMES, Settings()),
    ("'frozen'", hole(40, 40.2, "frozen"), PHASES, FRAMES, Settings()),
    ("'restarted'", hole(31.2, 31.4, "restarted"), PHASES, FRAMES, Settings()),
    ("'replaced'", hole(100, 100.2, "replaced"), PHASES, FRAMES, Settings()),
]


@pytest.mark.parametrize(("reason", "trace", "phases", "frames", "settings"), REASONS)
def test_reasons(reason: str, trace: Trace, phases: tuple[Phase, ...], frames: int, settings: Settings) -> None:
    """Each thing that makes a result INVALID is named, and the result is still plain JSON without NaN."""
    energy = analyze(trace, phases, frames, settings)
    assert energy.status == "INVALID"
    assert any(reason in found for found in energy.reasons), energy.reasons
    json.dumps(energy.to_document(), allow_nan=False)


def test_a_run_without_load() -> None:
    """Idle power that is above run power by less than twice its uncertainty is chance, and no reason."""
    flat = dataclasses.replace(measurement(), power_w=IDLE_W + np.random.default_rng(4).normal(0, 0.02, 1240))
    energies = [
        analyze(dataclasses.replace(flat, power_w=np.roll(flat.power_w, shift)), PHASES, FRAMES)
        for shift in range(0, 400, 40)
    ]
    assert min(energy.dynamic_j for energy in energies) < 0
    assert {energy.status for energy in energies} == {"VALID"}


def test_invalid_result_is_still_shown() -> None:
    """A result with a gap of 4 s keeps its figures; one without frames has none per frame, not 0."""
    gap = analyze(hole(40, 44), PHASES, FRAMES)
    assert gap.status == "INVALID"
    assert gap.dynamic_j == pytest.approx((RUN_W - IDLE_W) * 60, rel=0.01)
    none = analyze(measurement(), PHASES, 0)
    assert none.total_j is not None
    assert (none.total_j_per_frame, none.edp_j_s, none.inferences_per_j) == (None, None, None)


def integrator(trace: Trace, factor: float = 1.0) -> Trace:
    """The trace with what the meter's own integrator would have counted."""
    steps_wh = trace.power_w * 0.1 / 3600 * factor
    return dataclasses.replace(
        trace, energy_wh=np.round(np.cumsum(steps_wh), 7), elapsed_s=np.round(trace.at_s + 0.05, 3)
    )


def test_cross_check() -> None:
    """The meter's own integrator agrees with the samples; one that is 3 % off makes the result INVALID."""
    good = analyze(integrator(measurement()), PHASES, FRAMES)
    assert good.status == "VALID"
    assert good.meter_wh_j == pytest.approx(good.total_j, rel=0.001)
    assert abs(good.check.difference_j) <= good.check.bound_j < 0.01 * good.total_j
    bad = analyze(integrator(measurement(), 1.03), PHASES, FRAMES)
    assert bad.status == "INVALID"
    assert any("integrator" in reason for reason in bad.reasons)


def test_integrator_that_began_anew_is_not_used() -> None:
    """An integrator whose clock went back gives no figure rather than a wrong one."""
    trace = integrator(measurement())
    reset = dataclasses.replace(trace, elapsed_s=np.where(trace.at_s > 60, trace.elapsed_s - 60, trace.elapsed_s))
    assert analyze(reset, PHASES, FRAMES).meter_wh_j is None
    assert analyze(trace, PHASES, FRAMES).meter_wh_j is not None, "control"


def test_wall_clock_does_not_matter() -> None:
    """A jump of the wall clock changes nothing: only the monotonic clock enters."""
    trace = measurement()
    jumped = dataclasses.replace(trace, utc_s=trace.utc_s[::-1] + 1e6)
    assert analyze(jumped, PHASES, FRAMES) == analyze(trace, PHASES, FRAMES)
    assert analyze(measurement(seed=2), PHASES, FRAMES) != analyze(trace, PHASES, FRAMES), "control"


def test_point_meter_and_unknown_accuracy() -> None:
    """Point readings are integrated too, with a note; unknown accuracy gives no uncertainty rather than 0."""
    meter = dataclasses.replace(METER, kind="point", reading_pct=None, measured=False)
    energy = analyze(dataclasses.replace(measurement(), meter=meter), PHASES, FRAMES)
    assert energy.dynamic_j == pytest.approx((RUN_W - IDLE_W) * 60, rel=0.002)
    assert (energy.u_total_j, energy.u_dynamic_j, energy.u_static_j) == (None, None, None)
    assert energy.budget["reading"] is None
    for word in ("accuracy", "point readings", "made up"):
        assert any(word in note for note in energy.notes)


def test_markers() -> None:
    """Markers take the monotonic clock around each phase; a phase that fails leaves no marker."""
    ticks = iter(range(100))
    markers = Markers(lambda: float(next(ticks)))
    with markers.phase("idle before"):
        pass
    with pytest.raises(ZeroDivisionError), markers.phase("run"):
        _ = 1 / 0
    with markers.phase("run"):
        pass
    assert markers.phases == (Phase("idle before", 0.0, 1.0), Phase("run", 3.0, 4.0))
    for name in ("run", "idle", "idle before"):
        with pytest.raises(PowerError), markers.phase(name):
            pass
    with pytest.raises(PowerError, match="is open"), markers.phase("idle after"), markers.phase("run"):
        pass


def test_phases_that_contradict_each_other() -> None:
    """Phases that overlap, stand twice or have no name are an error."""
    for phases in ((RUN, RUN), (Phase("idle before", 0, 40), RUN), (Phase("nap", 0, 1),), (Phase("run", 0, math.nan),)):
        with pytest.raises(TraceError):
            by_name(phases)
    assert list(by_name(PHASES[::-1])) == ["idle before", "run", "idle after"]


@pytest.mark.parametrize("wrong", [{"coverage_min": 0}, {"gap_max_s": -1}, {"updates_min": 0}, {"k": math.inf}])
def test_settings_that_limit_nothing(wrong: dict[str, float]) -> None:
    """Settings out of their range are refused by name."""
    with pytest.raises(PowerError, match=next(iter(wrong))):
        Settings(**wrong)
