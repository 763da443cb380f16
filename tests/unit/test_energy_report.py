"""The systems of an energy report: how they are ordered, checked and drawn, and what is refused."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from energy_records import VIRTUAL_METER, file_record, flagged, paper_like
from power_traces import PHASES, measurement

from harness.errors import BadInputError, NotFoundError
from harness.metrics import written
from harness.records.record import Verdict
from harness.report.bars import bars_of
from harness.report.energy_report import Report, make_report
from harness.report.sources import read_sources
from harness.report.systems import State, System, systems_of
from harness.report.trace_series import series_of
from power.energy import analyze
from power.phases import Phase
from power.recording import Recording

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def systems(folder: Path) -> list[System]:
    """The checked records of a folder."""
    return systems_of(read_sources([folder]))


def made(folder: Path, **options: Any) -> Report:
    """A report of a folder, at one fixed time."""
    return make_report([folder], now=NOW, **options)


def edited(path: Path, change: Any) -> None:
    """Change a record on disk."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_systems_stand_in_the_order_of_the_paper(tmp_path: Path) -> None:
    """Proves the order of Figures 5 and 6: GPU, CPU, then farms by their size, model by model."""
    order = [(one.model, one.label) for one in systems(paper_like(tmp_path))]
    assert order == [
        ("alexnet", "host (GPU)"),
        ("alexnet", "host (CPU)"),
        ("alexnet", "farm-5-local (5 devices)"),
        ("alexnet", "farm-6-local (6 devices)"),
        ("vgg16", "farm-9-local (9 devices)"),
        ("vgg16", "farm-11-local (11 devices)"),
    ]


def test_runs_of_one_system_are_numbered_and_the_latest_is_kept_on_request(tmp_path: Path) -> None:
    """Proves that two runs of a system can be told apart, and that `latest` leaves the newer one."""
    file_record(tmp_path, started_utc="2026-02-03T04:05:06.789+00:00", run="a" * 16)
    newer = file_record(tmp_path, started_utc="2026-02-04T04:05:06.789+00:00", run="b" * 16)
    assert [one.name for one in systems(tmp_path)] == ["farm-5-local #1", "farm-5-local #2"]
    (kept,) = systems_of(read_sources([tmp_path], latest=True))
    assert (kept.name, kept.source.path) == ("farm-5-local", newer)


def test_a_record_named_beside_its_folder_counts_once(tmp_path: Path) -> None:
    """Proves that naming a record twice does not make two systems of it."""
    path = file_record(tmp_path)
    assert len(read_sources([path, tmp_path, path])) == 1


def test_an_invalid_energy_has_reasons_and_no_bar(tmp_path: Path) -> None:
    """Proves that an INVALID energy keeps figures and reasons and draws nothing; its valid neighbour does draw."""
    file_record(tmp_path, target="holes", trace=flagged(measurement(), 50.0, 57.0))
    file_record(tmp_path, target="whole")
    holes, whole = systems(tmp_path)
    assert (holes.state, whole.state) == (State.INVALID, State.VALID)
    assert any("gap" in reason for reason in holes.reasons)
    assert "energy_total_j" in holes.figures
    (bars,) = bars_of([holes, whole])
    assert (bars.systems[0].total_j, bars.systems[0].word) == (None, "INVALID")
    assert bars.systems[0].ips is not None, "its speed is valid"
    assert bars.systems[1].total_j == whole.figures["energy_total_j"]


def test_an_invalid_run_takes_its_energy_along(tmp_path: Path) -> None:
    """Proves that neither speed nor energy of a run whose frames went wrong is drawn."""
    file_record(tmp_path, verdict=Verdict(reasons=("3 frames were lost",), notes=("quick run",)))
    (one,) = systems(tmp_path)
    (bars,) = bars_of([one])
    assert one.state is State.INVALID
    assert one.all_reasons == ("the run itself: 3 frames were lost",)
    assert one.notes == ("the run itself: quick run",)
    assert (bars.systems[0].ips, bars.systems[0].ips_word, bars.systems[0].total_j) == (None, "INVALID", None)


def test_a_crowd_of_runs_without_energy_leaves_room_for_those_with_it(tmp_path: Path) -> None:
    """Proves that many runs without energy are not drawn beside one with it, and are drawn where none has it."""
    for number in range(13):
        file_record(tmp_path, meter=None, run=f"{number:08x}" * 2, frames=10)
    (crowd,) = bars_of(systems(tmp_path))
    assert (len(crowd.systems), crowd.left_out) == (13, 0)
    file_record(tmp_path)
    (few,) = bars_of(systems(tmp_path))
    assert (len(few.systems), few.left_out) == (1, 13)
    assert few.systems[0].total_j is not None


def test_a_run_without_a_meter_says_so(tmp_path: Path) -> None:
    """Proves that a missing energy is neither an error nor a 0."""
    file_record(tmp_path, meter=None)
    (one,) = systems(tmp_path)
    assert (one.state, one.energy, set(one.figures)) == (State.NONE, None, {"ips"})
    page = made(tmp_path).page.read_text()
    assert "no energy measured" in page
    assert 'data-metric="energy_total_j"' not in page


