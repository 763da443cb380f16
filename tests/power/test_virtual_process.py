"""The virtual analyzer on the wire, through the real pyvisa-py."""

import os
import time

import pytest
import pyvisa

from power.virtual.farm_load import PI3_IDLE_W
from tests.power.virtual_process import virtual_analyzer, visa

READS = {
    "wt300e": (":NUM:NORM:NUM 1;ITEM1 P,1;:NUM:NORM:VAL?", 1.0),
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
        ("nan", "NAN"), ("9.91e37", "9.91E+37"), ("overrange", "INF"), ("truncated", "1.2500E"), ("empty", ""),
        ("comma", "1,2500E+01"), ("negative", "-1.2500E+01"), ("long", "1.2500E+01,1.2500E+01"),
        ("header", ":NUM:NORM:VAL 1.2500E+01"),
    ],
)  # fmt: skip
def test_faults_in_the_text(fault, expected):
    """A fault shows on the wire on each second query, and the query before is untouched."""
    with virtual_analyzer("--fault", f"{fault}:every=2") as resource, visa(resource) as session:
        query = ":NUM:NORM:NUM 1;ITEM1 P,1;:NUM:NORM:VAL?"
        assert session.query(query) == "1.2500E+01"
        assert session.query(query) == expected


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
        begin_s, used_s = time.monotonic(), time.process_time()
        while time.process_time() - used_s < 0.3:
            pass
        used_s, end_s = time.process_time() - used_s, time.monotonic()
        time.sleep(0.1)
        dynamic_j = float(session.query(f"SIM:DYNAMIC? {begin_s},{end_s}"))
        assert dynamic_j == pytest.approx(2 * used_s, rel=0.15)
        assert float(session.query(f"SIM:DYNAMIC? {end_s + 0.03},{end_s + 0.08}")) < 0.2 * dynamic_j
