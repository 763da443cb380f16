"""Power that the kernel tells: RAPL counters of a PC's processor, INA3221 rails of a Jetson board."""

from __future__ import annotations

import re
import time
from collections import deque
from pathlib import Path
from typing import Final

from power.errors import LinkError, ReplyError
from power.meter import MeterInfo, Reading

RAPL_FOLDER: Final = Path("/sys/class/powercap")
HWMON_FOLDER: Final = Path("/sys/class/hwmon")
_RAPL_UPDATE_S: Final = 0.1
_RAPL_LEAST_S: Final = 0.75 * _RAPL_UPDATE_S
"""Asked twice per update and never quite on time, the reading nearest to an update ago is the one meant."""
_INA_UPDATE_S: Final = 0.1
_J_PER_UJ: Final = 1e-6
_W_PER_MV_MA: Final = 1e-6
_PACKAGE: Final = re.compile(r"package-\d+(-die-\d+)?")
"""Domains that add up to all processors. `psys` beside them is the whole platform, and would count them twice."""
_PACKAGE_MAX_W: Final = 5000.0
"""No processor takes as much: a counter that was set back looks like one that came to its end."""
_INPUT_RAIL: Final = re.compile(r"_IN$|SYSTEM|TOTAL", re.IGNORECASE)


class RaplMeter:
    """Mean power of all processor packages by their energy counters (powercap, microjoules).

    A reading is the mean over the last update interval, so that its sample may stand at the interval's middle like
    that of an analyzer.

    Args:
        folder: where the kernel shows the counters.
    """

    def __init__(self, folder: Path = RAPL_FOLDER) -> None:
        self._folder = folder
        self._counters: list[tuple[Path, int]] = []
        self._seen: deque[tuple[float, list[int]]] = deque()

    @property
    def info(self) -> MeterInfo:
        """What it is; its accuracy is not published, so it is unknown."""
        return MeterInfo(
            name="Linux RAPL",
            resource=str(self._folder),
            identity=", ".join(path.parent.name for path, _ in self._counters) or "unknown",
            profile="",
            profile_sha256="",
            scope="package",
            measured=True,
            kind="average",
            update_s=_RAPL_UPDATE_S,
            range_mode="fixed",
        )

    def open(self) -> None:
        """Find the counters.

        Raises:
            LinkError: there are none, or they may not be read.
        """
        self._counters = self._find()
        self._begin_anew()

    def read(self) -> Reading:
        """Mean power of the last update interval, in watts.

        Raises:
            ReplyError: the counters did not move, or jumped.
            LinkError: they are gone.
        """
        # Between two readings without a pause the counters stand still.
        time.sleep(max(0.0, self._seen[0][0] + _RAPL_UPDATE_S / 2 - time.monotonic()))
        now_s, counts = self._now()
        while len(self._seen) > 1 and now_s - self._seen[1][0] >= _RAPL_LEAST_S:
            self._seen.popleft()
        before_s, before = self._seen[0]
        self._seen.append((now_s, counts))
        elapsed_s = now_s - before_s
        joules = 0.0
        for (path, span), old, new in zip(self._counters, before, counts, strict=True):
            used_j = ((new - old) if new >= old else new + span - old) * _J_PER_UJ  # a counter begins anew at its end
            if used_j > _PACKAGE_MAX_W * elapsed_s:
                self._begin_anew()
                raise ReplyError(f"{path} jumped by {used_j:.4g} J in {elapsed_s:.3g} s", "limit")
            joules += used_j
        if joules <= 0:
            raise ReplyError("the RAPL counters did not move", "frozen")
        return Reading(joules / elapsed_s)

    def fix_range(self) -> None:
        """There is one range."""

    def recover(self) -> None:
        """Find the same counters again.

        Raises:
            LinkError: they are not there, or others are (cause "replaced").
        """
        counters = self._find()
        if counters != self._counters:
            raise LinkError(f"other RAPL counters than before in {self._folder}", "measure again", "replaced")
        self._begin_anew()

    def close(self) -> None:
        """Nothing is held."""

    def _find(self) -> list[tuple[Path, int]]:
        """The counter of each package, and where it begins anew, in microjoules."""
        packages = [
            package
            for package in sorted(self._folder.glob("intel-rapl:*"))
            if package.name.count(":") == 1 and _PACKAGE.fullmatch(_text(package / "name"))
        ]
        if not packages:
            raise LinkError(f"no RAPL counters in {self._folder}", "not every machine has them; virtual ones never do")
        return [(package / "energy_uj", _counter(package / "max_energy_range_uj")) for package in packages]

    def _begin_anew(self) -> None:
        self._seen.clear()
        self._seen.append(self._now())

    def _now(self) -> tuple[float, list[int]]:
        counts = [_counter(path) for path, _ in self._counters]
        return time.monotonic(), counts


