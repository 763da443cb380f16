"""The energy of a run: a meter that is open around it, its phases, and what follows from the trace."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from harness.errors import BadInputError, FarmError
from harness.metrics import ENERGY_FIGURES
from power.arithmetic import Pace
from power.energy import Energy, analyze
from power.errors import LinkError, PowerError
from power.phases import Markers, PhaseName
from power.sampling import FASTEST_HZ, Sampling, start_sampling
from power.source import open_source
from power.trace_file import write_trace
from power.virtual_meter import Device

DEFAULT_IDLE_S: Final = 30.0
"""Length of each idle phase: the baseline's interval was checked for this."""
RANGING_S: Final = 1.5
"""The warm-up lasts at least so long, for an automatic range to find the range of the load."""
IDLE_UPDATES: Final = 14
"""Updates that an idle phase needs: the baseline takes 20 samples, two of each update, and leaves three updates out."""
SETTLE_S: Final = 0.4
"""From the last work to an idle phase: idle power right after a warm-up was 10 to 28 mW too high (measured)."""
_FIRST_READING_S: Final = 5.0


@dataclass(frozen=True)
class PowerOptions:
    """How the energy of a run is measured.

    Attributes:
        source: `virtual`, `replay:FILE`, `rapl`, `ina3221` or a VISA resource.
        idle_s: seconds of idling before and after the window.
        profiles: profile files besides the shipped ones.
        rate_hz: readings per second; None is two per update of the meter, and 1.1 inside the run.

    Raises:
        BadInputError: a number out of its range.
    """

    source: str
    idle_s: float = DEFAULT_IDLE_S
    profiles: tuple[Path, ...] = ()
    rate_hz: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.idle_s) and self.idle_s > 0):
            raise BadInputError(f"--idle {self.idle_s} is not a positive number of seconds", "for example --idle 30")
        if self.rate_hz is not None and not 0 < self.rate_hz <= FASTEST_HZ:
            raise BadInputError(
                f"--power-rate {self.rate_hz} is out of range", f"0 < rate <= {FASTEST_HZ:g} per second"
            )

    def describe(self) -> dict[str, Any]:
        """The options as plain data for the record."""
        return {"source": self.source, "idle_s": self.idle_s, "rate_hz": self.rate_hz}


class Phases(Protocol):
    """Marks the parts of a run for whoever measures its energy."""

    idle_s: float
    ranging_s: float

    def begin(
        self, pids: Sequence[int], devices: int, device: Device, elsewhere: int = 0, load: str | None = None
    ) -> None:
        """Open the meter; the processes and devices are those that it feeds."""

    def fix_range(self) -> None:
        """The load was there: hold the range that it needs."""

    def phase(self, name: PhaseName) -> AbstractContextManager[None]:
        """Mark what happens inside the `with` block."""
        ...


class NoMeter:
    """Marks nothing: the run has no meter, and no idle phases."""

    idle_s = 0.0
    ranging_s = 0.0

    def begin(
        self, pids: Sequence[int], devices: int, device: Device, elsewhere: int = 0, load: str | None = None
    ) -> None:
        """Open nothing."""

    def fix_range(self) -> None:
        """Hold nothing."""

    def phase(self, name: PhaseName) -> AbstractContextManager[None]:
        """Mark nothing."""
        del name
        return nullcontext()


