"""The energy of a run: a meter that is open around it, its phases, and what follows from the trace."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.errors import BadInputError, FarmError
from power.energy import Energy, analyze
from power.errors import LinkError, PowerError
from power.phases import Markers, PhaseName
from power.sampler import Sampler
from power.source import open_source
from power.trace_file import write_trace
from power.virtual_meter import Device

DEFAULT_IDLE_S = 30.0
"""Length of each idle phase: the baseline's interval was checked for this."""


@dataclass(frozen=True)
class PowerOptions:
    """How the energy of a run is measured.

    Attributes:
        source: `virtual`, `replay:FILE`, `rapl`, `ina3221` or a VISA resource.
        idle_s: seconds of idling before and after the window.
        profiles: profile files besides the shipped ones.
    """

    source: str
    idle_s: float = DEFAULT_IDLE_S
    profiles: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.idle_s) and self.idle_s > 0):
            raise BadInputError(f"--idle {self.idle_s} is not a positive number of seconds", "for example --idle 30")

    def describe(self) -> dict[str, Any]:
        """The options as plain data for the record."""
        return {"source": self.source, "idle_s": self.idle_s}


class Phases(Protocol):
    """Marks the parts of a run for whoever measures its energy."""

    idle_s: float

    def begin(self, pids: Sequence[int], devices: int, device: Device) -> None:
        """Open the meter; the processes and devices are those that it feeds."""

    def phase(self, name: PhaseName) -> AbstractContextManager[None]:
        """Mark what happens inside the `with` block."""
        ...


class NoMeter:
    """Marks nothing: the run has no meter, and no idle phases."""

    idle_s = 0.0

    def begin(self, pids: Sequence[int], devices: int, device: Device) -> None:
        """Open nothing."""

    def phase(self, name: PhaseName) -> AbstractContextManager[None]:
        """Mark nothing."""
        del name
        return nullcontext()


class RunMeter:
    """The meter of one run.

    Args:
        options: which, and how.
    """

    def __init__(self, options: PowerOptions) -> None:
        self.options = options
        self.idle_s = options.idle_s
        self._markers = Markers()
        self._sampler: Sampler | None = None

    def begin(self, pids: Sequence[int], devices: int, device: Device) -> None:
        """Open the meter and start sampling.

        Args:
            pids: processes that compute, on this machine (the virtual analyzer's load).
            devices: how many devices it feeds.
            device: whose watts the virtual analyzer shows.

        Raises:
            UserError: it cannot be opened; the message names it.
        """
        with _for_users():
            meter = open_source(
                self.options.source, profiles=self.options.profiles, pids=pids, devices=devices, device=device
            )
            self._sampler = Sampler(meter)
            self._sampler.__enter__()

    def phase(self, name: PhaseName) -> AbstractContextManager[None]:
        """Mark what happens inside the `with` block."""
        return self._markers.phase(name)

    def end(self) -> None:
        """Let go of the meter; does nothing the second time."""
        if self._sampler is not None:
            self._sampler.stop()

    def energy(self, frames: int) -> Energy:
        """Energy of the run over its distinct, verified frames.

        Raises:
            UserError: sampling never began.
        """
        with _for_users():
            return analyze(self._require().trace(), self._markers.phases, frames)

    def write(self, path: Path, frames: int) -> None:
        """Write trace and phases as CSV, from which the same figures can be made again.

        Raises:
            UserError: the file cannot be written.
        """
        with _for_users():
            write_trace(path, self._require().trace(), self._markers.phases, frames)

    def _require(self) -> Sampler:
        if self._sampler is None:
            raise PowerError("the meter was never open", "the run ended before it")
        return self._sampler


def energy_metrics(energy: Energy) -> dict[str, float]:
    """The figures of an energy that are known, by their name in `harness.metrics`."""
    figures = {
        "energy_total_j": energy.total_j_per_frame,
        "energy_static_j": energy.static_j_per_frame,
        "energy_dynamic_j": energy.dynamic_j_per_frame,
        "energy_total_u_j": energy.u_total_j_per_frame,
        "energy_static_u_j": energy.u_static_j_per_frame,
        "energy_dynamic_u_j": energy.u_dynamic_j_per_frame,
        "power_idle_w": energy.idle_w,
        "power_run_w": energy.run_w,
        "inferences_per_j": energy.inferences_per_j,
        "edp_j_s": energy.edp_j_s,
        "energy_coverage": energy.coverage,
    }
    return {name: value for name, value in figures.items() if value is not None}


@contextmanager
def _for_users() -> Iterator[None]:
    """Errors of the meter as those of the command line."""
    try:
        yield
    except LinkError as error:
        raise FarmError(f"power meter: {error.message}", error.hint) from error
    except PowerError as error:
        raise BadInputError(f"power meter: {error.message}", error.hint) from error
