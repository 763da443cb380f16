"""Which way a meter is sampled: by a thread of this process, or, where it must be fast, by a process of its own.

Above `power.sampler.MAX_RATE_HZ` a thread would wait for the benchmark's interpreter as often as for the meter.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol, Self

from power.errors import LinkError, PowerError
from power.meter import Meter, MeterInfo
from power.sampler import MAX_RATE_HZ, Sampler
from power.trace import Trace, empty_trace

FASTEST_HZ: Final = 1000.0
"""A process of its own asks so often at most: 7 % of a core on a socket (power figures)."""
_START_S: Final = 30.0
_ANSWER_S: Final = 15.0

MakeMeter = Callable[[], Meter]
"""Makes the meter, not open yet; can be pickled, as `functools.partial(open_source, "rapl")`."""


class Sampling(Protocol):
    """What a run needs of a sampler; see `power.sampler.Sampler` for each."""

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the sampling thread, once it has stopped."""

    @property
    def lost(self) -> int:
        """Samples beyond the bound of memory, which were not kept."""

    @property
    def failure(self) -> str:
        """Why sampling ended by itself; "" while it goes on."""

    sparse: bool
    """Ask no more often than needed, inside a run."""

    def require_reading(self, within_s: float) -> None:
        """Wait for the first good reading."""

    def fix_range(self) -> None:
        """Hold the meter's range."""

    def trace(self) -> Trace:
        """All samples so far."""

    def stop(self) -> None:
        """End sampling and let go of the meter."""


def start_sampling(make_meter: MakeMeter, rate_hz: float | None = None) -> Sampling:
    """Open the meter and sample it from now on.

    Args:
        make_meter: makes it; called in the process that samples.
        rate_hz: readings per second; None is two per update of the meter, and 1.1 inside a run.

    Returns:
        A running sampler; its `stop` ends it.

    Raises:
        PowerError: the rate is out of range, or the meter cannot be opened.
    """
    if rate_hz is not None and not 0 < rate_hz <= FASTEST_HZ:
        raise PowerError(f"a rate of {rate_hz} readings per second is out of range", f"0 < rate <= {FASTEST_HZ:g}")
    if rate_hz is not None and rate_hz > MAX_RATE_HZ:
        return ProcessSampler(make_meter, rate_hz).__enter__()
    return Sampler(make_meter(), rate_hz).__enter__()


class ProcessSampler:
    """A `power.sampler.Sampler` in a process of its own; a context manager.

    Both clocks are the machine's monotonic one, so its samples stand beside the phases of this process.

    Args:
        make_meter: makes the meter, in that process.
        rate_hz: readings per second.
    """

    def __init__(self, make_meter: MakeMeter, rate_hz: float) -> None:
        # A fresh interpreter: a fork would copy the threads' locks of TensorFlow.
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(
            target=_sample, args=(self._theirs, make_meter, rate_hz), name="power", daemon=True
        )
        self.sparse = False  # somebody asked for a rate, and gets it
        self._info: MeterInfo | None = None
        self._final: tuple[Trace, float, int, str] | None = None

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        try:
            self._info = self._answer(_START_S)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the sampling thread, once it has stopped."""
        return self._final[1] if self._final else 0.0

    @property
    def lost(self) -> int:
        """Samples beyond the bound of memory, once it has stopped."""
        return self._final[2] if self._final else 0

    @property
    def failure(self) -> str:
        """Why sampling ended by itself, once it has stopped; "" where it did not."""
        return self._final[3] if self._final else ""

    def require_reading(self, within_s: float) -> None:
        """See `Sampler.require_reading`."""
        self._ask("require_reading", within_s)

    def fix_range(self) -> None:
        """See `Sampler.fix_range`."""
        self._ask("fix_range")

    def trace(self) -> Trace:
        """All samples so far, in the order of their time.

        Raises:
            LinkError: the process is gone.
        """
        if self._final is not None:
            return self._final[0]
        trace: Trace = self._ask("trace")
        return trace

    def stop(self) -> None:
        """End sampling and the process, and keep its samples; does nothing the second time.

        A process that is gone took its samples along: the trace is empty then, and no energy comes of it.
        """
        if self._final is not None or self._info is None:
            return
        try:
            self._final = self._ask("stop")
        except LinkError as error:
            self._final = (empty_trace(self._info), 0.0, 0, error.message)
        finally:
            self._end()

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((name, arguments))
        except OSError:
            raise LinkError("the process that samples the meter is gone") from None
        return self._answer(_ANSWER_S)

    def _answer(self, within_s: float) -> Any:
        try:
            if not self._pipe.poll(within_s):
                raise LinkError(f"the process that samples the meter does not answer within {within_s:g} s")
            result = self._pipe.recv()
        except (EOFError, OSError):
            raise LinkError("the process that samples the meter is gone") from None
        if isinstance(result, PowerError):
            raise result
        return result

    def _end(self) -> None:
        self._pipe.close()
        self._process.join(_ANSWER_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def _sample(pipe: Connection, make_meter: MakeMeter, rate_hz: float) -> None:
    """The process: samples in a thread, and answers until told to stop or left alone."""
    try:
        with Sampler(make_meter(), rate_hz, limit_hz=FASTEST_HZ) as sampler:
            pipe.send(sampler.info)
            while True:
                name, arguments = pipe.recv()
                if name == "stop":
                    sampler.stop()
                    pipe.send((sampler.trace(), sampler.cpu_s, sampler.lost, sampler.failure))
                    return
                try:
                    pipe.send(getattr(sampler, name)(*arguments))
                except PowerError as error:
                    pipe.send(error)
    except PowerError as error:
        pipe.send(error)
    except (EOFError, OSError, KeyboardInterrupt):
        pass  # nobody is left to tell
