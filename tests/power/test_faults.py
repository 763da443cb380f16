"""Every fault of an analyzer, on a raw socket and on VXI-11, through sampler, instrument and the real pyvisa-py."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import pyvisa

import power
from power.instrument import Instrument
from power.profile import Profile, load_profile
from power.sampler import Sampler
from power.trace import FLAGS, Trace
from power.virtual.loads import Sine
from tests.power.virtual_process import virtual_analyzers, visa

LOAD = Sine(mean_w=20.0, amplitude_w=6.0, hz=0.4)
"""Never below the offset that a profile allows, within one power range, so steep that a value 50 ms old is wrong."""
UPDATE_S = 0.02
RATE_HZ = 20.0
LINKS = {"SOCKET": "resource", "VXI-11": "vxi11"}
_ROUNDING_W = 2e-3

# Fault and when it strikes -> the flags that name it; seconds of sampling.
FAULTS: dict[str, tuple[set[str], float]] = {
    "nan:every=2": ({"nan"}, 0.5),
    "inf:every=2": ({"overrange"}, 0.5),
    "9.91e37:every=2": ({"nan"}, 0.5),
    "overrange:every=2": ({"overrange"}, 0.5),
    "negative:every=2": ({"negative"}, 0.5),
    "garbage:every=2": ({"garbage"}, 0.5),
    "truncated:every=2": ({"truncated"}, 0.5),
    "empty:every=2": ({"empty"}, 0.5),
    "short:every=2": ({"short"}, 0.5),
    "long:every=2": ({"long"}, 0.5),
    "comma:every=2": ({"comma", "long"}, 0.5),
    "header:every=2": ({"header"}, 0.5),
    "restarted:after=6": ({"restarted"}, 0.5),
    "duplicate:every=5": ({"duplicate"}, 1.2),
    "mute:every=5": ({"timeout"}, 1.3),
    "late:every=5": ({"timeout"}, 1.7),
    "stall:every=5": ({"timeout"}, 1.9),
    "no-terminator:every=5": ({"timeout", "truncated"}, 1.3),
    "eof:every=5": ({"eof"}, 1.0),
    "rst:every=5": ({"reset"}, 1.0),
    "range:after=6": ({"range"}, 1.5),
    "frozen:from=0.3": ({"frozen"}, 3.2),
}
UNPROTECTED = ["9.91e37:every=2", "negative:every=2", "late:every=5", "duplicate:every=5", "truncated:every=2"]


@pytest.fixture(scope="module")
def analyzers() -> Iterator[dict[str, dict[str, str]]]:
    """An analyzer for each link, so that their faults do not meet."""
    load = f"sine:mean={LOAD.mean_w},amplitude={LOAD.amplitude_w},hz={LOAD.hz}"
    with ExitStack() as stack:
        yield {link: stack.enter_context(virtual_analyzers("--load", load, "--digits", "5")) for link in LINKS}


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """The shipped profile with a quicker update, so that it is known more closely which value is the true one."""
    text = (Path(power.__file__).with_name("profiles") / "yokogawa-wt300e.toml").read_text(encoding="utf-8")
    quick = text.replace(":RATE 100MS", ":RATE 20MS").replace("update_s = 0.1", f"update_s = {UPDATE_S}")
    assert quick.count("20MS") == 1
    file = tmp_path_factory.mktemp("profiles") / "quick.toml"
    file.write_text(quick, encoding="utf-8")
    return load_profile(file)


def _order(analyzer: dict[str, str], fault: str) -> None:
    with visa(analyzer["resource"]) as session:
        session.write("SIM:FAULT off")
        assert session.query(f"SIM:FAULT {fault};:SYST:ERR?").startswith("0,")


def _wrong(analyzer: dict[str, str], powers_w: list[float], begun_s: list[float], ended_s: list[float]) -> list[str]:
    """The values that the analyzer never showed between begin and end of their query.

    It shows the mean over the last whole interval, so that the true ones are the means over all intervals that end
    between one interval before the question and the answer.
    """
    wrong = []
    for power_w, begin_s, end_s in zip(powers_w, begun_s, ended_s, strict=True):
        edges_s = np.linspace(begin_s - UPDATE_S, end_s, 41) - analyzer["began_s"]
        means_w = [LOAD.energy_j(edge_s - UPDATE_S, edge_s) / UPDATE_S for edge_s in edges_s]
        if not min(means_w) - _ROUNDING_W <= power_w <= max(means_w) + _ROUNDING_W:
            wrong.append(f"{power_w} W, true is {min(means_w):.3f} to {max(means_w):.3f} W")
    return wrong


def _require_truth(analyzer: dict[str, str], sampler: Sampler, link: str) -> Trace:
    """Check each power that was kept; gives the trace."""
    trace = sampler.trace()
    middle_s, half_s, good = trace.at_s + UPDATE_S / 2, trace.rtt_s / 2, trace.good
    assert good.sum() >= 5, link
    wrong = _wrong(analyzer, trace.power_w[good], (middle_s - half_s)[good], (middle_s + half_s)[good])
    assert wrong == [], link
    return trace


def _sample(analyzer: dict[str, str], link: str, profile: Profile, fault: str, seconds: float) -> Sampler:
    """Sample with a fault; the fault begins when the range is held, so that the range is one that can change."""
    _order(analyzer, "off")
    with Sampler(Instrument(analyzer[LINKS[link]], [profile]), RATE_HZ) as sampler:
        sampler.require_reading(5.0)
        sampler.fix_range()
        _order(analyzer, fault)
        time.sleep(seconds)
        sampler.stop()
    return sampler


@pytest.mark.parametrize("fault", FAULTS)
def test_no_wrong_value_is_kept(analyzers, profile, fault, record_property):
    """Each power kept on either link is one that the analyzer truly showed then, and the fault has its name."""
    flags, seconds = FAULTS[fault]
    with ThreadPoolExecutor() as pool:
        runs = {link: pool.submit(_sample, it, link, profile, fault, seconds) for link, it in analyzers.items()}
    for link, run in runs.items():
        sampler = run.result()
        trace = _require_truth(analyzers[link], sampler, link)
        seen = set(trace.flags) - {""}
        assert seen, f"{fault} left no flag on {link}"
        assert seen <= flags, f"{fault} on {link}"
        assert seen <= set(FLAGS)
        assert np.isnan(trace.power_w[~trace.good]).all()
        assert sampler.failure == ""
        record_property(f"sampler CPU on {link}, s of {np.ptp(trace.at_s):.1f} s", round(sampler.cpu_s, 4))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("fault", UNPROTECTED)
def test_the_check_finds_wrong_values(analyzers, link, fault):
    """Control: a plain loop of queries and float() keeps values that the same check says are wrong."""
    analyzer = analyzers[link]
    _order(analyzer, fault)
    powers_w, begun_s, ended_s = [], [], []
    with visa(analyzer[LINKS[link]]) as session:
        session.write(":RATE 20MS;:NUM:NORM:NUM 1;ITEM1 P,1;:INP:VOLT:AUTO ON;:INP:CURR:AUTO ON")
        for _ in range(11):
            time.sleep(0.04)
            begun_s.append(time.monotonic())
            with contextlib.suppress(pyvisa.Error, ValueError):
                powers_w.append(float(session.query(":NUM:NORM:VAL?")))
            ended_s.append(time.monotonic())
            del begun_s[len(powers_w) :], ended_s[len(powers_w) :]
    assert len(powers_w) >= 5
    wrong = _wrong(analyzer, powers_w, begun_s, ended_s)
    assert wrong, powers_w
    assert len(wrong) < len(powers_w)


def test_an_analyzer_that_stops_for_a_while(analyzers, profile):
    """A process that stands still for a second and then answers everything at once leaves no wrong value."""
    with ExitStack() as stack:
        samplers = {}
        for link, analyzer in analyzers.items():
            _order(analyzer, "off")
            samplers[link] = stack.enter_context(Sampler(Instrument(analyzer[LINKS[link]], [profile]), RATE_HZ))
            samplers[link].require_reading(5.0)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for analyzer in analyzers.values():
                os.kill(int(analyzer["pid"]), number)
            time.sleep(1.0)
        time.sleep(0.5)
    for link, sampler in samplers.items():
        trace = _require_truth(analyzers[link], sampler, link)
        assert "timeout" in trace.flags, link
        assert set(trace.flags) <= {"", "timeout", "duplicate", "garbage", "unreachable"}, link
        assert trace.flags[-1] == "", link


def test_an_analyzer_that_goes_and_comes_back():
    """One that ends and starts again on its port is found again; in between there are gaps with a name, no values."""
    with ThreadPoolExecutor() as pool:
        for link, trace in zip(LINKS, pool.map(_restarted, LINKS), strict=True):
            assert set(trace.flags) - {""} <= {"eof", "reset", "unreachable"}, link
            assert "unreachable" in trace.flags, link
            assert trace.flags[0] == trace.flags[-1] == "", link
            assert trace.power_w[trace.good] == pytest.approx(12.5), link


def _restarted(link: str) -> Trace:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--load", "constant:12.5", "--port" if link == "SOCKET" else "--vxi11-port", str(port))
    with ExitStack() as stack:
        with virtual_analyzers(*options) as analyzer:
            sampler = stack.enter_context(Sampler(Instrument(analyzer[LINKS[link]]), RATE_HZ))
            sampler.require_reading(5.0)
        time.sleep(0.3)
        with virtual_analyzers(*options):
            time.sleep(1.5)
            sampler.stop()
    return sampler.trace()
