"""Every shipped profile is the dialogue of its manual: each line that is sent, in order, and what its replies mean."""

import dataclasses
import struct
import time

import pytest

from power.errors import LinkError
from power.instrument import Instrument
from power.meter import Reading
from power.profile import shipped_profiles
from tests.power.small_instruments import raw_instrument

PROFILES = {profile.name: profile for profile in shipped_profiles()}
NO_ERROR = '0,"No error"'
AMPERES = struct.pack(">3f", 1.0, 2.0, 3.0)
Line = tuple[str, "str | bytes | None"]
"""What is sent, and what comes back; None where nothing does."""

WT300E_SETUP: list[Line] = [
    ("*IDN?", "YOKOGAWA,WT310E,C3RA01234,F1.04"),
    (":COMM:HEAD OFF", None),
    (":NUM:FORM ASC;:NUM:NORM:NUM 3;:NUM:NORM:ITEM1 TIME,1;:NUM:NORM:ITEM2 WH,1;:NUM:NORM:ITEM3 P,1", None),
    (":RATE 100MS", None),
    (":NUM:NORM:NUM?", "3"),
    (":NUM:NORM:ITEM1?", "TIME,1"),
    (":NUM:NORM:ITEM2?", "WH,1"),
    (":NUM:NORM:ITEM3?", "P,1"),
    (":STAT:ERR?", NO_ERROR),
    (":INTEG:RES", None),
    (":INTEG:STAR", None),
    (":INP:VOLT:AUTO ON;:INP:CURR:AUTO ON", None),
    (":INP:VOLT:RANG?;:INP:CURR:RANG?", "300.0E+00;500.0E-03"),
]
DIALOGUES: dict[str, tuple[list[Line], Reading]] = {
    "yokogawa-wt300e": (
        [
            *WT300E_SETUP,
            (":INP:VOLT:RANG?;:INP:CURR:RANG?", "300.0E+00;200.0E-03"),
            (":NUM:NORM:VAL?", "12,40.0E-03,12.034E+00"),
            (":INTEG:STOP", None),
        ],
        Reading(12.034, 0.04, 12.0),
    ),
    "gw-instek-gpm8213": (
        [
            ("*IDN?", "GWInstek,GPM-8213,GEU123456,V1.05"),
            (":NUM:NORM:NUMB 8;:NUM:NORM:ITEM1 U;:NUM:NORM:ITEM2 I;:NUM:NORM:ITEM3 P;:NUM:NORM:ITEM4 S", None),
            (":NUM:NORM:ITEM5 Q;:NUM:NORM:ITEM6 LAMB;:NUM:NORM:ITEM7 PHI;:NUM:NORM:ITEM8 FU", None),
            (":NUM:NORM:NUMB?", "8"),
            (":NUM:NORM:ITEM1?", "U"),
            (":NUM:NORM:ITEM2?", "I"),
            (":NUM:NORM:ITEM3?", "P"),
            (
                ":NUM:NORM:VAL?",
                "127.58E+00,240.02E-03,17.688E+00,30.622E+00,24.997E+00,577.62E-03,NAN,59.995E+00",
            ),
        ],
        Reading(17.688),
    ),
    "rs-hmc8015": (
        [
            ("*IDN?", "Rohde&Schwarz,HMC8015,100123,02.201"),
            ("CHAN1:MEAS:FUNC URMS,IRMS,P", None),
            ("CHAN1:ACQ:MODE AUTO", None),
            ("CHAN1:MEAS:FUNC?", "URMS,IRMS,P"),
            ("SYST:ERR?", NO_ERROR),
            ("CHAN1:MEAS:DATA?", "2.3012E+02,7.8000E-02,1.7949E+01"),
        ],
        Reading(17.949),
    ),
    "tektronix-pa1000": (
        [
            ("*IDN?", "Tektronix,PA1000,B010123,1.001.005"),
            (":SEL:CLR;:SEL:WAT;:DSE 2", None),
            (":DSE?", "2"),
            (":DSR?", "0"),
            (":DSR?", "2"),
            (":FRD?", "1.7950E+01"),
        ],
        Reading(17.95),
    ),
    "itech-it9121": (
        [
            ("*IDN?", "ITECH Ltd,IT9121,800123020767110012,1.07"),
            ("SYST:REM", None),
            ("SYST:ERR?", NO_ERROR),
            ("MEAS:POW:ACT?", "1.79500E+01"),
        ],
        Reading(17.95),
    ),
    "siglent-spd3303x": (
        [
            ("*IDN?", "Siglent Technologies,SPD3303X-E,SPD3XIDQ1R0001,1.01.01.02.07R2,V3.0"),
            ("SYST:ERR?", "0  No Error"),
            ("MEAS:POWE? CH1", "17.950"),
        ],
        Reading(17.95),
    ),
    "keysight-n6705": (
        [
            ("*IDN?", "Keysight Technologies,N6705C,MY56000123,E.02.07.3315"),
            ("FORM REAL", None),
            ("SENS:ELOG:FUNC:CURR ON,(@1);:SENS:ELOG:PER 0.001,(@1);:TRIG:ELOG:SOUR IMM;:INIT:ELOG (@1)", None),
            ("FORM?", "REAL"),
            ("SYST:ERR?", "+" + NO_ERROR),
            ("MEAS:VOLT? (@1)", "5.00000E+00"),
            ("FETC:ELOG? 1000,(@1)", b"#212" + AMPERES),
            ("ABOR:ELOG (@1)", None),
        ],
        Reading(10.0),
    ),
    "generic-supply": (
        [
            ("*IDN?", "Keysight Technologies,E36312A,MY57000123,2.1.0-1.0.4-1.12"),
            ("SYST:ERR?", "+" + NO_ERROR),
            ("MEAS:VOLT?;CURR?", "5.0000E+00;2.5000E+00"),
        ],
        Reading(12.5),
    ),
    "chroma-66200": (
        [
            ("*IDN?", "CHROMA,66202,662020000123,1.60"),
            ("SYST:ERR?", NO_ERROR),
            ("FETC:POW:REAL?", "1.7950E+01"),
        ],
        Reading(17.95),
    ),
}


