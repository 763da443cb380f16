"""A recorded trace as a CSV file: written all or nothing, read with nothing guessed.

Comment lines `# key: JSON` carry the meter, the phases and the frames; then a line of column names with units, and
one line per sample. Reading back gives the same floats, bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np

from power.errors import TraceError
from power.meter import Kind, MeterInfo, Scope
from power.phases import PHASES, Phase, by_name
from power.trace import FLAGS, Trace

FORMAT = "power-trace/1"
COLUMNS = ("t_mono_ns", "t_utc", "power_w", "rtt_us", "flags", "energy_wh", "elapsed_s")
"""Monotonic time in nanoseconds, seconds since 1970, watts, microseconds, a word of `FLAGS`, watt-hours, seconds.
An empty field is a missing value."""
MAX_BYTES = 200_000_000
"""A larger file is refused: at 10 samples a second this is about a month."""
_NS_PER_S = 10**9
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_METER_FIELDS = tuple(field.name for field in dataclasses.fields(MeterInfo))
_NUMBERS = ("update_s", "reading_pct", "range_pct", "range_w")


@dataclass(frozen=True)
class Recording:
    """What one file holds.

    Attributes:
        trace: the samples.
        phases: the marked phases, in the order of time.
        frames: verified inferences in the run.
    """

    trace: Trace
    phases: tuple[Phase, ...]
    frames: int


def to_ns(at_s: float) -> int:
    """Seconds on the monotonic clock as whole nanoseconds, rounded exactly."""
    return round(Fraction(at_s) * _NS_PER_S)


def to_s(at_ns: int) -> float:
    """Whole nanoseconds as seconds: the nearest float. `to_ns` gives them back for 97 days of uptime."""
    return at_ns / _NS_PER_S


def write_trace(path: Path, trace: Trace, phases: Sequence[Phase], frames: int) -> None:
    """Write a recording; a crash leaves the old file or the new one, never a half.

    Args:
        path: the file; its folder exists.
        trace: the samples; `at_s` is made by `to_s` so that it survives the round trip.
        phases: the marked phases.
        frames: verified inferences in the run.

    Raises:
        TraceError: a sample that has neither power nor flag, a value that is infinite, or a file that cannot be
            written.
    """
    lines = [f"# format: {json.dumps(FORMAT)}"]
    try:
        for name in _METER_FIELDS:
            lines.append(f"# {name}: {json.dumps(getattr(trace.meter, name), allow_nan=False)}")
    except ValueError:
        raise TraceError(f"the meter's {name} is no finite number") from None
    lines += [f"# phase: {json.dumps(dataclasses.asdict(phase))}" for phase in by_name(phases).values()]
    lines += [f"# frames: {json.dumps(frames)}", ",".join(COLUMNS)]
    lines += [_row(trace, index) for index in range(len(trace))]
    _replace(path, ("\n".join(lines) + "\n").encode())


def read_trace(path: Path) -> Recording:
    """Read a recording.

    Args:
        path: a file that `write_trace` made, or one of the same format.

    Returns:
        Trace, phases and frames.

    Raises:
        TraceError: the file cannot be read, is empty, too large, not UTF-8, or breaks the format; the message names
            line and column.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TraceError(f"{path} has {size} bytes, more than {MAX_BYTES}", "cut the recording into runs")
        lines = path.read_bytes().decode("utf-8").splitlines()
    except OSError as error:
        raise TraceError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is not UTF-8 at byte {error.start}") from None
    if not lines:
        raise TraceError(f"{path} is empty")
    return _Reader(path).recording(lines)


