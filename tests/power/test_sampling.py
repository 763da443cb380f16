"""Instrument and sampler against the virtual analyzer, through the real pyvisa-py and a real socket."""

from __future__ import annotations

import time

import pytest

from power.errors import LinkError, PowerError
from power.instrument import Instrument
from power.profile import shipped_profiles
from power.sampler import Sampler
from power.source import open_source
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


def test_another_instrument_in_its_place_ends_the_sampling() -> None:
    """After the connection was lost and another instrument answers, sampling ends and says so."""
    options = ("--persona", "wt300e", "--fault", "replaced:after=30", "--fault", "eof:every=40")
    with virtual_analyzer(*options) as resource, Sampler(Instrument(resource, integrate=False), 20.0) as sampler:
        give_up_s = time.monotonic() + 10
        while not sampler.failure and time.monotonic() < give_up_s:
            time.sleep(0.05)
        assert "and was YOKOGAWA" in sampler.failure
        assert "replaced" in sampler.trace().flags


def test_words_that_name_no_meter() -> None:
    """A source that is no meter is refused with the words that are."""
    with pytest.raises(PowerError, match="'nonsense' is no power meter") as caught:
        open_source("nonsense")
    assert "virtual" in caught.value.hint