class Manual:
    """Answers as the dialogue says, and notes what was not in it."""

    def __init__(self, lines: list[Line], end: bytes) -> None:
        self.left = list(lines)
        self.end = end
        self.unexpected: list[str] = []

    def __call__(self, command: bytes) -> bytes | None:
        """The reply of the dialogue, or nothing."""
        sent = command.decode("ascii")
        if not self.left or self.left[0][0] != sent:
            self.unexpected.append(sent)
            return b""
        reply = self.left.pop(0)[1]
        if reply is None:
            return b""
        return (reply.encode("ascii") if isinstance(reply, str) else reply) + self.end


def speak(name: str, lines: list[Line]) -> tuple[Reading, Manual]:
    """Open, read once and close an instrument that answers by this dialogue."""
    end = PROFILES[name].terminators.write.encode()
    manual = Manual(lines, end)
    with raw_instrument(manual, end) as resource:
        meter = Instrument(resource, [PROFILES[name]])
        meter.open()
        reading = meter.read()
        meter.close()
        give_up_s = time.monotonic() + 2
        while manual.left and time.monotonic() < give_up_s:
            time.sleep(0.01)  # the last line has no reply to wait for
    return reading, manual


def test_every_profile_has_a_dialogue() -> None:
    """At least eight instruments are known by data alone, and each has its dialogue here."""
    assert set(DIALOGUES) == set(PROFILES)
    assert len(DIALOGUES) >= 8


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    """An instrument is set up, read and left by exactly these lines, in this order, and nothing besides."""
    lines, expected = DIALOGUES[name]
    reading, manual = speak(name, lines)
    assert manual.unexpected == []
    assert manual.left == []
    found = dataclasses.replace(reading, asked_s=None)
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(expected))


@pytest.mark.parametrize("name", ["yokogawa-wt300e", "rs-hmc8015", "gw-instek-gpm8213"])
def test_dialogue_that_goes_another_way(name: str) -> None:
    """Control: an instrument that shows another set-up than it was given is refused by name."""
    lines, _ = DIALOGUES[name]
    other = [(sent, "S" if sent in {":NUM:NORM:ITEM3?", "CHAN1:MEAS:FUNC?"} else reply) for sent, reply in lines]
    with pytest.raises(LinkError, match="did not take its set-up"):
        speak(name, other)


def test_line_that_is_left_over() -> None:
    """Control: a line of the manual that is never sent is noticed."""
    lines, _ = DIALOGUES["itech-it9121"]
    _, manual = speak("itech-it9121", [*lines, ("SYST:LOC", None)])
    assert manual.left == [("SYST:LOC", None)]