class RunMeter:
    """The meter of one run.

    Args:
        options: which, and how.
    """

    ranging_s = RANGING_S

    def __init__(self, options: PowerOptions) -> None:
        self.options = options
        self.idle_s = options.idle_s
        self._markers = Markers()
        self._sampling: Sampling | None = None
        self._problems: list[str] = []
        self._update_s = 0.0
        self._ended = False

    @property
    def sampling(self) -> Sampling:
        """What samples the meter.

        Raises:
            PowerError: it was never open.
        """
        if self._sampling is None:
            raise PowerError("the meter was never open", "the run ended before it")
        return self._sampling

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong with the meter, one sentence each, for the notes of the record."""
        failure = (self._sampling.failure,) if self._sampling is not None and self._sampling.failure else ()
        return (*self._problems, *failure)

    def begin(
        self, pids: Sequence[int], devices: int, device: Device, elsewhere: int = 0, load: str | None = None
    ) -> None:
        """Open the meter, start sampling, and wait for its first reading.

        Args:
            pids: processes that compute, on this machine (the virtual analyzer's load).
            devices: how many devices it feeds.
            device: whose watts the virtual analyzer shows.
            elsewhere: nodes on other machines, whose processes nobody here can see.
            load: of the virtual analyzer, in its own words, in place of the processes; see `power.virtual`.

        Raises:
            UserError: it cannot be opened, gives no reading, or is too slow for the idle phases; the message names it.
        """
        if self.options.source == "virtual" and elsewhere:
            raise BadInputError(
                f"the virtual analyzer follows processes of this machine, and {elsewhere} nodes run elsewhere",
                "--power takes the resource of a power analyzer, or none",
            )
        make_meter = partial(
            open_source,
            self.options.source,
            profiles=self.options.profiles,
            pids=tuple(pids),
            devices=devices,
            device=device,
            load=load,
        )
        with meter_errors():
            self._sampling = start_sampling(make_meter, self.options.rate_hz)
            self._sampling.require_reading(_FIRST_READING_S)
            self._update_s = self._sampling.trace().meter.update_s
        if self.idle_s < IDLE_UPDATES * self._update_s:
            self._sampling.stop()
            raise BadInputError(
                f"idle phases of {self.idle_s:g} s are too short for a meter that updates every {self._update_s:g} s",
                f"at least {IDLE_UPDATES * self._update_s:.3g} s: --idle, or POWER_IDLE_S under CK",
            )

    def fix_range(self) -> None:
        """Hold the range that the warm-up needed; a meter that does not costs the energy, and not the run."""
        try:
            self.sampling.fix_range()
        except PowerError as error:
            # The range stays automatic then, which is a reason against the energy.
            self._problems.append(f"the range was not held: {error.message}")

    def phase(self, name: PhaseName) -> AbstractContextManager[None]:
        """Mark what happens inside the `with` block; the meter is read less often in a run than around it."""
        return self._run() if name == "run" else self._markers.phase(name)

    @contextmanager
    def _run(self) -> Iterator[None]:
        with self._markers.phase("run"):
            self.sampling.sparse = True
            try:
                yield
            finally:
                self.sampling.sparse = False

    def end(self) -> None:
        """Let go of the meter; does nothing the second time."""
        if self._sampling is None:
            return
        if not self._ended and self._markers.phases:
            # The last marker needs a sample behind it, and a sample stands before the instant at which it comes.
            time.sleep(2 * self._update_s)
        self._ended = True
        self._sampling.stop()

    def energy(self, metrics: Mapping[str, float]) -> Energy:
        """Energy of the run over its distinct, verified frames.

        Args:
            metrics: of the run, by their name in `harness.metrics`.

        Raises:
            UserError: sampling never began.
        """
        frames, pace = _work(metrics)
        with meter_errors():
            return analyze(self.sampling.trace(), self._markers.phases, frames, pace=pace)

    def write(self, path: Path, metrics: Mapping[str, float]) -> None:
        """Write trace and phases as CSV, from which the same figures can be made again.

        Raises:
            UserError: the file cannot be written.
        """
        frames, pace = _work(metrics)
        with meter_errors():
            write_trace(path, self.sampling.trace(), self._markers.phases, frames, pace)


def _work(metrics: Mapping[str, float]) -> tuple[int, Pace | None]:
    """Distinct, verified frames of a run, and their pace where it is known."""
    clock = (metrics.get("window_s"), metrics.get("latency_mean_s"))
    pace = Pace(clock[0], clock[1]) if clock[0] and clock[1] else None
    return int(metrics["frames_verified"]), pace


def energy_metrics(energy: Energy) -> dict[str, float]:
    """The figures of an energy that are known, by their name in `harness.metrics`."""
    figures = {metric: getattr(energy, field) for metric, field in ENERGY_FIGURES.items()}
    known = {metric: value for metric, value in figures.items() if value is not None}
    return {**known, "energy_measured": 1.0 if energy.meter.measured else 0.0}


def require_meter(source: str, profiles: Sequence[Path] = ()) -> None:
    """See that a source of power is one, without opening it.

    Raises:
        UserError: it is none, or its counters are not there.
    """
    with meter_errors():
        open_source(source, profiles=profiles)


@contextmanager
def meter_errors() -> Iterator[None]:
    """Errors of the meter as those of the command line.

    Raises:
        FarmError: for what is wrong with an instrument.
        BadInputError: for what is wrong with a file or an option.
    """
    try:
        yield
    except LinkError as error:
        raise FarmError(f"power meter: {error.message}", error.hint) from error
    except PowerError as error:
        raise BadInputError(f"power meter: {error.message}", error.hint) from error
