"""A recorded trace as a CSV file: written all or nothing, read with nothing guessed.

Comment lines `# key: JSON` carry the meter, the phases and the frames; then a line of column names with units, and
one line per sample. Reading back gives the same floats, bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from power.arithmetic import Pace
from power.errors import TraceError
from power.phases import Phase, by_name
from power.recording import COLUMNS, FORMAT, METER_FIELDS, MOST, Recording, to_ns
from power.trace import FLAGS, Trace
from power.trace_reader import TraceReader

MAX_BYTES = 200_000_000
"""A larger file is refused: at 10 samples a second this is about a month."""


def write_trace(path: Path, trace: Trace, phases: Sequence[Phase], frames: int, pace: Pace | None = None) -> None:
    """Write a recording; a crash leaves the old file or the new one, never a half.

    Args:
        path: the file; its folder exists.
        trace: the samples; `at_s` is made by `to_s` so that it survives the round trip.
        phases: the marked phases.
        frames: verified inferences in the run.
        pace: how fast they came by the clock of their source; None where nobody told.

    Raises:
        TraceError: a sample that has neither power nor flag, a value that is infinite, or a file that cannot be
            written.
    """
    lines = [f"# format: {json.dumps(FORMAT)}"]
    try:
        for name in METER_FIELDS:
            lines.append(f"# {name}: {json.dumps(getattr(trace.meter, name), allow_nan=False)}")
    except ValueError:
        raise TraceError(f"the meter's {name} is no finite number") from None
    lines += [f"# phase: {json.dumps(dataclasses.asdict(phase))}" for phase in by_name(phases).values()]
    if pace is not None:
        lines.append(f"# pace: {json.dumps(dataclasses.asdict(pace))}")
    lines += [f"# frames: {json.dumps(frames)}", ",".join(COLUMNS)]
    lines += [_row(trace, index) for index in range(len(trace))]
    _replace(path, ("\n".join(lines) + "\n").encode())


def require_place(path: Path) -> None:
    """See before a measurement that its trace can be written after it.

    Raises:
        TraceError: there is no such folder, it may not be written, or the path is a folder.
    """
    if path.is_dir():
        raise TraceError(f"cannot write {path}: it is a folder", "name a file")
    if not path.parent.is_dir():
        raise TraceError(f"cannot write {path}: there is no folder {path.parent}", "make it first")
    if not os.access(path.parent, os.W_OK):
        raise TraceError(f"cannot write {path}: {path.parent} takes no files", "choose another folder")


def read_trace(path: Path) -> Recording:
    """Read a recording.

    Args:
        path: a file that `write_trace` made, or one of the same format.

    Returns:
        Trace, phases, frames and pace.

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
    return TraceReader(path).recording(lines)


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
    if not abs(value) <= MOST:
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
        Path(temporary).chmod(0o644)  # as the record beside it
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise TraceError(f"cannot write {path}: {error.strerror}") from None
