"""Comparisons: differences are found where there are some, and not where there are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.metrics import METRICS
from harness.records import spread, statistics
from harness.records.compare import COMPARABLE, DEFAULT, _quantile, compare, figure_of, in_words, ratio_of
from harness.records.contestants import Run, System
from harness.records.spread import FRAMES_NEEDED, Z975, Spread

PAIRS = 500
Durations = Callable[[np.random.Generator], np.ndarray]


def correlated(rho: float, frames: int = 400, mean_s: float = 0.01, spread_of: float = 0.1) -> Durations:
    """Times between completions: log-normal, each like its neighbour by `rho`."""

    def draw(random: np.random.Generator) -> np.ndarray:
        shocks = random.standard_normal(frames) * math.sqrt(1 - rho**2)
        levels = np.empty(frames)
        level = random.standard_normal()
        for at in range(frames):
            level = rho * level + shocks[at]
            levels[at] = level
        return mean_s * np.exp(spread_of * levels)

    return draw


def memoryless(random: np.random.Generator) -> np.ndarray:
    """Times between completions as different as they can be: exponential."""
    return random.exponential(0.01, 200)


def speed_of(durations_s: np.ndarray) -> Spread:
    """The speed that these times between completions give."""
    found = spread.speed(np.cumsum(durations_s), seed=1)
    assert found is not None
    return found


def median_of(durations_s: np.ndarray) -> Spread:
    """Their median, as of latencies."""
    found = spread.percentile(durations_s, 50, seed=1)
    assert found is not None
    return found


def mean_of(durations_s: np.ndarray) -> Spread:
    """Their mean, as of latencies."""
    found = spread.mean(durations_s, seed=1)
    assert found is not None
    return found


def share_of_differences(
    draw: Durations, figure: Callable[[np.ndarray], Spread], factor: float = 1.0, pairs: int = PAIRS
) -> float:
    """How often two systems, one slower by a factor, are told to differ."""
    random = np.random.default_rng(2018)
    found = [ratio_of(figure(factor * draw(random)), figure(draw(random))).different for _ in range(pairs)]
    return sum(found) / pairs


@pytest.mark.parametrize(
    ("draw", "figure"),
    [
        (correlated(0.0), speed_of),
        (correlated(0.6), speed_of),
        (memoryless, speed_of),
        (correlated(0.0, frames=24), speed_of),
        (correlated(0.6, frames=200), median_of),
        (memoryless, median_of),
        (correlated(0.6), mean_of),
    ],
    ids=["even", "correlated", "memoryless", "24 frames", "median", "median, memoryless", "mean"],
)
def test_equal_systems_are_seldom_told_to_differ(draw: Durations, figure: Callable[[np.ndarray], Spread]) -> None:
    """Of 500 equal pairs at most 6 % are told to differ, at 95 % confidence."""
    assert share_of_differences(draw, figure) <= 0.06


def test_frames_taken_as_independent_would_find_differences_everywhere() -> None:
    """The control: an interval from single frames, each taken for itself, errs for every third equal pair or more."""

    def naive(durations_s: np.ndarray) -> Spread:
        count = len(durations_s)
        log_se = float(np.std(durations_s, ddof=1) / np.mean(durations_s)) / math.sqrt(count)
        return Spread(float(count / durations_s.sum()), log_se, count - 1, "frames")

    assert share_of_differences(correlated(0.6), naive) > 0.3


@pytest.mark.parametrize("figure", [speed_of, median_of, mean_of])
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_a_tenth_is_found(figure: Callable[[np.ndarray], Spread], rho: float) -> None:
    """A system that is 10 % slower is told to differ in 95 % of all pairs at least."""
    assert share_of_differences(correlated(rho), figure, factor=1.1, pairs=100) >= 0.95


def test_repeated_runs_that_scatter_are_no_difference() -> None:
    """Three runs each whose speed changes from run to run: the runs' own scatter makes the interval, 6 % at most."""
    random = np.random.default_rng(7)

    def system() -> Spread:
        runs = [speed_of(correlated(0.0, frames=60)(random) * math.exp(random.normal(0, 0.05))) for _ in range(3)]
        return spread.over_runs(runs)

    pairs = [(system(), system()) for _ in range(PAIRS)]
    assert sum(ratio_of(one, two).different for one, two in pairs) / PAIRS <= 0.06
    # The control: one run of each, which knows nothing of the others, finds differences that are none.
    draws = [speed_of(correlated(0.0)(random) * math.exp(random.normal(0, 0.05))) for _ in range(200)]
    singles = [ratio_of(one, two).different for one, two in zip(draws[::2], draws[1::2], strict=True)]
    assert sum(singles) / len(singles) > 0.4


