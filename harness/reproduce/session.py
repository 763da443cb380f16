"""Runs a farm of the paper three times, imitated: honestly, by its requests alone, and by its whole protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from harness.emulate.published import HONEST, PUBLISHED, REQUESTS
from harness.errors import FarmError
from harness.partition.paper import partition
from harness.partition.partition import INITIAL
from harness.records.rules_emulated import TOO_SLOW
from harness.reproduce.row import Runs
from harness.reproduce.systems import BURST, Farm

_COMMAND_S: Final = 900.0
_NOT_VALID: Final = 1
"""Exit code of a run that was measured and must not be used: every run by the protocol of 2018."""
_NETWORK: Final = 27
"""Farms of the audit listen on 127.27.N.x."""


class Audit:
    """Starts and runs imitated farms with the commands that a user types.

    Args:
        emulation: what is imitated, as `--emulate` takes it.
        folder: takes farm files and logs.
        results: takes the records; None is the usual folder.
        power: source of power for the honest runs; "" measures none.
        idle_s: idling before and after an honest run, for its power; the imitated devices idle at a watt that is known.
        say: is told what happens, one line each.
    """

    def __init__(
        self, emulation: str, folder: Path, results: Path | None, power: str, idle_s: float, say: Callable[[str], None]
    ) -> None:
        self._emulation = emulation
        self._folder = folder
        self._out = [] if results is None else ["--out", str(results)]
        self._power = ["--power", power, "--idle", f"{idle_s:g}"] if power else []
        self._say = say

    def run(self, farm: Farm, frames: int, number: int) -> Runs:
        """All three runs of a farm.

        Args:
            farm: which one.
            frames: of the honest windows.
            number: of the farm in this audit, for addresses of its own.

        Raises:
            FarmError: a command failed; the message holds what it said.
        """
        file = write_farm(farm, number, self._folder)
        window = ["--frames", str(frames), "--warmup", str(farm.warmup)]
        with self._up(farm, file):
            # The analyzer finds its range in the warm-up, so that all devices must have been busy at once.
            full = ["--frames", str(frames), "--warmup", str(2 * farm.warmup)]
            honest = self._record(farm, file, HONEST, [*full, *self._power])
            requests = self._record(farm, file, REQUESTS, window)
            published = self._record(farm, file, PUBLISHED, ["--frames", str(BURST), "--warmup", str(farm.warmup)])
        return Runs(honest, requests, published)

    @contextmanager
    def _up(self, farm: Farm, file: Path) -> Iterator[None]:
        self._say(f"{farm.title}: starting {self._emulation}")
        cut = [str(file), "--partition", farm.partition, "--emulate", self._emulation]
        try:
            self._iot_farm("farm", "up", *cut)
            yield
        finally:
            self._iot_farm("farm", "down", str(file), check=False)

    def _record(self, farm: Farm, file: Path, protocol: str, arguments: list[str]) -> Mapping[str, Any]:
        """A run; one more where this machine had something else to do, which says nothing of the farm."""
        found = self._run(farm, file, protocol, arguments)
        if any(reason.startswith(TOO_SLOW) for reason in found["verdict"]["reasons"]):
            self._say(f"{farm.title}: {protocol}, once more, since this machine was too slow")
            found = self._run(farm, file, protocol, arguments)
        return found

    def _run(self, farm: Farm, file: Path, protocol: str, arguments: list[str]) -> Mapping[str, Any]:
        self._say(f"{farm.title}: {protocol}")
        command = ["run", "--target", str(file), "--partition", farm.partition, "--emulate", self._emulation]
        command += ["--protocol", protocol, *arguments, *self._out, "--json"]
        told = self._iot_farm(*command)
        try:
            found: dict[str, Any] = json.loads(told)
        except ValueError:
            raise FarmError(f"{farm.title}, {protocol}: the run gave no record", "run it by hand") from None
        return found

    def _iot_farm(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(  # noqa: S603  our own command line
            [sys.executable, "-m", "harness", *arguments],
            env={**os.environ, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        if check and done.returncode not in {0, _NOT_VALID}:
            said, hint = _last_error(done.stderr or done.stdout)
            raise FarmError(
                f"`iot-farm {' '.join(arguments[:2])}` failed: {said}", hint or "run it by hand to see more"
            )
        return done.stdout


def _last_error(told: str) -> tuple[str, str]:
    """The error that a command ended with, and its hint; else its last line."""
    lines = [line.strip() for line in told.splitlines() if line.strip()] or ["it said nothing"]
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if not errors:
        return lines[-1], ""
    after = lines[errors[-1] + 1 :]
    hint = after[0].removeprefix("hint: ") if after and after[0].startswith("hint: ") else ""
    return lines[errors[-1]].removeprefix("error: "), hint


def write_farm(farm: Farm, number: int, folder: Path) -> Path:
    """The farm's file on loopback addresses of this audit."""
    cut = partition(farm.partition)
    addresses = (f"127.{_NETWORK}.{number}.{host}" for host in range(1, 255))
    roles = {INITIAL: [next(addresses)]}
    roles |= {role.name: [next(addresses) for _ in range(role.nodes)] for role in cut.roles}
    path = folder / f"reproduce-{farm.partition}.json"
    path.write_text(json.dumps({"node": roles}, indent=1) + "\n", encoding="utf-8")
    return path
