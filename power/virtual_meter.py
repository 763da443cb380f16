"""The virtual analyzer in a process of its own, read like any other instrument, and honest about being none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from power.errors import LinkError
from power.instrument import Instrument
from power.meter import MeterInfo, Reading

Device = Literal["pi3", "tx2"]
"""Whose idle and busy watts the virtual analyzer shows."""

CLASS_PCT: Final = 0.1
"""Per cent of reading and of range: what power analyzers of the usual class state. The virtual one errs by less."""
_STOP_S: Final = 5.0


class VirtualMeter:
    """Starts the analyzer on opening and ends it on closing; between them it is an `Instrument`.

    Args:
        pids: processes whose CPU time makes the load.
        devices: how many devices it feeds.
        device: whose watts it shows.
        host: loopback address to listen on.
        load: in the words of `python -m power.virtual`, in place of processes, devices and device.
    """

    def __init__(
        self,
        *,
        pids: Sequence[int],
        devices: int,
        device: Device = "pi3",
        host: str = "127.0.0.1",
        load: str | None = None,
    ) -> None:
        self._load = load or f"farm:{'+'.join(map(str, pids))},device={device},devices={devices}"
        self._host = host
        self._process: subprocess.Popen[str] | None = None
        self._instrument: Instrument | None = None

    @property
    def info(self) -> MeterInfo:
        """What it is; `measured` is False, and the accuracy is that of the class of meters it stands for."""
        return replace(self._running().info, reading_pct=CLASS_PCT, range_pct=CLASS_PCT)

    def open(self) -> None:
        """Start the analyzer and connect to it over VISA.

        Raises:
            LinkError: it does not start, or does not answer.
        """
        command = [sys.executable, "-m", "power.virtual", "--persona", "wt300e", "--load", self._load]
        # The pipe is the leash: the analyzer ends when this process does, however that happens.
        self._process = subprocess.Popen(  # noqa: S603  our own command line
            [*command, "--host", self._host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process, which lets the analyzer go
        )
        try:
            assert self._process.stdout is not None
            self._instrument = Instrument(_resource(self._process.stdout.readline(), command))
            self._instrument.open()
        except BaseException:
            self.close()
            raise

    def read(self) -> Reading:
        """One reading, see `Instrument.read`."""
        return self._running().read()

    def fix_range(self) -> None:
        """Hold its range, see `Instrument.fix_range`."""
        self._running().fix_range()

    def recover(self) -> None:
        """Connect again, see `Instrument.recover`."""
        self._running().recover()

    def close(self) -> None:
        """Let go, and end the analyzer."""
        if self._instrument is not None:
            self._instrument.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.communicate(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
            self._process = None

    def _running(self) -> Instrument:
        if self._instrument is None:
            raise LinkError("the virtual analyzer was never started")
        return self._instrument


def _resource(line: str, command: list[str]) -> str:
    if not line:
        raise LinkError("the virtual analyzer did not start", f"it says why: {' '.join(command[1:])}")
    return str(json.loads(line)["resource"])
