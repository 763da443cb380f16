"""Energy of known waveforms, read through the real pyvisa: right to 0.1 % over a minute and to 1 % over six seconds."""

import json
from concurrent.futures import Future

import pytest

from tests.power.waveforms import LOADS


@pytest.mark.timeout(200)
def test_known_waveforms_through_visa(recording: Future[str]) -> None:
    """Proves both bounds for four loads, in windows that are no whole number of periods.

    Control: samples that are stamped a quarter of a second late miss the bound of the short windows.
    """
    told = json.loads(recording.result())
    assert set(told["found"]) == set(told["late"]) == set(LOADS)
    for load, (long, *short) in told["found"].items():
        assert len(short) == 40
        assert long <= 0.001, (load, long)
        assert max(short) <= 0.01, (load, max(short))
    assert max(max(short) for _, *short in told["late"].values()) > 0.01, "control"
