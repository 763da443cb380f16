"""The virtual analyzer on the wire, through the real pyvisa-py."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import pyvisa

from power.virtual.farm_load import PI3_IDLE_W
from power.virtual.instrument import Instrument
from power.virtual.loads import Constant
from tests.power.virtual_process import virtual_analyzer, visa

POWER = ":NUM:NORM:NUM 1;ITEM1 P,1;:NUM:NORM:VAL?"
READS = {
    "wt300e": (POWER, 1.0),
    "hmc8015": ("CHAN1:MEAS:FUNC P;:CHAN1:MEAS:DATA?", 1.0),
    "pa1000": (":SEL:CLR;:SEL:WAT;:FRD?", 1.0),
    "it9121": ("MEAS:POW:ACT?", 1.0),
    "spd3303x": ("MEAS:POWE? CH1", 1.0),
    "generic": ("MEAS:CURR?", 5.0),
}


@pytest.mark.parametrize("persona", READS)
def test_personas_read(persona):
    """Each persona says that it is virtual and gives the power; an unknown command lands in the error queue."""
    query, volts = READS[persona]
    with virtual_analyzer("--persona", persona, "--load", "constant:12.5") as resource, visa(resource) as session:
        assert session.query("*IDN?").split(",")[2] == "VIRTUAL"
        assert float(session.query(query)) * volts == pytest.approx(12.5)
        assert session.query("SYST:ERR?").startswith("0,")
        assert session.query("NO:SUCH;:SYST:ERR?").startswith("-113")


def test_gpm8213_and_n6705():
    """CR LF and big-endian blocks arrive as those instruments send them."""
    with virtual_analyzer("--persona", "gpm8213") as resource, visa(resource, "\r\n") as session:
        assert float(session.query(":NUM:NORM:NUMB 8;:NUM:NORM:VAL?").split(",")[2]) == pytest.approx(12.5)
    with virtual_analyzer("--persona", "n6705") as resource, visa(resource) as session:
        assert session.query("INIT:ELOG (@1);*OPC?") == "1"
        time.sleep(0.05)
        amperes = session.query_binary_values("FETC:ELOG? 20,(@1)", datatype="f", is_big_endian=True)
        assert amperes == pytest.approx([2.5] * 20)


def test_integrator_and_truth():
    """The integrator agrees with the true joules of its time, and not with twice of them."""
    with virtual_analyzer("--update", "0.02") as resource, visa(resource) as session:
        assert session.query(":NUM:NORM:NUM 2;ITEM1 WH,1;ITEM2 TIME,1;:INTEG:STAR;*OPC?") == "1"
        time.sleep(0.3)
        watt_hours, elapsed_s = map(float, session.query(":NUM:NORM:VAL?").split(","))
        assert watt_hours * 3600 == pytest.approx(12.5 * elapsed_s, rel=1e-3)
        assert watt_hours * 3600 != pytest.approx(25 * elapsed_s, rel=1e-3)
        now_s = time.monotonic()
        assert float(session.query(f"SIM:ENERGY? {now_s - 0.1},{now_s}")) == pytest.approx(1.25, rel=1e-3)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("nan", "NAN"), ("9.91e37", "9.91E+37"), ("overrange", "INF"), ("truncated", "1.2500"), ("empty", ""),
        ("comma", "1,2500E+01"), ("negative", "-1.2500E+01"), ("long", "1.2500E+01,1.2500E+01"),
        ("header", ":NUM:NORM:VAL 1.2500E+01"),
    ],
)  # fmt: skip
def test_faults_in_the_text(fault, expected):
    """A fault shows on the wire on each second query, and the query before is untouched."""
    with virtual_analyzer("--fault", f"{fault}:every=2") as resource, visa(resource) as session:
        assert session.query(POWER) == "1.2500E+01"
        assert session.query(POWER) == expected


@pytest.mark.parametrize("fault", ["mute", "late", "stall", "no-terminator", "eof", "rst", "garbage"])
def test_faults_of_the_link(fault):
    """A fault of the link makes the query fail; the one before did not."""
    with virtual_analyzer("--fault", f"{fault}:after=1") as resource, visa(resource) as session:
        assert len(session.query(":NUM:NORM:VAL?").split(",")) == 3
        with pytest.raises((pyvisa.Error, OSError, UnicodeDecodeError)):
            session.query(":NUM:NORM:VAL?")


def test_farm_load_counts_cpu_seconds():
    """The dynamic energy of a process is its CPU seconds times the watts of a core; a sleeping one costs nothing."""
    load = f"farm:{os.getpid()},idle={PI3_IDLE_W},busy=2"
    with virtual_analyzer("--load", load) as resource, visa(resource) as session:
        session.query("SIM:CPU?")  # a question takes a sample of the load
        begin_s, used_s = time.monotonic(), time.process_time()
        while time.process_time() - used_s < 0.3:
            pass
        used_s, end_s = time.process_time() - used_s, time.monotonic()
        session.query("SIM:CPU?")
        time.sleep(0.5)
        dynamic_j = float(session.query(f"SIM:DYNAMIC? {begin_s},{end_s}"))
        assert dynamic_j == pytest.approx(2 * used_s, rel=0.15)
        assert float(session.query(f"SIM:DYNAMIC? {end_s + 0.1},{end_s + 0.4}")) < 0.2 * dynamic_j, "control"


def test_an_idle_farm_needs_no_process():
    """A farm without processes costs what its devices idle at; with neither it is refused."""
    with virtual_analyzer("--load", "farm:,device=pi3,devices=3") as resource, visa(resource) as session:
        assert float(session.query(POWER)) == pytest.approx(3 * PI3_IDLE_W, rel=1e-3)
    command = [sys.executable, "-m", "power.virtual", "--load", "farm:"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no process is named" in refused.stderr


def test_processes_change_while_it_runs():
    """SIM:PIDS moves the load to other processes and keeps what the former ones used; an unknown one is an error."""
    with virtual_analyzer("--load", f"farm:{os.getppid()},devices=1,idle=1,busy=2") as resource, visa(resource) as it:
        assert it.query("SIM:PIDS?") == str(os.getppid())
        assert it.query(f"SIM:PIDS {os.getpid()};SIM:PIDS?") == str(os.getpid())
        used_s, counted_s = time.process_time(), float(it.query("SIM:CPU?"))
        while time.process_time() - used_s < 0.3:
            pass
        time.sleep(0.05)
        used_s = time.process_time() - used_s
        assert float(it.query("SIM:CPU?")) - counted_s == pytest.approx(used_s, rel=0.2)
        assert it.query("SIM:PIDS 999999999;:SYST:ERR?").startswith("-224")
        assert it.query("SIM:PIDS?") == str(os.getpid())


def test_noise_is_that_of_its_seed():
    """Noise of a seed is the same function of time each time, of the size that was asked for; another seed differs."""
    first, again, other = (_noisy(seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    watts = np.array(first)
    assert np.std(watts) == pytest.approx(0.5, rel=0.25)
    assert np.mean(watts) == pytest.approx(10, abs=0.2)
    with virtual_analyzer("--load", "constant:10", "--noise", "0.5", "--seed", "3", "--update", "0.02") as resource:
        shown = []
        with visa(resource) as session:
            for _ in range(8):
                time.sleep(0.03)
                shown.append(float(session.query(POWER)))
        assert len(set(shown)) > 4
        assert all(abs(power_w - 10) < 3 for power_w in shown)


def _noisy(seed: int) -> list[float]:
    now_s = [0.0]
    meter = Instrument(Constant(10.0), noise_w=0.5, seed=seed, began_s=0.0, clock=lambda: now_s[0])
    watts = []
    for _ in range(200):
        now_s[0] += 0.1
        watts.append(meter.snapshot().power_w)
    return watts[2:]


def test_a_fault_has_its_time():
    """A fault with from= and for= strikes within that span of seconds only, and SIM:FAULT off ends one at once."""
    with virtual_analyzer() as resource, visa(resource) as session:
        session.write("SIM:FAULT nan:from=0.3,for=0.4")
        began_s = time.monotonic()
        seen = {"before": set(), "within": set(), "after": set()}
        while (age_s := time.monotonic() - began_s) < 1.0:
            reply = session.query(POWER)
            for part, begin_s, end_s in (("before", 0, 0.25), ("within", 0.35, 0.6), ("after", 0.8, 1.0)):
                if begin_s <= age_s and time.monotonic() - began_s < end_s:
                    seen[part].add(reply)
            time.sleep(0.01)
        assert seen == {"before": {"1.2500E+01"}, "within": {"NAN"}, "after": {"1.2500E+01"}}
        session.write("SIM:FAULT nan:every=1")
        assert session.query(POWER) == "NAN"
        session.write("SIM:FAULT off")
        assert session.query(POWER) == "1.2500E+01"
        assert session.query("SIM:FAULT nan:from=-1;:SYST:ERR?").startswith("-224")
        assert session.query("SIM:FAULT no-such-fault;:SYST:ERR?").startswith("-224")


RANGES = ":INP:VOLT:RANG?;:INP:CURR:RANG?"
AUTOMATIC = ":INP:VOLT:AUTO?;:INP:CURR:AUTO?"


def _ranges(session) -> tuple[float, float]:
    volts, amperes = session.query(RANGES).split(";")
    return float(volts), float(amperes)


def test_ranges_follow_the_load_both_ways():
    """An automatic range is the smallest with headroom at each load; a held one stays, and says overrange."""
    with virtual_analyzer("--load", "square:low=5,high=50,hz=0.8") as resource, visa(resource) as session:
        assert session.query(AUTOMATIC) == "1;1"
        seen: list[tuple[float, tuple[float, float]]] = []
        give_up_s = time.monotonic() + 10
        while len(seen) < 4 and time.monotonic() < give_up_s:
            before_w, ranges, after_w = float(session.query(POWER)), _ranges(session), float(session.query(POWER))
            if before_w == after_w and before_w in {5.0, 50.0} and seen[-1:] != [(before_w, ranges)]:
                seen.append((before_w, ranges))
            time.sleep(0.02)
        assert set(seen) == {(5.0, (300.0, 0.02)), (50.0, (300.0, 0.2))}
        session.write(":INP:VOLT:RANG 300V;:INP:CURR:RANG 60MA")
        assert session.query(AUTOMATIC) == "0;0"
        texts = set()
        while texts != {"5.0000E+00", "INF"} and time.monotonic() < give_up_s:
            assert _ranges(session) == (300.0, 0.1)
            texts = (texts | {session.query(POWER)}) & {"5.0000E+00", "INF"}
        assert texts == {"5.0000E+00", "INF"}
        assert int(session.query(":STAT:EESR?")) in {0, 1, 64, 65}


def test_a_range_is_one_that_the_instrument_has():
    """A value is taken up to the next range; one beyond the largest, or no switch, is an error and changes nothing."""
    with virtual_analyzer() as resource, visa(resource) as session:
        for asked, taken in (("3", 5.0), ("5", 5.0), ("5.1", 10.0), ("0.001", 0.005), ("20A", 20.0)):
            session.write(f":INP:CURR:RANG {asked}")
            assert _ranges(session)[1] == taken
        for wrong in (":INP:CURR:RANG 21", ":INP:VOLT:RANG 601", ":INP:CURR:AUTO MAYBE", ":INP:CURR:RANG 0"):
            assert session.query(f"{wrong};:SYST:ERR?").startswith("-224")
        assert session.query(f"{RANGES};{AUTOMATIC}") == "3.0000E+02;2.0000E+01;1;0"
        session.write(":INP:VOLT:RANG 150")
        assert session.query(POWER) == "INF"
        session.write(":INP:VOLT:AUTO ON;:INP:CURR:AUTO ON")
        assert session.query(f"{RANGES};{AUTOMATIC}") == "3.0000E+02;5.0000E-02;1;1"
        assert session.query(POWER) == "1.2500E+01"
        session.write(":INP:CURR:AUTO OFF")
        assert session.query(f"{RANGES};{AUTOMATIC}") == "3.0000E+02;5.0000E-02;1;0"


def test_a_range_given_at_the_start_is_held():
    """--range is a power range that stays; the fault `range` changes it once, as somebody at the knob would."""
    with virtual_analyzer("--range", "150", "--fault", "range:after=2") as resource, visa(resource) as session:
        seen = [(session.query(POWER), _ranges(session), session.query(AUTOMATIC)) for _ in range(5)]
    held, turned = ("1.2500E+01", (300.0, 0.5), "0;0"), ("1.2500E+01", (300.0, 1.0), "0;0")
    assert seen == [held, held, turned, turned, turned]


def test_events_tell_of_new_values():
    """:STAT:EESR? has bit 0 once for each update, and bit 6 while the value is above the range."""
    with virtual_analyzer("--update", "0.3") as resource, visa(resource) as session:
        while session.query(":STAT:EESR?") != "1":
            time.sleep(0.02)
        assert session.query(":STAT:EESR?") == "0"
        assert int(session.query(":INP:CURR:RANG 5MA;:STAT:EESR?")) & 64