EDITS = {
    "a total": lambda energy: energy.update(total_j_per_frame=energy["total_j_per_frame"] * (1 + 1e-6)),
    "a reading": lambda energy: energy["baseline"].update(mean_w=11.0),
    "measured": lambda energy: energy["meter"].update(measured=True),
    "the verdict": lambda energy: energy.update(status="INVALID"),
    "a limit": lambda energy: energy["settings"].update(coverage_min=2.0),
    "a setting that nobody knows": lambda energy: energy["settings"].update(other=1),
    "no settings": lambda energy: energy.pop("settings"),
    "a figure less": lambda energy: energy.pop("run_w"),
    "a figure more": lambda energy: energy.update(bonus_j=1.0),
    "a number as text": lambda energy: energy.update(run_w=str(energy["run_w"])),
    "1 for true": lambda energy: energy["meter"].update(measured=0),
    "a list": lambda energy: energy.update(notes=[]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_record_that_its_trace_does_not_bear_out_is_refused(tmp_path: Path, edit: str) -> None:
    """Proves that no figure of an edited energy is printed, whatever was edited; unedited it is (control)."""
    path = file_record(tmp_path, meter=VIRTUAL_METER)
    assert systems(tmp_path)[0].state is State.VALID
    edited(path, lambda document: EDITS[edit](document["energy"]))
    (one,) = systems(tmp_path)
    assert one.state is State.REFUSED
    assert one.all_reasons
    assert set(one.figures) == {"ips"}
    document = made(tmp_path).document["systems"][0]
    assert (document["energy"], document["energy_verdict"]) == (None, "REFUSED")


def test_metrics_of_the_record_must_be_those_of_its_energy(tmp_path: Path) -> None:
    """Proves that a joule that stands in the metrics alone is noticed."""
    path = file_record(tmp_path)
    edited(path, lambda document: document["metrics"].update(energy_total_j=1.0))
    (one,) = systems(tmp_path)
    assert one.state is State.REFUSED
    assert "metrics.energy_total_j is 1.0" in one.reasons[0]


def test_a_changed_trace_is_refused(tmp_path: Path) -> None:
    """Proves that one other sample in the trace is noticed."""
    trace = file_record(tmp_path).with_suffix(".power.csv")
    lines = trace.read_text().splitlines()
    fields = lines[-600].split(",")
    fields[2] = "19.0"
    lines[-600] = ",".join(fields)
    trace.write_text("\n".join(lines) + "\n")
    (one,) = systems(tmp_path)
    assert one.state is State.REFUSED
    assert "record and trace disagree" in one.reasons[0]


def test_other_frames_in_the_trace_are_refused(tmp_path: Path) -> None:
    """Proves that the joules are divided by the verified frames of the record, not by a number in the trace."""
    path = file_record(tmp_path)
    edited(path, lambda document: document["frames"].pop())
    (one,) = systems(tmp_path)
    assert any("299 in the record" in reason for reason in one.reasons)


@pytest.mark.parametrize("content", [None, "", "# format: 1\n", "\xff"])
def test_a_trace_that_is_missing_or_broken_is_refused(tmp_path: Path, content: str | None) -> None:
    """Proves that without a readable trace no energy is printed, and the reason names the trace."""
    trace = file_record(tmp_path).with_suffix(".power.csv")
    trace.unlink()
    if content is not None:
        trace.write_bytes(content.encode("latin-1"))
    (one,) = systems(tmp_path)
    assert one.state is State.REFUSED
    assert trace.name in one.reasons[0]
    assert str(tmp_path) not in one.reasons[0], "no folder of this machine stands in a report"


SPEED_EDITS = {
    "the figure": lambda document: document["metrics"].update(ips=9.0),
    "a frame that was wrong": lambda document: document["frames"][7].update(error=1.0),
    "a frame that never came": lambda document: document["frames"][7].update(verified_s=None),
    "a frame twice": lambda document: document["frames"][7].update(frame=8),
    "frames of another form": lambda document: document.update(frames=[{"frame": 1}]),
    "no frames": lambda document: document.update(frames=[]),
}


@pytest.mark.parametrize("edit", SPEED_EDITS)
def test_a_speed_that_the_raw_frames_do_not_bear_out_is_not_printed(tmp_path: Path, edit: str) -> None:
    """Proves that IPS is made again from the distinct frames whose result was right; unedited it is 5 (control)."""
    path = file_record(tmp_path)
    assert systems(tmp_path)[0].ips == 5.0
    edited(path, SPEED_EDITS[edit])
    (one,) = systems(tmp_path)
    assert one.ips is None
    assert "raw frames" in one.speed_reasons[0]
    assert one.state is not State.VALID


def test_no_record_and_broken_records_are_named(tmp_path: Path) -> None:
    """Proves one clear line for a folder without records, a file that is none, and a target that is no text."""
    with pytest.raises(NotFoundError, match="no record in"):
        made(tmp_path)
    with pytest.raises(NotFoundError, match=r"there is no .*missing\.json"):
        make_report([tmp_path / "missing.json"])
    path = file_record(tmp_path)
    edited(path, lambda document: document["target"].update(devices="many"))
    with pytest.raises(BadInputError, match=r"target\.devices 'many'"):
        made(tmp_path)
    path.write_text("{")
    with pytest.raises(BadInputError, match="not a run record"):
        made(tmp_path)


def test_a_meter_that_never_came_back_leaves_a_gap(tmp_path: Path) -> None:
    """A trace that ends before its last phase does is hatched to the end of the phase."""
    recording = Recording(measurement(), PHASES, 600)
    kept = recording.trace.at_s < 60
    cut = replace(
        recording.trace,
        **{
            name: getattr(recording.trace, name)[kept]
            for name in ("at_s", "utc_s", "power_w", "rtt_s", "energy_wh", "elapsed_s")
        },
        flags=("",) * int(kept.sum()),
    )
    energy = analyze(cut, PHASES, 600).to_document()
    ((begin_s, end_s),) = series_of(Recording(cut, PHASES, 600), energy).gaps
    assert (begin_s, end_s) == pytest.approx((60 - 32, 123 - 32), abs=0.2)
    assert series_of(recording, analyze(measurement(), PHASES, 600).to_document()).gaps == (), "control"


def test_the_trace_is_drawn_with_gaps_ticks_and_baseline(tmp_path: Path) -> None:
    """Proves what the plot shows: seconds from the window's begin, a broken line, the ticks, the idle line."""
    trace = flagged(measurement(drift_w_per_s=0.002), 50.0, 57.0)
    energy = analyze(trace, PHASES, 100).to_document()
    series = series_of(Recording(trace, PHASES, 100), energy)
    assert [(phase.name, phase.begin_s) for phase in series.phases][1] == ("run", 0.0)
    ((begin_s, end_s),) = series.gaps
    assert begin_s == pytest.approx(17.95)
    assert end_s == pytest.approx(25.05)
    assert series.at_s.count(None) == 1
    assert {tick.flag for tick in series.ticks} == {"timeout"}
    assert len(series.ticks) == 70
    assert series.baseline is not None
    (low_w, high_w), (from_s, to_s) = series.baseline.mean_w, series.baseline.at_s
    assert (high_w - low_w) / (to_s - from_s) == pytest.approx(energy["baseline"]["drift_w_per_s"])
    assert (from_s, to_s) == (-31.0, 91.0)


def test_what_was_recorded_before_the_phases_is_not_shown_at_first() -> None:
    """Proves that a meter that was open for long does not squeeze the phases; a short lead-in is shown whole."""
    trace = measurement()
    energy = analyze(trace, PHASES, 100).to_document()
    whole = series_of(Recording(trace, PHASES, 100), energy)
    assert not whole.trimmed
    late = (Phase("run", 100.0, 110.0), Phase("idle after", 112.0, 122.0))
    part = series_of(Recording(trace, late, 100), analyze(trace, late, 100).to_document())
    assert part.trimmed
    assert part.view_s == pytest.approx((-1.1, 23.1))
    assert part.view_w[1] < 13, "the 18 W of before do not set the scale"


def test_a_long_trace_is_thinned_and_keeps_its_extremes() -> None:
    """Proves that a peak of one sample survives thinning; a plain every-tenth would lose it (control)."""
    trace = measurement()
    watts = trace.power_w.copy()
    watts[617] = 99.0
    trace = replace(trace, power_w=watts)
    energy = analyze(trace, PHASES, 100).to_document()
    series = series_of(Recording(trace, PHASES, 100), energy, most_points=200)
    assert series.thinned
    assert len(series.at_s) <= 205
    assert 99.0 in series.power_w
    assert 99.0 not in watts[::10]
    drawn = np.array([at for at in series.at_s if at is not None])
    assert np.all(np.diff(drawn) > 0)


@pytest.mark.parametrize(
    ("value", "u", "shown"),
    [
        (1.23456, 0.0123, "1.235"),
        (123.456, 12.3, "123"),
        (0.12421, 0.1258, "0.12"),
        (1234.5678, 0.0, "1235"),
        (0.0022554, None, "0.002255"),
        (55.07242, None, "55.07"),
        (0.0, None, "0"),
        (5.0, 1e-20, "5.000000000000"),
    ],
)
def test_a_figure_has_the_digits_that_its_uncertainty_leaves(value: float, u: float | None, shown: str) -> None:
    """Proves the rounding: as many decimals as two digits of the uncertainty have."""
    assert written(value, u) == shown
    assert math.isclose(float(written(value, u)), value, rel_tol=0.06, abs_tol=1e-9)
