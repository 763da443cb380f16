"""The idle power, and that its interval covers the truth as often as it says."""

import dataclasses

import numpy as np
import pytest
from power_traces import PHASES, make, measurement

from power.baseline import baseline, t_quantile
from power.errors import TraceError
from power.phases import Phase

SIMULATIONS = 1000
TRUTH_W = 11.8


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(9, 2.262157), (10, 2.228139), (18, 2.100922), (30, 2.042272), (120, 1.979930)]
)
def test_quantile_of_t(freedom: int, quantile: float) -> None:
    """The expansion gives the tabulated 97.5 % quantiles."""
    assert t_quantile(freedom) == pytest.approx(quantile, abs=2e-4)
    assert t_quantile(freedom) != pytest.approx(1.959964, abs=2e-4), "control: the normal quantile"


def idle_noise(phi: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """AR(1) series of unit variance, shape (SIMULATIONS, count)."""
    shocks = rng.normal(0, np.sqrt(1 - phi**2), (SIMULATIONS, count))
    series = np.empty_like(shocks)
    series[:, 0] = rng.normal(0, 1, SIMULATIONS)
    for index in range(1, count):
        series[:, index] = phi * series[:, index - 1] + shocks[:, index]
    return series


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("phases", [PHASES[:2], (PHASES[0], Phase("idle after", 31.0, 61.0))], ids=["before", "both"])
def test_interval_covers(phases: tuple[Phase, ...], phi: float) -> None:
    """The 95 % interval of 30 s idle at 10 Hz holds the truth in 90 % of 1,000 simulations and more."""
    at_s = 1.05 + 0.1 * np.arange(600)
    template = make(at_s, np.full(600, TRUTH_W))
    covered = naive = 0
    for watts in TRUTH_W + 0.3 * idle_noise(phi, 600, np.random.default_rng(11)):
        found = baseline(dataclasses.replace(template, power_w=watts), phases)
        covered += abs(found.mean_w - TRUTH_W) <= found.u_w
        used = watts[:300] if len(phases) == 2 and phases[1].name == "run" else watts
        naive += abs(used.mean() - TRUTH_W) <= 1.96 * used.std() / np.sqrt(len(used))
    print(f"phi {phi}: {covered / SIMULATIONS:.3f}, naive {naive / SIMULATIONS:.3f}")
    assert covered >= 0.9 * SIMULATIONS
    if phi == 0.9:
        assert naive < 0.6 * SIMULATIONS, "control: sd / sqrt(n)"


def test_between_the_idle_phases() -> None:
    """The baseline lies on the line between the phases, at the middle of the run, so that a drift cancels."""
    found = baseline(measurement(0.02, 0.005), PHASES)
    assert found.mean_w == pytest.approx(11.8 + 0.005 * 62, abs=0.01)
    assert found.drift_w_per_s == pytest.approx(0.005, rel=0.05)
    assert found.batches == 20
    assert len(found.flags) == 2, "moved by more than 3 u and more than 1 %"
    assert baseline(measurement(0.02, 0.005), PHASES[:2]).mean_w != pytest.approx(found.mean_w, abs=0.1), "control"


def test_steady_idle_has_no_flags() -> None:
    """White noise on a steady idle power raises no flag and little uncertainty."""
    found = baseline(measurement(0.02), PHASES)
    assert found.flags == ()
    assert 0 < found.u_w < 0.01
    assert found.before_w == pytest.approx(11.8, abs=0.01)
    assert found.after_w == pytest.approx(11.8, abs=0.01)


def test_correlated_batches_are_flagged() -> None:
    """Idle power that wanders slowly correlates the batch means, which is said."""
    trace = measurement(0.01)
    wandering = dataclasses.replace(trace, power_w=trace.power_w + np.sin(2 * np.pi * trace.at_s / 30))
    found = baseline(wandering, PHASES)
    assert found.lag1 > 0.3
    assert any("correlated" in flag for flag in found.flags)
    assert baseline(trace, PHASES).lag1 < 0.3, "control"


def test_constant_idle() -> None:
    """A meter that shows one value has no spread: no autocorrelation, rather than a division by zero."""
    trace = measurement(0.0)
    found = baseline(trace, PHASES)
    assert (found.lag1, found.u_w, found.mean_w) == (None, 0.0, 11.8)


def test_no_idle_phase() -> None:
    """Without an idle phase there is no baseline, not one of 0 W."""
    with pytest.raises(TraceError, match="no idle phase"):
        baseline(measurement(), PHASES[1:2])


def test_idle_with_too_few_samples() -> None:
    """An idle phase with fewer than two samples a batch, or with most of it lost, is refused."""
    with pytest.raises(TraceError, match="good samples"):
        baseline(measurement(), (Phase("idle before", 1, 2.5), PHASES[1]))
    trace = measurement()
    lost = tuple("timeout" if 8 < at < 31 else "" for at in trace.at_s)
    with pytest.raises(TraceError, match="parts only"):
        baseline(dataclasses.replace(trace, flags=lost), PHASES)
