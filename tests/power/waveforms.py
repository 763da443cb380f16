"""Records known waveforms for a minute, through the real pyvisa, and prints how far their energies are off.

A program, so that other tests can go on meanwhile: `python -m tests.power.waveforms`.
"""

import json
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from power.instrument import Instrument
from power.integral import integrate
from power.sampler import Sampler
from power.trace import Trace
from tests.power.virtual_process import virtual_analyzer, visa

LOADS = (
    "constant:12.5",
    "sine:mean=10,amplitude=3,hz=1.7",
    "square:low=8,high=12,hz=0.7",
    "bursts:idle=11.8,busy=18,period=0.18,duty=0.6",
)
LONG_S, SHORT_S = 60.0, 6.0


def errors(trace: Trace, truth: list[tuple[float, float, float]]) -> list[float]:
    """Relative errors of the energies over windows (begin, end, true joules)."""
    return [abs(integrate(trace, begin_s, end_s).energy_j / true_j - 1) for begin_s, end_s, true_j in truth]


def recorded() -> dict[str, dict[str, list[float]]]:
    """Four loads at once, each on an analyzer of its own that updates every 0.1 s, against their closed-form energy.

    Returns:
        For each load the relative errors as they were "found", and if samples were stamped a quarter of a second
        "late": first that of the long window, then those of the short ones. The windows are no whole number of
        periods, where the errors of both edges would cancel.
    """
    with ExitStack() as stack:
        resources = {load: stack.enter_context(virtual_analyzer("--load", load, "--digits", "6")) for load in LOADS}
        samplers = {load: stack.enter_context(Sampler(Instrument(name))) for load, name in resources.items()}
        for sampler in samplers.values():
            sampler.require_reading(5)
        begun_s = time.monotonic()
        time.sleep(LONG_S + 2.5)
        traces = {load: sampler.trace() for load, sampler in samplers.items()}
        for sampler in samplers.values():
            sampler.stop()
        rng = np.random.default_rng(5)
        windows = [(begun_s + 1.0, begun_s + 1.0 + LONG_S + 0.23)]
        windows += [
            (begun_s + begin_s, begun_s + begin_s + SHORT_S + 0.13) for begin_s in rng.uniform(1, 54, 40).tolist()
        ]
        found, late = {}, {}
        for load, resource in resources.items():
            with visa(resource) as session:
                truth = [(*window, float(session.query("SIM:ENERGY? {!r},{!r}".format(*window)))) for window in windows]
            found[load] = errors(traces[load], truth)
            late[load] = errors(replace(traces[load], at_s=traces[load].at_s + 0.25), truth)
    return {"found": found, "late": late}


if __name__ == "__main__":
    print(json.dumps(recorded()))
