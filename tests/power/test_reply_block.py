"""Blocks, identities and ranges: the replies that are no list of numbers."""

import dataclasses
import struct

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from power.errors import ReplyError
from power.meter import Reading
from power.profile import Profile, shipped_profiles
from power.reply import parse_block, parse_identity, parse_range, parse_reply

SHIPPED = {profile.name: profile for profile in shipped_profiles()}
WT300E, N6705 = (SHIPPED[name] for name in ("yokogawa-wt300e", "keysight-n6705"))


def cause_of(profile: Profile, raw: bytes, volts: bytes | None = None) -> str:
    """Why the reply holds no value; "" where it holds one."""
    try:
        parse_reply(profile, raw, volts=volts)
    except ReplyError as error:
        return error.cause
    return ""


def block_of(values: list[float]) -> bytes:
    """The values as a definite-length block."""
    data = struct.pack(f">{len(values)}f", *values)
    length = str(len(data)).encode()
    return b"#" + str(len(length)).encode() + length + data + b"\n"


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=300))
def test_a_block_gives_its_numbers(values: list[float]) -> None:
    """A block comes back bit by bit, and an altered one does not."""
    raw = block_of(values)
    found = parse_block(raw)
    assert found.dtype == np.float32
    assert found.tolist() == values
    assert parse_block(raw.removesuffix(b"\n")).tolist() == values
    assert parse_block(block_of([*values[:-1], 2.0])).tolist() != values


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60), st.data())
def test_a_block_that_was_cut_off_is_refused(values: list[float], data: st.DataObject) -> None:
    """Every strict prefix of a block is refused, but for the one that lacks the terminator alone."""
    raw = block_of(values)
    cut = raw[: data.draw(st.integers(0, len(raw) - 2))]
    assume(cut != raw.removesuffix(b"\n"))
    assert cause_of(N6705, cut, volts=b"1.2000E+01") in {"truncated", "empty"}


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"#10\n", "empty"),
        (b"#", "truncated"),
        (b"#3", "truncated"),
        (b"#212", "truncated"),
        (b"#14abc", "truncated"),
        (b"#14abcdef", "long"),
        (b"#14abcd\n\n", "long"),
        (b"#15abcde\n", "garbage"),
        (b"#0abcd\n", "garbage"),
        (b"#A4abcd", "garbage"),
        (b"#2-4abcd", "garbage"),
        (b"#\xff4abcd", "garbage"),
        (b"1.8E+01\n", "garbage"),
    ],
)
def test_a_malformed_block_names_its_cause(raw: bytes, cause: str) -> None:
    """Every way to announce a wrong length is refused with its flag."""
    with pytest.raises(ReplyError) as told:
        parse_block(raw)
    assert told.value.cause == cause


def test_a_block_of_currents_becomes_watts() -> None:
    """The power of a block of currents is their mean times the voltage; a missing or bad voltage is refused."""
    raw = block_of([1.0, 2.0])
    assert parse_reply(N6705, raw, volts=b"1.2000E+01\n") == Reading(18.0)
    assert cause_of(N6705, raw) == "short"
    assert cause_of(N6705, raw, b"1.2000E+0") == "truncated"
    assert cause_of(N6705, raw, b"9.91E+37") == "nan"
    assert cause_of(N6705, block_of([1.0, float("nan")]), b"1.2000E+01") == "nan"
    assert cause_of(N6705, block_of([1.0, 9.91e37]), b"1.2000E+01") == "nan"
    assert cause_of(N6705, block_of([1.0, 9.9e37]), b"1.2000E+01") == "overrange"
    assert cause_of(N6705, block_of([1.0, float("inf")]), b"1.2000E+01") == "overrange"
    assert cause_of(N6705, block_of([1e3]), b"1.2000E+01") == "limit"
    watts = dataclasses.replace(N6705, block_field="power_w", volts="")
    assert parse_reply(watts, raw) == Reading(1.5)


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "empty"),
        (b"1.8000E+01\n", "garbage"),
        (b"127.58E+00,240.02E-03\n", "garbage"),
        (b"NAN,NAN\n", "garbage"),
        (b"YOKOGAWA\xff,WT310E\n", "garbage"),
        (b"YOKOGAWA\n", "short"),
        (b"A,B,1,1\nA,B,1,1\n", "duplicate"),
    ],
)
def test_what_is_no_identity_is_refused(raw: bytes, cause: str) -> None:
    """A reply to another query is never taken for an identity."""
    with pytest.raises(ReplyError) as told:
        parse_identity(raw)
    assert told.value.cause == cause


def test_an_identity_comes_without_its_terminator() -> None:
    """The identity is the line between the terminators, whatever they are."""
    for end in (b"", b"\n", b"\r\n"):
        assert parse_identity(b"YOKOGAWA,WT310E,VIRTUAL,F1.04" + end) == "YOKOGAWA,WT310E,VIRTUAL,F1.04"
    assert parse_identity(b"YOKOGAWA,WT310E,VIRTUAL,F1.05") != "YOKOGAWA,WT310E,VIRTUAL,F1.04"


def test_the_range_is_volts_times_amperes() -> None:
    """The range in watts is the product of both ranges, whose texts are kept; a reply of another form is refused."""
    for raw, range_w, texts in (
        (b"150.0E+00;1.00E+00\n", 150.0, ("150.0E+00", "1.00E+00")),
        (b"300.0E+00;500.0E-03\n", 150.0, ("300.0E+00", "500.0E-03")),
        (b"15;2\n", 30.0, ("15", "2")),
    ):
        assert parse_range(WT300E.range, raw) == (range_w, texts)
    for raw in (b"150.0E+00\n", b"150;EXT,1\n", b"0;1\n", b"NAN;1\n"):
        with pytest.raises(ReplyError) as told:
            parse_range(WT300E.range, raw)
        assert told.value.cause == "garbage"
