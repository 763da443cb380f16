"""The loads of the virtual analyzer: their energy is the integral of their power."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import PowerError
from power.virtual.loads import Bursts, parse_load

TEXTS = ["constant:12.5", "sine:mean=10,amplitude=3,hz=1.7", "square:low=5,high=15,hz=0.7"]
TEXTS += ["bursts:idle=11.8,busy=18,period=0.18,duty=0.6"]
INSTANTS = st.floats(0, 20)


@pytest.mark.parametrize("text", TEXTS)
def test_energy_is_the_integral(text):
    """The closed form equals a fine numeric integral; another load's does not."""
    load = parse_load(text)
    at_s = (np.arange(100_000) + 0.5) * 6.3 / 100_000
    numeric_j = float(np.mean([load.power_w(t) for t in at_s])) * 6.3
    assert math.isclose(load.energy_j(0, 6.3), numeric_j, rel_tol=1e-4)
    assert not math.isclose(Bursts(1, 2, 0.3, 0.5).energy_j(0, 6.3), numeric_j, rel_tol=1e-4)


@given(text=st.sampled_from(TEXTS), cuts=st.tuples(INSTANTS, INSTANTS, INSTANTS).map(sorted))
def test_energy_adds_up(text, cuts):
    """Energies of adjoining windows add up to that of both; with a window missing they do not."""
    load = parse_load(text)
    first, middle, last = cuts
    whole = load.energy_j(first, last)
    assert math.isclose(load.energy_j(first, middle) + load.energy_j(middle, last), whole, abs_tol=1e-6)
    if middle - first > 0.01:
        assert not math.isclose(load.energy_j(middle, last), whole, abs_tol=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "constant:nan", "constant:-1", "sine:mean=1", "sine:mean=1,amplitude=2,hz=1", "square:low=1,high=2,hz=0"],
)
def test_bad_loads_are_refused(text):
    """A load that makes no sense is an error of one line."""
    with pytest.raises(PowerError) as caught:
        parse_load(text)
    assert "\n" not in caught.value.message
