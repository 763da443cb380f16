"""Canonical JSON: one form for one content, and nothing that JSON leaves open."""

import json
import locale
import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.records.canonical import MAX_BYTES, MAX_DEPTH, canonical, parse

texts = st.text(st.characters(codec="utf-8"), max_size=12)
leaves = (
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)


def shuffled(value, seed):
    """The same content with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        random.Random(seed).shuffle(keys)
        return {key: shuffled(value[key], seed) for key in keys}
    return [shuffled(one, seed) for one in value] if isinstance(value, list) else value


def nested(depth, empty=False):
    """Lists in lists, so many, with a number in the innermost or nothing."""
    document = [] if empty else [1]
    for _ in range(depth - 1):
        document = [document]
    return document


# One form


@given(documents, st.integers())
def test_the_same_content_gives_the_same_bytes(document, seed):
    """The order of keys does not show; what is read back is the same, to the last bit of every float."""
    data = canonical(document)
    assert canonical(shuffled(document, seed)) == data
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    again = parse(data, "x")
    assert again == document
    assert canonical(again) == data


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives(number):
    """Sign of zero, subnormal numbers and all digits."""
    assert struct.pack("<d", parse(canonical([number]), "x")[0]) == struct.pack("<d", number)


@given(documents, documents)
def test_another_content_gives_other_bytes(one, other):
    """The control: bytes are equal only where type and value of everything are."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(one) == canonical(other)) == same


def test_the_language_of_the_machine_does_not_show():
    """Decimal point, digits and the order of letters are those of JSON in every locale that is installed."""
    before = locale.setlocale(locale.LC_ALL)
    tried = 0
    for name in sorted({"C", "C.UTF-8", *(f"{alias}.UTF-8" for alias in ("de_DE", "tr_TR", "ar_EG", "sv_SE"))}):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        try:
            tried += 1
            data = canonical({"Z": 1.5, "a": "\u0131", "\u00e4": 10**6})
            assert data == '{"Z":1.5,"a":"\u0131","\u00e4":1000000}\n'.encode(), name
        finally:
            locale.setlocale(locale.LC_ALL, before)
    assert tried


# What is refused on writing


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "\ud800", {"\udfff": 1}])
@pytest.mark.parametrize("depth", [1, 5])
def test_what_is_no_number_and_no_text_is_not_written(value, depth):
    """NaN, infinities and halves of surrogate pairs, as value or as key, however deep."""
    for _ in range(depth):
        value = {"inside": [value]}
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates"):
        canonical(value)


@pytest.mark.parametrize("key", [1, 1.5, None, True, ("a",), b"a"])
def test_a_key_that_is_no_text_is_not_written(key):
    """JSON would write 1 as "1": another key when it is read again."""
    with pytest.raises(TypeError, match="is no text"):
        canonical({"a": [{key: 1}]})
    assert canonical({"a": [{"1": 1}]}) == b'{"a":[{"1":1}]}\n', "the control"


@pytest.mark.parametrize("empty", [False, True])
def test_depth_has_one_bound_for_reading_and_writing(empty):
    """What is written is read: 64 deep both ways, 65 neither."""
    assert parse(canonical(nested(MAX_DEPTH, empty)), "x") == nested(MAX_DEPTH, empty)
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        canonical(nested(MAX_DEPTH + 1, empty))
    with pytest.raises(BadInputError, match="nested more than 64 deep"):
        parse(json.dumps(nested(MAX_DEPTH + 1, empty)).encode(), "x")


# What is refused on reading


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "Expecting value"),
        (b"NaN", "NaN is no number"),
        (b'{"a":[Infinity]}', "Infinity is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[1e999]", "1e999 is no number"),
        (b'{"a":1,"a":1}', "the key 'a' stands twice"),
        (b'{"a":1,"\\u0061":2}', "the key 'a' stands twice"),
        (b'[{"x":{"b":1,"c":2,"b":3}}]', "the key 'b' stands twice"),
        (b"[" * 100_000, "nested more than 64 deep"),
        (b'["\\ud800"]', "half of a surrogate pair"),
        (b'{"\\udc00":1}', "half of a surrogate pair"),
        (b'["\xed\xa0\x80"]', "is not UTF-8 at byte 2"),
        (b"\xff\xfe[1]", "is not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf[1]", "no JSON as records use it"),
        (b"[1]x", "no JSON as records use it"),
        (b"[1,]", "no JSON as records use it"),
        (b"{'a':1}", "no JSON as records use it"),
        (b"[01]", "no JSON as records use it"),
        (b"[1" + b"0" * 5000 + b"]", "no JSON as records use it"),
        (b'["\x01"]', "no JSON as records use it"),
        (b"[1]\x00", "no JSON as records use it"),
    ],
)
def test_what_json_leaves_open_is_refused(data, told):
    """Each with one line that names the file and what is wrong."""
    with pytest.raises(BadInputError) as caught:
        parse(data, "run.json")
    assert "run.json" in caught.value.message
    assert told in caught.value.message
    assert len(caught.value.message) < 300


def test_what_is_good_is_read():
    """The control of the test above: a pair of surrogates, deep and long things that are right."""
    assert parse(b'["\\ud83d\\ude00", 1E3, -0.0, {"a":{"a":1}}]', "x") == ["\U0001f600", 1000.0, -0.0, {"a": {"a": 1}}]


def test_a_file_that_is_too_large_is_not_parsed(monkeypatch):
    """One byte more than the bound; at the bound it is read."""
    monkeypatch.setattr("harness.records.canonical.MAX_BYTES", 10)
    assert parse(b"[1,2,3,45]", "x") == [1, 2, 3, 45]
    with pytest.raises(BadInputError, match="has 11 bytes, more than 10"):
        parse(b"[1,2,3,456]", "x")
    assert MAX_BYTES >= 150_000_000, "a run of a million frames"


def test_many_keys_take_no_quadratic_time():
    """A key that stands twice behind 200,000 others is found at once."""
    keys = ",".join(f'"{number}":0' for number in range(200_000))
    with pytest.raises(BadInputError, match="the key '199999' stands twice"):
        parse(f'{{{keys},"199999":0}}'.encode(), "x")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    """Never another exception; and what is read can be written."""
    try:
        document = parse(data, "x")
    except BadInputError:
        return
    assert parse(canonical(document), "x") == document