def test_runs_make_the_interval_of_welch() -> None:
    """Against the textbook: means of logarithms, their variances, Welch's degrees of freedom."""
    fast, slow = (11.0, 10.5, 11.4), (9.7, 10.1, 9.9, 10.3)
    ratio = ratio_of(*(spread.over_runs([Spread(ips, 0.5, 19, "") for ips in runs]) for runs in (fast, slow)))
    logs = [np.log(runs) for runs in (fast, slow)]
    variances = [float(np.var(log, ddof=1)) / len(log) for log in logs]
    total = sum(variances)
    freedom = total**2 / sum(v**2 / (len(log) - 1) for v, log in zip(variances, logs, strict=True))
    middle = float(logs[0].mean() - logs[1].mean())
    assert 2 < freedom < 5
    assert ratio.value == pytest.approx(math.exp(middle))
    assert math.log(ratio.high) - middle == pytest.approx(_quantile(freedom) * math.sqrt(total))
    assert middle - math.log(ratio.low) == pytest.approx(_quantile(freedom) * math.sqrt(total))


@pytest.mark.parametrize(
    ("freedom", "table"),
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (6, 2.447),
        (10, 2.228),
        (30, 2.042),
        (math.inf, 1.96),
    ],
)
def test_quantiles_of_student(freedom: float, table: float) -> None:
    """The printed table of Student's t; between whole numbers never narrower than the exact value."""
    assert _quantile(freedom) == pytest.approx(table, abs=1.5e-3)


@pytest.mark.parametrize(("freedom", "exact"), [(1.25, 8.0279), (1.5, 6.0167), (2.5, 3.5746), (3.5, 2.9401)])
def test_quantiles_between_whole_degrees(freedom: float, exact: float) -> None:
    """Against numerical integration of the density: at most 3 % wider, never narrower."""
    assert exact <= _quantile(freedom) <= 1.03 * exact


def test_energies_combine_their_uncertainties() -> None:
    """Of one run each: the relative uncertainties at k=2 add as squares."""
    one, two = spread.stated(2.0, 0.06), spread.stated(1.0, 0.04)
    assert one is not None
    assert two is not None
    ratio = ratio_of(one, two)
    assert math.log(ratio.high / ratio.value) == pytest.approx(math.hypot(0.03, 0.04))
    assert (one.log_se, one.freedom) == (pytest.approx(0.03 / Z975), math.inf)
    assert spread.stated(-0.1, 0.2) is None


def test_repeating_does_not_reduce_the_error_of_an_instrument() -> None:
    """Nine equal energies of 3 % each are known to 3 %; of nine speeds, the control, nothing is left."""
    runs = [spread.stated(2.0, 0.06)] * 9
    assert spread.over_runs([run for run in runs if run], common=True).log_se == pytest.approx(0.03 / Z975)
    assert spread.over_runs([run for run in runs if run]).log_se == 0.0


lengths = st.integers(FRAMES_NEEDED, 300)


@given(lengths, st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_figures_are_those_of_the_record(frames: int, seed: int, unit: float) -> None:
    """Speed, mean and percentiles equal those that records hold, in any unit of time, and scale with it."""
    random = np.random.default_rng(seed)
    durations_s = random.exponential(1.0, frames) + 1e-3
    found, scaled = speed_of(durations_s), speed_of(durations_s * unit)
    assert found.value == pytest.approx(frames / float(np.cumsum(durations_s)[-1]), rel=1e-12)
    assert scaled.value == pytest.approx(found.value / unit, rel=1e-9)
    assert scaled.log_se == pytest.approx(found.log_se, rel=1e-6)
    assert mean_of(durations_s).value == pytest.approx(float(durations_s.mean()), rel=1e-12)
    for percent in statistics.supported_percentiles(frames):
        exact = spread.percentile(durations_s, percent, seed=1)
        assert exact is not None
        assert exact.value == statistics.percentile(durations_s.tolist(), percent)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 0.2), st.floats(0, 0.2), st.floats(1, 100))
def test_the_other_way_round_says_the_same(one: float, two: float, se_one: float, se_two: float, df: float) -> None:
    """B over A is 1 over A over B, interval and verdict included; the interval holds the ratio."""
    first, second = Spread(one, se_one, df, ""), Spread(two, se_two, math.inf, "")
    forward, back = ratio_of(first, second), ratio_of(second, first).inverse()
    assert (back.value, back.low, back.high) == pytest.approx((forward.value, forward.low, forward.high))
    assert forward.low <= forward.value * (1 + 1e-12)
    assert forward.value <= forward.high * (1 + 1e-12)


