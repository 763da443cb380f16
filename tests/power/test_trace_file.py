"""A recording survives its file to the bit; a file that breaks the format is refused by line and column."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from power_traces import METER, PHASES, make, measurement

from power import trace_file
from power.energy import analyze
from power.errors import TraceError
from power.recording import COLUMNS, MOST, to_ns, to_s
from power.trace import FLAGS, Trace
from power.trace_file import read_trace, write_trace

FLAG_WORDS = st.sampled_from(sorted(FLAGS))
VALUES = st.floats(-MOST, MOST)
SAMPLES = st.lists(st.tuples(st.integers(1, 10**10), VALUES, st.floats(0, 10), FLAG_WORDS, VALUES), max_size=20)


def same(one: Trace, other: Trace) -> bool:
    """Whether two traces are equal to the bit, NaN included."""
    arrays = ("at_s", "utc_s", "power_w", "rtt_s", "energy_wh", "elapsed_s")
    equal = all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in arrays)
    return equal and one.flags == other.flags and one.meter == other.meter


@given(SAMPLES, st.integers(0, 4 * 10**15))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(tmp_path: Path, samples: list[tuple[int, float, float, str, float]], start_ns: int) -> None:
    """Any trace comes back from its file bit for bit."""
    at_ns = start_ns + np.cumsum([sample[0] for sample in samples], dtype=np.int64)
    power = np.array([math.nan if flag and flag != "frozen" else watts for _, watts, _, flag, _ in samples])
    trace = Trace(
        meter=METER,
        at_s=np.array([to_s(int(at)) for at in at_ns], dtype=np.float64),
        utc_s=np.array([sample[4] for sample in samples], dtype=np.float64),
        power_w=np.asarray(power, dtype=np.float64),
        rtt_s=np.array([sample[2] for sample in samples], dtype=np.float64),
        flags=tuple(sample[3] for sample in samples),
        energy_wh=np.array([sample[4] for sample in samples], dtype=np.float64),
        elapsed_s=np.full(len(samples), np.nan),
    )
    write_trace(tmp_path / "power.csv", trace, PHASES, 30)
    back = read_trace(tmp_path / "power.csv")
    assert same(back.trace, trace)
    assert (back.phases, back.frames) == (PHASES, 30)
    if samples:
        assert not same(back.trace, dataclasses.replace(trace, rtt_s=trace.rtt_s + 1)), "control"


@given(st.integers(0, 8 * 10**15))
def test_nanoseconds(at_ns: int) -> None:
    """Whole nanoseconds survive being seconds in a float for three months of uptime."""
    assert to_ns(to_s(at_ns)) == at_ns


def test_analysis_of_the_file_is_bit_equal(tmp_path: Path) -> None:
    """The energy made from the file is the energy made from the live trace, to the last bit."""
    trace = measurement()
    write_trace(tmp_path / "power.csv", trace, PHASES, 600)
    back = read_trace(tmp_path / "power.csv")
    live = analyze(trace, PHASES, 600)
    assert analyze(back.trace, back.phases, back.frames) == live
    assert analyze(back.trace, back.phases, back.frames).to_document() == live.to_document()
    assert analyze(back.trace, back.phases, 601) != live, "control"


def good_lines(tmp_path: Path) -> list[str]:
    """The lines of a small file in order."""
    path = tmp_path / "good.csv"
    write_trace(path, make(np.array([1.0, 1.1, 1.2]), np.array([5.0, 6.0, 7.0])), PHASES, 3)
    return path.read_text().splitlines()


COLUMN_LINE = ",".join(COLUMNS)
SAMPLE = "1100000000,1700000001.1,6.0,123,,,"
BROKEN = [
    (COLUMN_LINE, COLUMN_LINE.replace("power_w", "power_mw"), "'power_mw' has another unit than 'power_w'"),
    (COLUMN_LINE, COLUMN_LINE.replace("t_mono_ns", "t_mono_s"), "'t_mono_s' has another unit"),
    (COLUMN_LINE, COLUMN_LINE.replace(",flags", ""), "'flags' is missing"),
    (COLUMN_LINE, COLUMN_LINE + ",power_w", "stands twice"),
    (COLUMN_LINE, COLUMN_LINE + ",mood", "'mood' is unknown"),
    (SAMPLE, SAMPLE.replace("6.0", "NaN"), r"line \d+: column 'power_w': 'NaN' is no number"),
    (SAMPLE, SAMPLE.replace("6.0", "inf"), "column 'power_w'"),
    (SAMPLE, SAMPLE.replace("6.0", "1e999"), "column 'power_w'"),
    (SAMPLE, SAMPLE.replace("6.0", ""), "no flag says why"),
    (SAMPLE, SAMPLE.replace("123", ""), "column 'rtt_us'"),
    (SAMPLE, SAMPLE.replace("1100000000", "1.1"), r"line \d+: column 't_mono_ns'"),
    (SAMPLE, SAMPLE.replace("1100000000", "900000000"), r"line \d+: column 't_mono_ns': the time does not come after"),
    (SAMPLE, SAMPLE.replace("1100000000", "1000000000"), "does not come after"),
    (SAMPLE, SAMPLE + ",", "8 fields, 7 columns"),
    (SAMPLE, "", "1 fields, 7 columns"),
    (SAMPLE, SAMPLE.replace("123,", "123,tired"), "column 'flags': 'tired' is no flag"),
    ("# frames: 3", "# frames: 3.5", "'frames'"),
    ("# frames: 3", "# frames 3", "# key: value"),
    ("# frames: 3", "# frames: NaN", "is not JSON"),
    ("# frames: 3", '# kind: "mean"', "stands twice"),
    ("# update_s: 0.1", '# update_s: "fast"', "'update_s' cannot be"),
    ("# update_s: 0.1", "# update_s: null", "'update_s' cannot be"),
    ('# scope: "wall"', '# scope: "house"', "'house' is unknown"),
    ('# scope: "wall"', "# colour: 1", "'colour' is unknown"),
    ('# scope: "wall"\n', "", "no 'scope'"),
    ("# update_s: 0.1", "# update_s: 5e-324", "'update_s' cannot be"),
    ("# update_s: 0.1", f"# update_s: {10**400}", "'update_s' cannot be"),
    ("# range_w: 30.0", "# range_w: -1", "'range_w' cannot be"),
    ("# frames: 3", f"# frames: {10**400}", "'frames'"),
    (SAMPLE, SAMPLE.replace("6.0", "1e308"), "column 'power_w'"),
    ('# format: "power-trace/1"', '# format: "power-trace/9"', "power-trace/9"),
    ('# phase: {"name": "run",', '# phase: {"name": "nap",', "'nap'"),
    ('# phase: {"name": "run", "begin_s": 32.0', '# phase: {"name": "run", "begin_s": 3.0', "begins before"),
]


@pytest.mark.parametrize(("old", "new", "problem"), BROKEN)
def test_broken_files(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """One thing wrong in a good file is an error that names it; the file as it was is read."""
    text = "\n".join(good_lines(tmp_path))
    assert old in text
    path = tmp_path / "broken.csv"
    path.write_text(text)
    assert read_trace(path).frames == 3, "control"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(TraceError, match=problem):
        read_trace(path)


def test_files_that_are_no_recording(tmp_path: Path) -> None:
    """An empty, missing, binary, headless or huge file is refused in one line."""
    path = tmp_path / "power.csv"
    with pytest.raises(TraceError, match="cannot read"):
        read_trace(path)
    for content, problem in ((b"", "is empty"), (b"\xff\xfe", "not UTF-8 at byte 0"), (b"# a: 1\n", "column names")):
        path.write_bytes(content)
        with pytest.raises(TraceError, match=problem):
            read_trace(path)
    with path.open("wb") as file:
        file.truncate(trace_file.MAX_BYTES + 1)
    with pytest.raises(TraceError, match="more than 200000000"):
        read_trace(path)


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure on the way to the disk leaves the old file as it was, and no other."""
    path = tmp_path / "power.csv"
    write_trace(path, measurement(), PHASES, 600)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trace_file.os, "fsync", full)
    with pytest.raises(TraceError, match="No space left"):
        write_trace(path, measurement(seed=2), PHASES, 600)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_samples_that_cannot_be_written(tmp_path: Path) -> None:
    """A sample without power needs a flag, and infinity is no power."""
    at_s = np.array([1.0, 1.1])
    for power, flags in ((1e300, ("", "")), (math.nan, ("", "")), (math.inf, ("", "")), (1.0, ("", "tired"))):
        with pytest.raises(TraceError):
            write_trace(tmp_path / "power.csv", make(at_s, np.array([1.0, power]), flags), PHASES, 3)
    write_trace(tmp_path / "power.csv", make(at_s, np.array([1.0, math.nan]), ("", "nan")), PHASES, 3)
