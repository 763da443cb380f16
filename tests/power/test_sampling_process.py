"""Sampling in a process of its own: faster than a thread may, on the same clock, with the same errors."""

import os
import signal
import time
from functools import partial

import numpy as np
import psutil
import pytest

from power.errors import LinkError
from power.sampler import Sampler
from power.sampling import ProcessSampler, start_sampling
from power.source import open_source
from tests.power.virtual_process import virtual_analyzer

RATE_HZ = 200.0


def test_fast_sampling() -> None:
    """At 200 Hz the samples come from a process of their own, stand on this process's clock, and show every update."""
    with virtual_analyzer("--load", "sine:mean=10,amplitude=3,hz=0.7") as resource:
        sampling = start_sampling(partial(open_source, resource), RATE_HZ)
        assert isinstance(sampling, ProcessSampler)
        sampling.require_reading(5)
        begin_s = time.monotonic()
        time.sleep(2)
        sampling.fix_range()
        end_s = time.monotonic()
        sampling.stop()
        sampling.stop()
    trace = sampling.trace()
    inside = (trace.at_s > begin_s) & (trace.at_s < end_s - 0.2)
    assert trace.good[inside].all()
    assert inside.sum() > 50 * (end_s - begin_s), "more than a thread is allowed"
    assert len(np.unique(trace.power_w[inside])) >= 15, "every update of 0.1 s was seen"
    assert trace.meter.range_mode == "fixed"
    assert sampling.cpu_s > 0
    assert (sampling.lost, sampling.failure) == (0, "")


def test_slow_sampling_is_a_thread() -> None:
    """Up to 50 Hz a thread of this process samples: there is no second process to pay for."""
    with virtual_analyzer() as resource:
        sampling = start_sampling(partial(open_source, resource), 50.0)
        sampling.stop()
    assert isinstance(sampling, Sampler)


def test_errors_come_through() -> None:
    """What cannot be opened over there is the same error here, with its hint, and leaves no process behind."""
    with pytest.raises(LinkError, match="refuses connections") as caught:
        start_sampling(partial(open_source, "TCPIP::127.0.0.1::9::SOCKET"), RATE_HZ)
    assert caught.value.hint
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_process_that_is_killed() -> None:
    """A sampling process that dies takes its samples along: an empty trace that says so, not an invented one."""
    with virtual_analyzer() as resource:
        sampling = start_sampling(partial(open_source, resource), RATE_HZ)
        sampling.require_reading(5)
        os.kill(sampling._process.pid, signal.SIGKILL)
        time.sleep(0.2)
        with pytest.raises(LinkError, match="is gone"):
            sampling.fix_range()
        sampling.stop()
    assert len(sampling.trace()) == 0
    assert "is gone" in sampling.failure