class _Reader:
    """Turns the lines of one file into a recording; knows the file's name for its messages."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recording(self, lines: Sequence[str]) -> Recording:
        header: dict[str, Any] = {}
        phases: list[Phase] = []
        number = 0
        for number, line in enumerate(lines, start=1):
            if not line.startswith("#"):
                break
            key, value = self._comment(number, line)
            if key == "phase":
                phases.append(self._phase(number, value))
            elif key in header:
                raise self._error(number, f"{key!r} stands twice")
            else:
                header[key] = value
        else:
            raise self._error(number, "the line of column names is missing")
        if header.get("format") != FORMAT:
            raise TraceError(f"{self._path} has the format {header.get('format')!r}, not {FORMAT!r}")
        meter = self._meter(header)
        frames = header.get("frames")
        if not isinstance(frames, int) or isinstance(frames, bool):
            raise TraceError(f"{self._path}: the header has no whole number of 'frames'")
        names = self._columns(number, lines[number - 1])
        rows = [self._fields(at, line, names) for at, line in enumerate(lines[number:], start=number + 1)]
        return Recording(self._trace(meter, rows, number + 1), tuple(by_name(phases).values()), frames)

    def _error(self, line: int, problem: str, hint: str = "") -> TraceError:
        return TraceError(f"{self._path}, line {line}: {problem}", hint)

    def _comment(self, number: int, line: str) -> tuple[str, Any]:
        key, colon, text = line[1:].partition(":")
        if not colon:
            raise self._error(number, "a comment of the header has the form '# key: value'")
        try:
            return key.strip(), json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise self._error(number, f"the value of {key.strip()!r} is not JSON") from None

    def _phase(self, number: int, value: Any) -> Phase:
        if not isinstance(value, dict) or set(value) != {"name", "begin_s", "end_s"}:
            raise self._error(number, "a phase has name, begin_s and end_s")
        if value["name"] not in PHASES:
            raise self._error(number, f"no phase is called {value['name']!r}", f"phases are {', '.join(PHASES)}")
        if not (_is_number(value["begin_s"]) and _is_number(value["end_s"])):
            raise self._error(number, "begin_s and end_s of a phase are numbers")
        return Phase(value["name"], float(value["begin_s"]), float(value["end_s"]))

    def _meter(self, header: dict[str, Any]) -> MeterInfo:
        for name in _METER_FIELDS:
            if name not in header:
                raise TraceError(f"{self._path}: the header has no {name!r}")
            value = header[name]
            if name in _NUMBERS:
                right = _is_number(value) or (value is None and name != "update_s")
            else:
                right = isinstance(value, bool if name == "measured" else str)
            if not right:
                raise TraceError(f"{self._path}: the header's {name!r} cannot be {value!r}")
        for name, allowed in (("scope", get_args(Scope)), ("kind", get_args(Kind))):
            if header[name] not in allowed:
                raise TraceError(f"{self._path}: {name} {header[name]!r} is unknown", f"one of {', '.join(allowed)}")
        return MeterInfo(**{name: header[name] for name in _METER_FIELDS})

    def _columns(self, number: int, line: str) -> list[str]:
        names = line.split(",")
        for name in names:
            if name in COLUMNS:
                continue
            stem = name.rpartition("_")[0]
            wanted = next((column for column in COLUMNS if stem and column.rpartition("_")[0] == stem), None)
            problem = "is unknown" if wanted is None else f"has another unit than {wanted!r}"
            raise self._error(number, f"column {name!r} {problem}", f"columns are {', '.join(COLUMNS)}")
        if len(set(names)) != len(names):
            raise self._error(number, "a column stands twice")
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise self._error(number, f"column {missing[0]!r} is missing", f"columns are {', '.join(COLUMNS)}")
        return names

    def _fields(self, number: int, line: str, names: Sequence[str]) -> dict[str, str]:
        fields = line.split(",")
        if len(fields) != len(names):
            raise self._error(number, f"{len(fields)} fields, {len(names)} columns")
        row = dict(zip(names, fields, strict=True))
        if row["flags"] not in FLAGS:
            raise self._error(number, f"column 'flags': {row['flags']!r} is no flag", f"one of {', '.join(FLAGS)}")
        if not _INTEGER.fullmatch(row["t_mono_ns"]):
            raise self._error(number, f"column 't_mono_ns': {row['t_mono_ns']!r} is no whole number")
        for name in COLUMNS:
            empty = row[name] == "" and name in ("power_w", "energy_wh", "elapsed_s")
            if name in ("flags", "t_mono_ns") or empty:
                continue
            if not _NUMBER.fullmatch(row[name]) or not math.isfinite(float(row[name])):
                raise self._error(number, f"column {name!r}: {row[name]!r} is no number", "a missing value is empty")
        if row["power_w"] == "" and row["flags"] == "":
            raise self._error(number, "column 'power_w': no value, and no flag says why")
        return row

    def _trace(self, meter: MeterInfo, rows: Sequence[dict[str, str]], first: int) -> Trace:
        at_ns = [int(row["t_mono_ns"]) for row in rows]
        for index in range(1, len(at_ns)):
            if at_ns[index] <= at_ns[index - 1]:
                raise self._error(
                    first + index, "column 't_mono_ns': the time does not come after that of the line before"
                )

        def column(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
            return np.array([float(row[name]) if row[name] else math.nan for row in rows], dtype=np.float64)

        return Trace(
            meter=meter,
            at_s=np.array([to_s(at) for at in at_ns], dtype=np.float64),
            utc_s=column("t_utc"),
            power_w=column("power_w"),
            rtt_s=np.array([float(Decimal(row["rtt_us"]).scaleb(-6)) for row in rows], dtype=np.float64),
            flags=tuple(row["flags"] for row in rows),
            energy_wh=column("energy_wh"),
            elapsed_s=column("elapsed_s"),
        )


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _row(trace: Trace, index: int) -> str:
    flag = trace.flags[index]
    if flag not in FLAGS:
        raise TraceError(f"sample {index} has the unknown flag {flag!r}")
    if not flag and math.isnan(trace.power_w[index]):
        raise TraceError(f"sample {index} has no power, and no flag says why")
    # The microseconds are the decimal digits of the seconds, shifted: a product would not come back to the bit.
    rtt_us = format(Decimal(_number(trace.rtt_s[index], index, "rtt_s")).scaleb(6), "f")
    return ",".join(
        (
            str(to_ns(float(trace.at_s[index]))),
            _number(trace.utc_s[index], index, "utc_s"),
            _optional(trace.power_w[index], index, "power_w"),
            rtt_us,
            flag,
            _optional(trace.energy_wh[index], index, "energy_wh"),
            _optional(trace.elapsed_s[index], index, "elapsed_s"),
        )
    )


def _optional(value: np.float64, index: int, name: str) -> str:
    return "" if math.isnan(value) else _number(value, index, name)


def _number(value: np.float64, index: int, name: str) -> str:
    if not math.isfinite(value):
        raise TraceError(f"sample {index}: {name} is {value}, no number")
    return repr(float(value))


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file, flush to the disk, then rename."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise TraceError(f"cannot write {path}: {error.strerror}") from None
