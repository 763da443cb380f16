"""A recorded power trace: samples on one monotonic clock, none of them invented."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from power.meter import MeterInfo

FLAGS = {
    "": "a good reading",
    "nan": "the instrument says that it has no value (NaN, 9.91E37)",
    "overrange": "the instrument says that the value is above its range",
    "negative": "a negative power, more than the instrument's offset explains",
    "limit": "a value outside the limits of the profile",
    "empty": "an empty reply",
    "short": "fewer values than the profile expects",
    "long": "more values than the profile expects",
    "truncated": "the reply ends within a number",
    "garbage": "a reply that is no number, or not ASCII",
    "header": "a reply with a header: the instrument was set up otherwise",
    "comma": "a decimal comma",
    "timeout": "no reply in time",
    "late": "the reply to an earlier query, thrown away",
    "duplicate": "more replies than queries",
    "eof": "the instrument closed the connection",
    "reset": "the connection was reset",
    "unreachable": "no connection",
    "replaced": "another instrument answers than before",
    "restarted": "the same instrument, but its integrator began anew",
    "range": "the power range is no longer the one that was held",
    "frozen": "the same value to the last digit for longer than a live meter shows it",
}
"""Why a sample has no power: the word that stands in the trace, and what it means."""


@dataclass(frozen=True)
class Trace:
    """Samples in the order of their time. All arrays have the same length.

    Attributes:
        meter: what measured it.
        at_s: float64, seconds on the monotonic clock of the host: the middle of the query, less half of the
            update interval for a meter that averages.
        utc_s: float64, seconds since 1970 at the same instant, for people only.
        power_w: float64, watts; NaN where there is no value.
        rtt_s: float64, seconds that the query took.
        flags: why there is no value, a word of `FLAGS`; "" for a good sample.
        energy_wh: float64, the meter's integrator; NaN where it has none.
        elapsed_s: float64, the integrator's own clock; NaN where it has none.
    """

    meter: MeterInfo
    at_s: npt.NDArray[np.float64]
    utc_s: npt.NDArray[np.float64]
    power_w: npt.NDArray[np.float64]
    rtt_s: npt.NDArray[np.float64]
    flags: tuple[str, ...]
    energy_wh: npt.NDArray[np.float64]
    elapsed_s: npt.NDArray[np.float64]

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which samples hold a power."""
        return np.array([not flag for flag in self.flags], dtype=np.bool_) & ~np.isnan(self.power_w)

    def __len__(self) -> int:
        return len(self.at_s)


def empty_trace(meter: MeterInfo) -> Trace:
    """A trace of a meter that gave no sample."""
    nothing = np.array([], dtype=np.float64)
    return Trace(meter, nothing, nothing, nothing, nothing, (), nothing, nothing)