def test_the_same_records_give_the_same_intervals() -> None:
    """Twice the same call, twice the same numbers; another seed, the control, gives others."""
    durations_s = correlated(0.3)(np.random.default_rng(3))
    done_s = np.cumsum(durations_s)
    assert spread.speed(done_s, 1) == spread.speed(done_s, 1)
    assert spread.speed(done_s, 1) != spread.speed(done_s, 2)


def test_too_few_samples_have_no_interval() -> None:
    """Below 17 frames a run says nothing about its own spread, and percentiles need the samples of MLPerf's rule."""
    few, enough = np.linspace(1.0, 2.0, FRAMES_NEEDED - 1), np.linspace(1.0, 2.0, FRAMES_NEEDED)
    assert spread.speed(np.cumsum(few), 1) is None
    assert spread.speed(np.cumsum(enough), 1) is not None
    assert spread.mean(few, 1) is None
    assert spread.percentile(enough, 50, 1) is not None
    assert spread.percentile(enough, 90, 1) is None
    assert spread.percentile(np.zeros(100), 50, 1) is None


def run(**changes: Any) -> Run:
    """A run of 200 frames; keywords change it."""
    random = np.random.default_rng(changes.pop("seed", 1))
    done_s = np.cumsum(correlated(0.0, frames=200)(random)) * changes.pop("slower", 1.0)
    fields: dict[str, Any] = {
        "name": "0123456789abcdef",
        "status": "VALID",
        "reasons": (),
        "model": ("alexnet", "00ff"),
        "system": ("farm-5-local", "farm", "", 5, "", "", ""),
        "virtual": False,
        "completions_s": done_s,
        "latencies_s": random.lognormal(-3, 0.1, 200),
        "figures": {"energy_total_j": 2.0, "energy_total_u_j": 0.02},
    }
    return Run(**fields | changes)


def system(label: str, *runs: Run) -> System:
    """A system of these runs, or of one good run."""
    return System(label, runs or (run(),))


def test_a_slower_system_is_called_slower() -> None:
    """The words, the sign and the digits: 1.25 times slower the one way, 1.25 times faster the other."""
    slow = system("B", run(slower=1.25, seed=2))
    (table,) = compare([system("A"), slow], metrics=["ips"]).tables
    assert table.cells[0].words == "reference"
    assert table.cells[1].words.startswith("1.2")
    assert table.cells[1].words.endswith("times slower")
    (back,) = compare([system("A"), slow], metrics=["ips"], reference=1).tables
    assert back.cells[0].words.endswith("times faster")
    assert back.cells[1].ratio is None
    (same,) = compare([system("A"), system("C", run(seed=5))], metrics=["ips"]).tables
    assert same.cells[1].words.startswith("no difference")


@pytest.mark.parametrize("metric", COMPARABLE)
def test_better_and_worse_follow_the_metric(metric: str) -> None:
    """Half of what should be low is good, half of what should be high is not, by the list of metrics."""
    half = ratio_of(Spread(1.0, 0.01, 20, ""), Spread(2.0, 0.01, 20, ""))
    good = {"faster", "sooner", "less"}
    assert (in_words(metric, half).split()[-1] in good) == (METRICS[metric].better.value == "lower")
    assert in_words(metric, half).startswith("2.000 ± 0.05") or in_words(metric, half).startswith("2.00 ± 0.06")


def test_best_and_worst_are_marked_among_three() -> None:
    """The fastest is best, the slowest worst; what does not differ from the best is best too; two get no mark."""
    systems = [system("A"), system("B", run(slower=1.25, seed=2)), system("C", run(seed=3))]
    (table,) = compare(systems, metrics=["execution_time_classify"]).tables
    assert [cell.mark for cell in table.cells] == ["best", "worst", "best"]
    (table,) = compare(systems[:2], metrics=["ips"]).tables
    assert [cell.mark for cell in table.cells] == ["", ""]
    (table,) = compare([systems[0], systems[2], system("D", run(seed=4))], metrics=["ips"]).tables
    assert [cell.mark for cell in table.cells] == ["", "", ""]


