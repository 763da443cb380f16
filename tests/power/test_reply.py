"""Replies: a whole one gives its number to the last digit, and a broken one gives its cause and never a number."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import ReplyError
from power.meter import Reading
from power.profile import Profile, shipped_profiles
from power.reply import parse_block, parse_identity, parse_range, parse_reply
from power.trace import FLAGS

SHIPPED = {profile.name: profile for profile in shipped_profiles()}
TEXTUAL = [profile for profile in SHIPPED.values() if not profile.block]
WT300E, IT9121, GENERIC, N6705 = (
    SHIPPED[name] for name in ("yokogawa-wt300e", "itech-it9121", "generic-supply", "keysight-n6705")
)
SAMPLES = {
    "yokogawa-wt300e": (b"3600,11.800E+00,18.003E+00\n", Reading(18.003, 11.8, 3600.0)),
    "gw-instek-gpm8213": (
        b"127.58E+00,240.02E-03,17.688E+00,30.622E+00,24.997E+00,577.62E-03,NAN,NAN\r\n",
        Reading(17.688),
    ),
    "rs-hmc8015": (b"2.3012E+02,7.8000E-02,1.8000E+01\n", Reading(18.0)),
    "tektronix-pa1000": (b"1.8003E+01\n", Reading(18.003)),
    "itech-it9121": (b"1.8000E+01\n", Reading(18.0)),
    "siglent-spd3303x": (b"18.003\n", Reading(18.003)),
    "chroma-66200": (b"+1.800300E+01\n", Reading(18.003)),
    "generic-supply": (b"+1.20000000E+01;+1.50000000E+00\n", Reading(18.0)),
}
"""A whole reply of each instrument that answers in text."""
CAUSES = [
    (IT9121, b"", "empty"),
    (IT9121, b"\r\n", "empty"),
    (WT300E, b"3600,11.800E+00\n", "short"),
    (WT300E, b"3600,11.800E+00,1.8000E+01,1.0000E+00\n", "long"),
    (IT9121, b"1.8000E+01\n1.8000E+01\n", "duplicate"),
    (IT9121, b"1.8000E+0\n", "truncated"),
    (IT9121, b"1.8000\n", "truncated"),
    (IT9121, b"-", "truncated"),
    (IT9121, b"NA\n", "truncated"),
    (WT300E, b"3600,11.800E+00,\n", "truncated"),
    (IT9121, b"1.80\xff0E+01\n", "garbage"),
    (IT9121, b"1.80\x000E+01\n", "garbage"),
    (IT9121, b"hello\n", "garbage"),
    (IT9121, b"1_8.000E+01\n", "garbage"),
    (WT300E, b"3600,11.8,1.8000E+01\n", "garbage"),
    (IT9121, b"POW:ACT 1.8000E+01\n", "header"),
    (WT300E, b":NUMERIC:NORMAL:VALUE 3600,11.800E+00,18.003E+00\n", "header"),
    (IT9121, b":POW NAN\n", "header"),
    (IT9121, b"1,8000E+01\n", "comma"),
    (WT300E, b"3600,11,800E+00,18,003E+00\n", "comma"),
    (GENERIC, b"1,2000E+01;1.5000E+00\n", "comma"),
    (IT9121, b"NAN\n", "nan"),
    (IT9121, b"nan\n", "nan"),
    (IT9121, b"9.91E+37\n", "nan"),
    (IT9121, b"9.910000E37\n", "nan"),
    (WT300E, b"0,NAN,NAN\n", "nan"),
    (GENERIC, b"1.2000E+01;NAN\n", "nan"),
    (IT9121, b"INF\n", "overrange"),
    (IT9121, b"-INF\n", "overrange"),
    (IT9121, b"9.9E+37\n", "overrange"),
    (SHIPPED["rs-hmc8015"], b"2.3000E+02,INF,1.8000E+01\n", "overrange"),
    (IT9121, b"-1.8000E+01\n", "negative"),
    (IT9121, b"1.8000E+10\n", "limit"),
]


def checked_cause(error: ReplyError) -> str:
    """The cause, which must be a flag, beside a message that is one short line."""
    assert error.cause in FLAGS
    assert error.cause
    assert error.message.isprintable()
    assert len(error.message) < 400
    return error.cause


def cause_of(profile: Profile, raw: bytes, volts: bytes | None = None) -> str:
    """Why the reply holds no value; "" where it holds one."""
    try:
        reading = parse_reply(profile, raw, volts=volts)
    except ReplyError as error:
        return checked_cause(error)
    assert profile.limits.min_w <= reading.power_w <= profile.limits.max_w
    return ""


def rendered(profile: Profile, number: float) -> str:
    """The number as the instrument writes it, which resolves nothing below 1E-09."""
    number = round(number, 9)
    return f"{number:.3f}" if profile.name == "siglent-spd3303x" else f"{number:.6E}"


def whole_reply(profile: Profile, numbers: dict[str, float]) -> bytes:
    """A reply with these numbers in their fields, and NAN in the values that no field names."""
    tokens = ["NAN"] * profile.values
    for field, index in profile.fields.items():
        tokens[index] = str(int(numbers[field])) if field == "elapsed_s" else rendered(profile, numbers[field])
    return profile.separator.join(tokens).encode() + profile.terminators.read.encode()


@st.composite
def replies(draw: st.DrawFn) -> tuple[Profile, dict[str, float]]:
    """A shipped profile that answers in text, and numbers within its limits as the instrument rounds them."""
    profile = draw(st.sampled_from(TEXTUAL))
    watts = st.floats(profile.limits.min_w, profile.limits.max_w)
    numbers = {
        "power_w": draw(watts),
        "energy_wh": draw(st.floats(-1e6, 1e6)),
        "elapsed_s": float(draw(st.integers(0, 10**7))),
        "voltage_v": draw(st.floats(0, 30)),
        "current_a": draw(st.floats(0, 9)),
    }
    return profile, {
        field: value if field == "elapsed_s" else float(rendered(profile, value)) for field, value in numbers.items()
    }


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_sample_reply_of_each_instrument_is_read(name: str) -> None:
    """The sample reply of each instrument gives its reading, with and without the terminator, and no other one."""
    raw, reading = SAMPLES[name]
    profile = SHIPPED[name]
    assert parse_reply(profile, raw) == reading
    assert parse_reply(profile, raw.rstrip(b"\r\n")) == reading
    assert parse_reply(profile, raw) != dataclasses.replace(reading, power_w=reading.power_w * 1.001)


def test_every_instrument_has_a_sample() -> None:
    """No shipped profile is left without a sample reply: those above and the one that answers in blocks."""
    assert {*SAMPLES, N6705.name} == set(SHIPPED)


@pytest.mark.parametrize(("profile", "raw", "cause"), CAUSES, ids=[f"{cause}-{raw!r}"[:50] for _, raw, cause in CAUSES])
def test_a_broken_reply_names_its_cause(profile: Profile, raw: bytes, cause: str) -> None:
    """Each broken reply is refused with the flag that stands for what is wrong with it."""
    assert cause_of(profile, raw) == cause


def test_every_cause_of_a_reply_is_shown_above() -> None:
    """The table of broken replies covers every flag that a reply alone can earn."""
    of_the_line = {"timeout", "late", "eof", "reset", "unreachable", "replaced", "restarted", "frozen", "range", ""}
    assert {cause for _, _, cause in CAUSES} == set(FLAGS) - of_the_line


@given(replies())
def test_a_whole_reply_gives_its_numbers(drawn: tuple[Profile, dict[str, float]]) -> None:
    """Numbers within the limits come back exactly as the instrument rounded them."""
    profile, numbers = drawn
    reading = parse_reply(profile, whole_reply(profile, numbers))
    expected = numbers["voltage_v"] * numbers["current_a"] if profile.power_from else numbers["power_w"]
    assert reading.power_w == expected
    assert reading.energy_wh == (numbers["energy_wh"] if "energy_wh" in profile.fields else None)
    assert reading.elapsed_s == (numbers["elapsed_s"] if "elapsed_s" in profile.fields else None)


@given(replies())
def test_a_reply_that_was_cut_off_is_refused(drawn: tuple[Profile, dict[str, float]]) -> None:
    """Every strict prefix of a reply is refused, with or without a terminator behind it, for every shipped profile."""
    profile, numbers = drawn
    raw = whole_reply(profile, numbers).rstrip(b"\r\n")
    assert cause_of(profile, raw) == ""
    for end in range(len(raw)):
        assert cause_of(profile, raw[:end]) in {"empty", "short", "truncated"}
        assert cause_of(profile, raw[:end] + b"\n") in {"empty", "short", "truncated"}


def test_the_order_of_the_values_is_what_keeps_a_cut_elapsed_time_out() -> None:
    """A whole number as the last value cannot be told from a cut one: the control for the order of the items."""
    careless = dataclasses.replace(WT300E, fields={"power_w": 0, "energy_wh": 1, "elapsed_s": 2})
    assert parse_reply(careless, b"18.003E+00,11.800E+00,36").elapsed_s == 36.0  # of 3600: nothing shows it
    assert cause_of(WT300E, b"36") == "short"


@given(st.binary(max_size=60) | st.text("0123456789.,;+-E#NAIF \n", max_size=40).map(str.encode))
def test_no_bytes_end_in_another_error(raw: bytes) -> None:
    """Whatever bytes come, every parser gives a value or a ReplyError with a known flag."""
    for profile in SHIPPED.values():
        cause_of(profile, raw, volts=raw)
    for parse in (parse_block, parse_identity, lambda reply: parse_range(WT300E.range, reply)):
        try:
            parse(raw)
        except ReplyError as error:
            checked_cause(error)


def test_an_integrator_without_a_value_leaves_the_power() -> None:
    """An integrator that was not started is None beside a good power, and never 0."""
    assert parse_reply(WT300E, b"0,NAN,18.003E+00\n") == Reading(18.003, None, 0.0)
    assert parse_reply(WT300E, b"NAN,NAN,18.003E+00\n") == Reading(18.003, None, None)


def test_a_small_negative_power_is_kept_as_it_is() -> None:
    """A power below zero by no more than the offset stays in the mean, where it belongs; more is refused."""
    assert parse_reply(IT9121, b"-2.0000E-03\n").power_w == -0.002
    assert cause_of(IT9121, b"-5.0010E+00\n") == "negative"


def test_a_profile_may_name_its_own_special_values() -> None:
    """Texts and numbers that a profile lists as no value are known in any notation; the others stay numbers."""
    hioki = dataclasses.replace(
        IT9121, bad=("+6666.6E+99", "----"), overrange=("+9999.9E+99",), number=r"[+-]\d{4}\.\dE[+-]\d\d"
    )
    assert cause_of(hioki, b"+6666.6E+99\n") == "nan"
    assert cause_of(hioki, b"6.6666E102\n") == "nan"
    assert cause_of(hioki, b"----\n") == "nan"
    assert cause_of(hioki, b"+9999.9E+99\n") == "overrange"
    assert cause_of(hioki, b"+7777.7E+99\n") == "limit"
    assert cause_of(hioki, b"INF\n") == "overrange"
    assert parse_reply(hioki, b"+0018.0E+00\n").power_w == 18.0