class Ina3221Meter:
    """Power of a Jetson's input rail: volts x amperes of an INA3221 channel (hwmon, millivolts and milliamperes).

    The sensors sit behind the carrier board's own supply, so its losses are not in the figure.

    Args:
        folder: where the kernel shows its sensors.
    """

    def __init__(self, folder: Path = HWMON_FOLDER) -> None:
        self._folder = folder
        self._channel: tuple[Path, Path] | None = None
        self._label = ""

    @property
    def info(self) -> MeterInfo:
        """What it is; a reading is a value of one instant."""
        return MeterInfo(
            name="INA3221 of the board",
            resource=str(self._channel[0].parent if self._channel else self._folder),
            identity=self._label or "unknown",
            profile="",
            profile_sha256="",
            scope="board rails",
            measured=True,
            kind="point",
            update_s=_INA_UPDATE_S,
            range_mode="fixed",
        )

    def open(self) -> None:
        """Find the channel of the whole board's input, and read it once.

        Raises:
            LinkError: there is none, or it cannot be read.
        """
        self._channel, self._label = self._find()
        try:
            self._measure()
        except ReplyError as error:
            raise LinkError(error.message, "is the board's sensor driver the right one?") from None

    def read(self) -> Reading:
        """Power of this instant, in watts.

        Raises:
            ReplyError: what the sensor shows is no power.
            LinkError: the sensor cannot be read.
        """
        return Reading(self._measure())

    def fix_range(self) -> None:
        """There is one range."""

    def recover(self) -> None:
        """Find the same channel again.

        Raises:
            LinkError: it is not there or cannot be read, or another one is there (cause "replaced").
        """
        found = self._find()
        if found != (self._channel, self._label):
            raise LinkError(f"another INA3221 rail than before: {found[1]}", "measure again", "replaced")
        self._measure()

    def close(self) -> None:
        """Nothing is held."""

    def _find(self) -> tuple[tuple[Path, Path], str]:
        """Files of millivolts and milliamperes, and the rail's label."""
        rails = []
        for chip in sorted(self._folder.glob("hwmon*")):
            if _text(chip / "name") != "ina3221":
                continue
            for label in sorted(chip.glob("in*_label")):
                text = _text(label)
                number = label.name.removeprefix("in").removesuffix("_label")
                if _INPUT_RAIL.search(text):
                    return (chip / f"in{number}_input", chip / f"curr{number}_input"), text
                rails.append(text)
        seen = f"; its rails are {', '.join(rails)}" if rails else ""
        raise LinkError(f"no INA3221 with an input rail in {self._folder}{seen}", "this is for Jetson boards")

    def _measure(self) -> float:
        assert self._channel is not None
        values = []
        for path in self._channel:
            try:
                values.append(int(path.read_text(encoding="ascii")))
            except OSError as error:
                raise LinkError(f"the INA3221 cannot be read: {path}: {error.strerror}", cause="eof") from None
            except ValueError:
                raise ReplyError(f"the INA3221 shows no whole number: {path}", "garbage") from None
        millivolts, milliamperes = values
        if millivolts < 0 or milliamperes < 0:
            raise ReplyError(f"the INA3221 shows {millivolts} mV and {milliamperes} mA", "negative")
        return millivolts * milliamperes * _W_PER_MV_MA


def _counter(path: Path) -> int:
    """A counter of powercap, in microjoules."""
    hint = "only root may read them on most systems"
    try:
        return int(path.read_text(encoding="ascii"))
    except OSError as error:
        raise LinkError(f"RAPL counters cannot be read: {path}: {error.strerror}", hint, "eof") from None
    except ValueError:
        raise LinkError(f"RAPL counters cannot be read: {path} holds no whole number", hint, "eof") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
