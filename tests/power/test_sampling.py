"""Instrument and sampler against the virtual analyzer, through the real pyvisa-py and a real socket."""

from __future__ import annotations

import time

import numpy as np
import pytest

from power.errors import LinkError, PowerError
from power.instrument import Instrument
from power.profile import shipped_profiles
from power.sampler import Sampler
from power.source import open_source
from power.trace import FLAGS
from tests.power.virtual_process import virtual_analyzer

PERSONAS = {
    "wt300e": "yokogawa-wt300e",
    "gpm8213": "gw-instek-gpm8213",
    "hmc8015": "rs-hmc8015",
    "pa1000": "tektronix-pa1000",
    "it9121": "itech-it9121",
    "spd3303x": "siglent-spd3303x",
    "n6705": "keysight-n6705",
    "generic": "generic-supply",
}


@pytest.mark.parametrize("persona", PERSONAS)
def test_an_instrument_is_known_by_data_alone(persona: str) -> None:
    """Each persona is identified, set up and read by its profile; without that profile it is refused by name."""
    with virtual_analyzer("--persona", persona, "--load", "constant:12.5") as resource:
        meter = Instrument(resource)
        meter.open()
        try:
            assert meter.info.profile == PERSONAS[persona]
            assert meter.info.measured is False
            time.sleep(0.3)
            assert meter.read().power_w == pytest.approx(12.5, rel=1e-3)
        finally:
            meter.close()
        others = [profile for profile in shipped_profiles() if profile.name != PERSONAS[persona]]
        with pytest.raises(LinkError, match="for which there is no profile"):
            Instrument(resource, others).open()


FAULTS = {
    "nan": {"nan"},
    "inf": {"overrange"},
    "9.91e37": {"nan"},
    "garbage": {"garbage"},
    "truncated": {"truncated", "garbage", "short"},
    "mute": {"timeout"},
    "late": {"timeout", "duplicate"},
    "eof": {"eof", "reset"},
    "rst": {"eof", "reset"},
    "duplicate": {"duplicate"},
    "empty": {"empty"},
    "short": {"short", "truncated"},
    "long": {"long"},
    "comma": {"comma", "long"},
    "header": {"header", "garbage"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_wrong_value_is_kept(fault: str) -> None:
    """Whatever the instrument does wrong, every power kept is the true one, and the fault has its name."""
    options = ("--persona", "wt300e", "--load", "constant:12.5", "--fault", f"{fault}:every=11")
    with virtual_analyzer(*options) as resource, Sampler(Instrument(resource, integrate=False), 20.0) as sampler:
        time.sleep(1.1)
        sampler.stop()
        trace = sampler.trace()
    kept = trace.power_w[trace.good]
    assert len(kept) >= 10
    assert np.abs(kept - 12.5).max() < 0.02
    seen = set(trace.flags) - {""}
    assert seen & FAULTS[fault], f"{fault} is told as {seen}"
    assert seen <= set(FLAGS)
    assert np.isnan(trace.power_w[~trace.good]).all()


def test_another_instrument_in_its_place_ends_the_sampling() -> None:
    """After the connection was lost and another instrument answers, sampling ends and says so."""
    options = ("--persona", "wt300e", "--fault", "replaced:after=30", "--fault", "eof:every=40")
    with virtual_analyzer(*options) as resource, Sampler(Instrument(resource, integrate=False), 20.0) as sampler:
        give_up_s = time.monotonic() + 10
        while not sampler.failure and time.monotonic() < give_up_s:
            time.sleep(0.05)
        assert "and was YOKOGAWA" in sampler.failure
        assert "replaced" in sampler.trace().flags


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("TCPIP::127.0.0.1::9::SOCKET", "refuses connections"),
        ("bogus::words", "cannot be opened"),
    ],
)
def test_nobody_there(resource: str, message: str) -> None:
    """A closed port and a malformed name are one line that names the resource."""
    with pytest.raises(LinkError, match=message) as caught:
        open_source(resource).open()
    assert resource in caught.value.message
    assert caught.value.hint


def test_words_that_name_no_meter() -> None:
    """A source that is no meter is refused with the words that are."""
    with pytest.raises(PowerError, match="'nonsense' is no power meter") as caught:
        open_source("nonsense")
    assert "virtual" in caught.value.hint