def test_measured_and_virtual_energies_are_never_compared() -> None:
    """Asked for, it is an error; by default the other metrics are compared and a line says why this one is not."""
    systems = [system("A"), system("B", run(virtual=True))]
    for every in (False, True):
        with pytest.raises(BadInputError, match="measured energy and virtual energy"):
            compare(systems, metrics=["energy_total_j"], every=every)
    found = compare(systems)
    assert [table.metric for table in found.tables] == ["ips", "latency_p50_s"]
    assert any("measured energy and virtual energy" in warning for warning in found.warnings)
    both = compare([system("A", run(virtual=True)), system("B", run(virtual=True))])
    assert [table.metric for table in both.tables] == list(DEFAULT)
    assert any("every energy here is virtual" in warning for warning in both.warnings)
    measured = compare([system("A"), system("B")])
    assert not any("virtual" in warning for warning in measured.warnings)


@pytest.mark.parametrize("status", ["INVALID", "INCOMPLETE"])
def test_runs_that_are_not_valid_are_refused(status: str) -> None:
    """They are compared only when asked, and then the result says what they are and why."""
    systems = [system("A"), system("B", run(), run(status=status, reasons=("3 frames wrong",)))]
    with pytest.raises(BadInputError, match=f"B is {status}: 3 frames wrong"):
        compare(systems)
    found = compare(systems, every=True)
    assert f"B is {status}, its figures must not be used: 3 frames wrong" in found.warnings


def test_what_makes_a_ratio_misleading_is_said() -> None:
    """Other networks, other weights, emulated beside real, a single run: one line each; alike systems get none."""
    good = compare([system("A", run(), run(seed=2)), system("B", run(seed=3), run(seed=4))], metrics=["ips"])
    assert good.warnings == ()
    for changes, says in (
        ({"model": ("vgg16", "00ff")}, "different networks"),
        ({"model": ("alexnet", "1234")}, "the weights or the graph differ"),
        ({"system": ("farm-5-local", "farm", "", 5, "rpi3", "", "")}, "emulated"),
        ({"system": ("farm-5-local", "farm", "", 5, "", "fp16", "")}, "their wires round differently"),
        ({"system": ("farm-5-local", "farm", "", 5, "", "", "onnx")}, "different runtimes or precisions"),
    ):
        found = compare([system("A"), system("B", run(**changes))], metrics=["ips"])
        assert any(says in warning for warning in found.warnings)
    found = compare([system("A"), system("B", run(), run(seed=2))], metrics=["ips"])
    assert any("one run of A" in warning for warning in found.warnings)


def test_missing_figures_are_named() -> None:
    """No energy, an energy that was refused, too few frames, an unknown metric, one system: one line that says so."""
    bare = system("B", run(figures={}, virtual=None))
    with pytest.raises(BadInputError, match="B has no energy per frame"):
        compare([system("A"), bare], metrics=["energy_total_j"])
    refused = system("B", run(figures={}, refused=("record and trace disagree",)))
    with pytest.raises(BadInputError, match="record and trace disagree"):
        compare([system("A"), refused], metrics=["energy_total_j"])
    short = system("B", run(completions_s=np.linspace(0.1, 1, 10), latencies_s=np.full(10, 0.1)))
    with pytest.raises(BadInputError, match="the 10 verified frames of B"):
        compare([system("A"), short], metrics=["ips"])
    with pytest.raises(BadInputError, match="window_s cannot be compared"):
        compare([system("A"), system("B")], metrics=["window_s"])
    with pytest.raises(BadInputError, match="two systems"):
        compare([system("A")])
    nothing = system("B", run(completions_s=np.zeros(0), latencies_s=np.zeros(0), figures={}))
    with pytest.raises(BadInputError, match="nothing that could be compared"):
        compare([system("A"), nothing])


@pytest.mark.parametrize("wild", [1e308, 1e-308, 5e-324, -1.0])
@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.filterwarnings("error")
def test_times_beyond_all_measure_give_no_infinite_ratio(wild: float, runs: int) -> None:
    """A forged record may hold any time: a finite interval or none, never NaN that would pass for a difference."""
    done_s = np.linspace(1, 20, 200)
    done_s[100] = wild
    forged = run(completions_s=done_s, latencies_s=np.where(np.arange(200) % 3, wild, 1.0))
    for metric in ("ips", "execution_time_classify", "latency_p50_s", "latency_mean_s"):
        try:
            found = compare([system("A"), system("B", *([forged, run()][:runs]))], metrics=[metric])
        except BadInputError:
            continue
        ratio = found.tables[0].cells[1].ratio
        assert ratio is not None
        assert 0 <= ratio.low <= ratio.value <= ratio.high < math.inf


def test_one_run_without_a_figure_leaves_none() -> None:
    """The mean of the runs that have one would be the figure of another system."""
    assert figure_of(system("A", run(), run(figures={})), "energy_total_j") is None
    assert figure_of(system("A", run(), run()), "energy_total_j") is not None
