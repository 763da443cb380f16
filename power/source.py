"""From the words of a user to a meter: `virtual`, a VISA resource, `replay:FILE`, `rapl`, `ina3221`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from power.errors import PowerError
from power.instrument import Instrument
from power.meter import REPLAY, Meter
from power.profile import load_profile, shipped_profiles
from power.replay import ReplayMeter
from power.sysfs import Ina3221Meter, RaplMeter
from power.virtual_meter import Device, VirtualMeter

WORDS: Final = "virtual, replay:FILE.csv, rapl, ina3221, or a VISA resource such as TCPIP::10.0.0.5::5025::SOCKET"


def open_source(
    source: str,
    *,
    profiles: Sequence[Path] = (),
    pids: Sequence[int] = (),
    devices: int = 1,
    device: Device = "pi3",
    load: str | None = None,
) -> Meter:
    """The meter that a user names; not open yet.

    Args:
        source: one of `WORDS`.
        profiles: profile files in place of the shipped ones; the instrument must be one of theirs.
        pids: processes whose CPU time makes the load of the virtual meter.
        devices: how many devices the virtual meter feeds.
        device: whose watts the virtual meter shows.
        load: of the virtual meter in its own words, in place of processes and device.

    Raises:
        PowerError: the words name no meter, or a file of theirs cannot be used.
    """
    if "::" in source and not source.startswith(REPLAY):
        return Instrument(source, [load_profile(path) for path in profiles] or shipped_profiles())
    if profiles:
        raise PowerError(
            f"a profile is for an instrument, and '{source}' is none", "name a VISA resource, or no profile"
        )
    if source == "virtual":
        return VirtualMeter(pids=pids, devices=devices, device=device, load=load)
    if source == "rapl":
        return RaplMeter()
    if source == "ina3221":
        return Ina3221Meter()
    if source.startswith(REPLAY):
        return ReplayMeter(Path(source.removeprefix(REPLAY)))
    raise PowerError(f"'{source}' is no power meter", f"there are {WORDS}")
