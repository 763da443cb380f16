"""Reads the lines of a recorded trace, with nothing guessed: every problem is named with its line and column."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np

from power.arithmetic import Pace
from power.errors import PowerError, TraceError
from power.meter import Kind, MeterInfo, RangeMode, Scope
from power.phases import PHASES, Phase, by_name
from power.recording import COLUMNS, FORMAT, METER_FIELDS, MOST, Recording, to_s
from power.trace import FLAGS, Trace

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_NUMBERS = ("update_s", "reading_pct", "range_pct", "range_w")
_LEAST_UPDATE_S = 1e-6
_PACE_FIELDS = {field.name for field in dataclasses.fields(Pace)}


class TraceReader:
    """Turns the lines of one file into a recording.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def recording(self, lines: Sequence[str]) -> Recording:
        """Read all lines.

        Raises:
            TraceError: they break the format; the message names line and column.
        """
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
        unknown = set(header) - {"format", "frames", "pace", *METER_FIELDS}
        if unknown:
            raise TraceError(f"{self._path}: the header's {min(unknown)!r} is unknown", "see docs/power.md")
        meter = self._meter(header)
        frames = header.get("frames")
        if not isinstance(frames, int) or not _is_number(frames):
            raise TraceError(f"{self._path}: the header has no whole number of 'frames'")
        names = self._columns(number, lines[number - 1])
        rows = [self._fields(at, line, names) for at, line in enumerate(lines[number:], start=number + 1)]
        pace = self._pace(header["pace"]) if "pace" in header else None
        return Recording(self._trace(meter, rows, number + 1), tuple(by_name(phases).values()), frames, pace)

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

    def _pace(self, value: Any) -> Pace:
        if not isinstance(value, dict) or set(value) != _PACE_FIELDS or not all(map(_is_number, value.values())):
            raise TraceError(f"{self._path}: the header's 'pace' cannot be {value!r}", f"it has {sorted(_PACE_FIELDS)}")
        try:
            return Pace(**{name: float(number) for name, number in value.items()})
        except PowerError as error:
            raise TraceError(f"{self._path}: the header's 'pace': {error.message}", error.hint) from None

    def _meter(self, header: dict[str, Any]) -> MeterInfo:
        for name in METER_FIELDS:
            if name not in header:
                raise TraceError(f"{self._path}: the header has no {name!r}")
            value = header[name]
            if name in _NUMBERS:
                least = _LEAST_UPDATE_S if name == "update_s" else 0
                right = (_is_number(value) and value >= least) or (value is None and name != "update_s")
            else:
                right = isinstance(value, bool if name == "measured" else str)
            if not right:
                raise TraceError(f"{self._path}: the header's {name!r} cannot be {value!r}")
        for name, words in (("scope", Scope), ("kind", Kind), ("range_mode", RangeMode)):
            allowed = get_args(words)
            if header[name] not in allowed:
                raise TraceError(f"{self._path}: {name} {header[name]!r} is unknown", f"one of {', '.join(allowed)}")
        return MeterInfo(**{name: header[name] for name in METER_FIELDS})

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
            if not _NUMBER.fullmatch(row[name]) or not abs(float(row[name])) <= MOST:
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
    """A finite number of a size that some quantity has; JSON knows integers of any length."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST
