"""A recorded trace as a meter: gives its readings back one by one, to run the rest with no instrument."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from power.errors import LinkError, PowerError, ReplyError, TraceError
from power.meter import REPLAY, MeterInfo, Reading
from power.trace import FLAGS, Trace
from power.trace_file import read_trace

LINK_FLAGS = ("eof", "reset", "unreachable", "replaced")
"""Flags of a lost connection; all others are replies without a value."""
_NAME = "replay of "
_SOURCE = "a replay needs a trace as `iot-farm run --power` and `iot-farm power record` write it"


class ReplayMeter:
    """Readings of a file in their order, as fast as they are asked for.

    A flagged sample is the error that it once was. Identity, accuracy, range and whether it was measured are those of
    the recording. Name and resource say that it is a replay: samples get the clock of whoever asks, so the power is
    that of the recording and the phases are those of another run.

    Args:
        path: a file of `power.trace_file.write_trace`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trace: Trace | None = None
        self._info: MeterInfo | None = None
        self._next = 0

    @property
    def info(self) -> MeterInfo:
        """The meter of the recording.

        Raises:
            PowerError: `open` was not called.
        """
        if self._info is None:
            raise PowerError(f"{self._path} is not open", "call open() first")
        return self._info

    def open(self) -> None:
        """Read the file and stand before its first sample.

        Raises:
            TraceError: the file cannot be used.
        """
        if not self._path.name:
            raise TraceError(f"{REPLAY}{self._path} names no file", f"for example {REPLAY}results/run.power.csv")
        try:
            self._trace = read_trace(self._path).trace
        except TraceError as error:
            raise TraceError(error.message, error.hint or _SOURCE) from None
        meter = self._trace.meter
        self._info = dataclasses.replace(
            meter, name=_NAME + meter.name.removeprefix(_NAME), resource=f"{REPLAY}{self._path}"
        )
        self._next = 0

    def read(self) -> Reading:
        """The next reading.

        Raises:
            ReplyError: the sample had no value; its cause is the flag.
            LinkError: the connection was lost here, the recording is at its end, or it is not open.
        """
        if self._trace is None:
            raise LinkError(f"{self._path} is not open", "call open() first")
        if self._next >= len(self._trace):
            raise LinkError(f"{self._path} is at its end after {len(self._trace)} samples", cause="eof")
        index = self._next
        self._next += 1
        flag = self._trace.flags[index]
        if flag:
            message = f"{self._path}, sample {index}: {FLAGS[flag]}"
            raise LinkError(message, cause=flag) if flag in LINK_FLAGS else ReplyError(message, flag)
        return Reading(
            power_w=float(self._trace.power_w[index]),
            energy_wh=_known(float(self._trace.energy_wh[index])),
            elapsed_s=_known(float(self._trace.elapsed_s[index])),
        )

    def recover(self) -> None:
        """Go on with the next sample.

        Raises:
            LinkError: there is none, or the file is not open.
        """
        if self._trace is None or self._next >= len(self._trace):
            raise LinkError(f"{self._path} has no further samples", cause="eof")

    def fix_range(self) -> None:
        """The range is that of the recording."""

    def close(self) -> None:
        """Let go of the samples; `open` begins anew. Does nothing the second time."""
        self._trace = None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
