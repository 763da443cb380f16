"""Power that the kernel tells: RAPL counters of a PC's processor, INA3221 rails of a Jetson board."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from power.errors import LinkError, ReplyError
from power.meter import MeterInfo, Reading

RAPL_FOLDER: Final = Path("/sys/class/powercap")
HWMON_FOLDER: Final = Path("/sys/class/hwmon")
_RAPL_UPDATE_S: Final = 0.1
_INA_UPDATE_S: Final = 0.1
_J_PER_UJ: Final = 1e-6


class RaplMeter:
    """Mean power of all processor packages between two readings of their energy counters (powercap, microjoules).

    Args:
        folder: where the kernel shows the counters.
    """

    def __init__(self, folder: Path = RAPL_FOLDER) -> None:
        self._folder = folder
        self._counters: list[tuple[Path, int]] = []
        self._last: tuple[float, list[int]] | None = None

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
        )

    def open(self) -> None:
        """Find the counters.

        Raises:
            LinkError: there are none, or they may not be read.
        """
        packages = sorted(self._folder.glob("intel-rapl:[0-9]*"))
        found = [package for package in packages if package.name.count(":") == 1]
        if not found:
            raise LinkError(f"no RAPL counters in {self._folder}", "not every machine has them; virtual ones never do")
        try:
            self._counters = [
                (package / "energy_uj", int((package / "max_energy_range_uj").read_text())) for package in found
            ]
            self._last = self._now()
        except (OSError, ValueError) as error:
            raise LinkError(
                f"RAPL counters cannot be read: {error}", "only root may read them on most systems"
            ) from None

    def read(self) -> Reading:
        """Mean power since the last reading, in watts.

        Raises:
            ReplyError: the counters did not move.
            LinkError: they are gone.
        """
        try:
            now_s, counts = self._now()
        except (OSError, ValueError) as error:
            raise LinkError(f"RAPL counters cannot be read: {error}", cause="eof") from None
        assert self._last is not None
        (before_s, before), self._last = self._last, (now_s, counts)
        joules = 0.0
        for (_, span), old, new in zip(self._counters, before, counts, strict=True):
            joules += ((new - old) if new >= old else new + span - old) * _J_PER_UJ  # a counter begins anew at its end
        if joules <= 0 or now_s <= before_s:
            raise ReplyError("the RAPL counters did not move", "frozen")
        return Reading(joules / (now_s - before_s))

    def recover(self) -> None:
        """Find the counters again."""
        self.open()

    def close(self) -> None:
        """Nothing is held."""

    def _now(self) -> tuple[float, list[int]]:
        counts = [int(path.read_text()) for path, _ in self._counters]
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
        )

    def open(self) -> None:
        """Find the channel of the whole board's input.

        Raises:
            LinkError: there is none.
        """
        for chip in sorted(self._folder.glob("hwmon*")):
            if _text(chip / "name") != "ina3221":
                continue
            for label in sorted(chip.glob("in*_label")):
                text = _text(label)
                number = label.name.removeprefix("in").removesuffix("_label")
                if "_IN" in text.upper() or "SYSTEM" in text.upper():
                    self._channel = (chip / f"in{number}_input", chip / f"curr{number}_input")
                    self._label = text
                    return
        raise LinkError(f"no INA3221 with an input rail in {self._folder}", "this is for Jetson boards")

    def read(self) -> Reading:
        """Power of this instant, in watts.

        Raises:
            LinkError: the sensor cannot be read.
        """
        assert self._channel is not None
        try:
            millivolts, milliamperes = (int(path.read_text()) for path in self._channel)
        except (OSError, ValueError) as error:
            raise LinkError(f"the INA3221 cannot be read: {error}", cause="eof") from None
        return Reading(millivolts * milliamperes * 1e-6)

    def recover(self) -> None:
        """Find the channel again."""
        self.open()

    def close(self) -> None:
        """Nothing is held."""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
