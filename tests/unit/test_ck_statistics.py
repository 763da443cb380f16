"""Flat keys and statistics in CK's form; tests/ck compares them with what real ck computes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.records.entries.flat import flatten, same_place
from harness.records.entries.statistics import OPTIONAL, analyse, disagreements

TIME = "##characteristics#run#t"


def _runs(*values):
    return [{"run": {"t": value}} for value in values]


def test_flat_keys():
    """Keys, items of lists and plain values get CK's marks; empty containers leave nothing."""
    document = {"a": {"b": [1, {"c": "x"}], "none": {}, "void": []}, "d": None}
    assert flatten(document) == {"##a#b@0": 1, "##a#b@1#c": "x", "##d": None}
    assert flatten(document, keep=["##a#*"]) == {"##a#b@0": 1, "##a#b@1#c": "x"}
    assert flatten(document, keep=["##d"]) == {"##d": None}


def test_same_place_takes_a_gap_for_an_empty_text():
    """A missing key equals an empty text, as in CK; the control: another value does not."""
    assert same_place({"a": 1}, {"a": 1, "b": ""})
    assert not same_place({"a": 1}, {"a": 1, "b": "x"})
    assert not same_place({"a": 1}, {})


def test_statistics_of_numbers():
    """All endings of a number follow from its values; a mean is arithmetic, range_percent a fraction."""
    flat = analyse({}, _runs(2.0, 4.0, 3.0), {}).flat
    assert {key.removeprefix(TIME): value for key, value in flat.items()} == {
        "#repeats": 3,
        "#all": [2.0, 4.0, 3.0],
        "#all_unique": [2.0, 4.0, 3.0],
        "#min": 2.0,
        "#max": 4.0,
        "#range": 2.0,
        "#halfrange": 1.0,
        "#center": 3.0,
        "#range_percent": 1.0,
        "#mean": 3.0,
    }


def test_least_of_zero_has_no_percentage():
    """Where the least value is 0 there is no range_percent, rather than an infinite or invented one."""
    assert f"{TIME}#range_percent" not in analyse({}, _runs(0, 3), {}).flat


@pytest.mark.parametrize("values", [("yes", "no"), (True, False), (None, None)])
def test_what_is_no_number_keeps_its_first(values):
    """Text and truth values have a first value and a count, and no mean."""
    flat = analyse({}, _runs(*values), {}).flat
    assert flat[f"{TIME}#min"] is values[0]
    assert flat[f"{TIME}#repeats"] == 2
    assert f"{TIME}#mean" not in flat


def test_features_and_choices_count_with_each_repetition():
    """Features and choices of a point are counted once for each repetition, other parts not at all."""
    rest = {"features": {"f": 1}, "choices": {"c": "x"}, "pipeline_state": {"fail": "no"}, "meta": {"m": 1}}
    flat = analyse({}, _runs(1.0, 2.0), rest).flat
    assert flat["##features#f#repeats"] == flat["##choices#c#repeats"] == flat["##pipeline_state#fail#repeats"] == 2
    assert not [key for key in flat if "meta" in key]


def test_several_values_in_one_text():
    """A text "@@1,2" is two values of one key, taken one after the other."""
    assert analyse({}, _runs("@@1,2.5"), {}).flat[f"{TIME}#all"] == [1.0, 2.5]


def test_more_repetitions_go_on_from_what_is_there():
    """A second addition extends the first one and leaves its input alone; peaks of a density are dropped as stale."""
    first = {**analyse({}, _runs(1.0, 2.0), {}).flat, f"{TIME}#exp": 1.5}
    copy = dict(first)
    second = analyse(first, _runs(6.0), {}).flat
    assert first == copy
    assert (second[f"{TIME}#repeats"], second[f"{TIME}#max"], second[f"{TIME}#mean"]) == (3, 6.0, 3.0)
    assert not [key for key in second if key.endswith(OPTIONAL)]


def test_numbers_and_text_under_one_key_are_refused():
    """A key that is a number in one repetition and a text in another is named, not averaged."""
    with pytest.raises(BadInputError, match="#run#t"):
        analyse({}, _runs("x", 1.0), {})


def test_numbers_beyond_a_float_are_refused():
    """An integer that no float can hold is named: nothing is divided by it."""
    with pytest.raises(BadInputError, match="beyond the range"):
        analyse({}, _runs(10**400), {})


@given(st.lists(st.one_of(st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9)), min_size=1, max_size=20))
def test_what_was_analysed_agrees_with_itself(values):
    """Statistics of any numbers follow from their samples; the control: a changed mean does not."""
    flat = analyse({}, _runs(*values), {}).flat
    assert disagreements(flat) == ()
    flat[f"{TIME}#mean"] += 1 + abs(flat[f"{TIME}#mean"])
    assert disagreements(flat) == (f"{TIME}#mean",)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.integers(0, 12))
def test_one_addition_or_two(values, cut):
    """Repetitions added in two goes give what one go gives."""
    whole = analyse({}, _runs(*values), {}).flat
    first, second = values[:cut], values[cut:]
    assert analyse(analyse({}, _runs(*first), {}).flat, _runs(*second), {}).flat == whole


@pytest.mark.parametrize("value", [None, [], "x", [[1]], [{}]])
def test_samples_that_are_none(value):
    """An #all that holds no samples is named."""
    assert disagreements({f"{TIME}#all": value}) == (f"{TIME}#all",)


@pytest.mark.parametrize("there", [{"#repeats": "x"}, {"#all": 1}, {"#all_unique": {}}])
def test_statistics_that_are_none(there):
    """To what is no statistics nothing is added: the key is named."""
    with pytest.raises(BadInputError, match="#run#t are not those of CK"):
        analyse({TIME + ending: value for ending, value in there.items()}, _runs(1.0), {})
