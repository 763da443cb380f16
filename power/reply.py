"""From the bytes of a reply to a reading, or to the reason why it holds none."""

from __future__ import annotations

import functools
import math
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from power.errors import ReplyError
from power.meter import Reading
from power.profile import NO_VALUE, OVERRANGE, Profile
from power.profile_sections import RangeCommands

_HEADER = re.compile(r":?[A-Za-z][A-Za-z0-9:]*[ ]+(?=[+\-.0-9]|NAN|INF)", re.IGNORECASE)
_NUMBER_CUT = re.compile(r"[+-]?(\d+(\.\d*)?(E[+-]?\d*)?)?", re.IGNORECASE)  # how a number may begin
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(E[+-]?\d+)?", re.IGNORECASE)
_SAME_REL = 1e-6  # two spellings of one special number agree at least so far
_SPECIAL_MIN = 9.9e36  # beyond it lie the codes of SCPI-99 for infinity and "not a number", and no power
_IDENTITY_FIELDS_MIN = 2
_SHOWN_BYTES = 60
_LENGTH_DIGITS = tuple(str(digit).encode() for digit in range(1, 10))  # 0 announces the indefinite form


def parse_identity(raw: bytes) -> str:
    """Read the reply to `*IDN?` (IEEE 488.2, 10.14: maker, model, serial number, firmware).

    Args:
        raw: the reply, with or without its terminator.

    Returns:
        The identity, without blanks around it.

    Raises:
        ReplyError: "empty"; "garbage" where it is not ASCII or begins with a number, as the late reply to another
            query does; "duplicate" where it is two lines; "short" where it has one field only.
    """
    text = _text(raw)
    maker, *others = text.split(",")
    if _float(maker) is not None:
        raise ReplyError(f"{_shown(raw)} is a number, not an identity", "garbage")
    if len(others) + 1 < _IDENTITY_FIELDS_MIN:
        raise ReplyError(f"{_shown(raw)} is no identity: maker and model are separated by a comma", "short")
    return text


def parse_reply(profile: Profile, raw: bytes, *, volts: bytes | None = None) -> Reading:
    """Read the reply to `profile.read`.

    A reply that was cut off is refused wherever the format lets one tell: always with `NR3` and with patterns of
    fixed decimals in the last value, and in a block. It cannot be told where only the terminator is missing, for which
    the value is the same, and where the last value may have any number of digits: put such a value before another.

    Args:
        profile: of the instrument.
        raw: the reply, with or without its terminator.
        volts: the reply to `profile.volts`, for a block of currents only.

    Returns:
        Watts, and the integrator's watt-hours and seconds where the reply holds them; these two are None where
        the instrument says that it has no value, as it does while its integrator was not started.

    Raises:
        ReplyError: its `cause` is "empty", "short", "long", "duplicate", "truncated", "garbage", "header", "comma",
            "nan", "overrange", "negative" or "limit".
    """
    if profile.block:
        return _read_block(profile, raw, volts)
    found = _values(profile, raw)
    for field in ("power_w", "voltage_v", "current_a"):  # a current above its range spoils the power beside it
        if found.get(field) == "overrange":
            raise ReplyError(f"{_shown(raw)}: {field} is above the range", "overrange")
    needed = ("voltage_v", "current_a") if profile.power_from else ("power_w",)
    power_w = 1.0
    for field in needed:
        value = found[field]
        if isinstance(value, str):
            raise ReplyError(f"{_shown(raw)}: the instrument has no value for {field}", value)
        power_w *= value
    energy_wh, elapsed_s = found.get("energy_wh"), found.get("elapsed_s")
    return Reading(
        power_w=_within_limits(profile, power_w, raw),
        energy_wh=energy_wh if isinstance(energy_wh, float) else None,
        elapsed_s=elapsed_s if isinstance(elapsed_s, float) else None,
    )


def parse_block(raw: bytes) -> npt.NDArray[np.float32]:
    """Read a definite-length block of numbers (IEEE 488.2, 8.7.9: `#`, digits of the length, length, data).

    Args:
        raw: the reply, with or without its terminator; the data are big-endian IEEE 754 singles.

    Returns:
        float32, shape (n,), n >= 1, in the byte order of this machine.

    Raises:
        ReplyError: "empty" reply or block; "truncated" where bytes are missing; "long" where there are more than
            announced; "garbage" where it is no such block, or not whole numbers of 4 bytes.
    """
    if not raw.strip(b"\r\n"):
        raise ReplyError("the reply is empty, not a block", "empty")
    if raw[:1] != b"#":
        raise ReplyError(f"{_shown(raw)} is no block: it does not begin with #", "garbage")
    begin, length = _block_length(raw)
    data, rest = raw[begin : begin + length], raw[begin + length :]
    if len(data) < length:
        raise ReplyError(f"the block holds {len(data)} of {length} bytes", "truncated")
    if rest not in {b"", b"\n", b"\r\n", b"\r"}:
        raise ReplyError(f"{len(rest)} bytes follow the block of {length}", "long")
    if not length:
        raise ReplyError("the block holds no value", "empty")
    if length % 4:
        raise ReplyError(f"a block of {length} bytes holds no whole number of 4-byte values", "garbage")
    return np.frombuffer(data, dtype=">f4").astype(np.float32)


def _block_length(raw: bytes) -> tuple[int, int]:
    """Where the data of a block begin, and how many bytes it announces."""
    if len(raw) == 1:
        raise ReplyError("the block ends before its length", "truncated")
    if raw[1:2] not in _LENGTH_DIGITS:
        raise ReplyError(f"{_shown(raw)} is no block of definite length", "garbage")
    begin = 2 + int(raw[1:2])
    length = raw[2:begin]
    if length and not length.isdigit():
        raise ReplyError(f"{_shown(raw)}: the length of the block is no number", "garbage")
    if len(raw) < begin:
        raise ReplyError(f"{_shown(raw)}: the block ends within its length", "truncated")
    return begin, int(length)


class PowerRange(NamedTuple):
    """A range in watts, and the texts of the instrument's reply that it is the product of."""

    range_w: float
    texts: tuple[str, ...]


def parse_range(commands: RangeCommands, raw: bytes) -> PowerRange:
    """Read the reply to the query of a range.

    Returns:
        The product of the groups of `commands.watts`, and these groups.

    Raises:
        ReplyError: "garbage" where the pattern is not found or gives no power above 0; else as in `parse_reply`.
    """
    found = re.search(commands.watts, _text(raw))
    if found is None:
        raise ReplyError(f"{_shown(raw)} names no range as the profile knows it", "garbage")
    factors = [_float(group) if group else None for group in found.groups()]
    range_w = math.prod(math.nan if factor is None else factor for factor in factors)
    if not (range_w > 0 and math.isfinite(range_w)):
        raise ReplyError(f"{_shown(raw)} names no range above 0 W", "garbage")
    return PowerRange(range_w, found.groups())


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        raise ReplyError(f"{_shown(raw)} is not ASCII", "garbage") from None
    text = text.removesuffix("\n").removesuffix("\r").strip(" ")
    if not text:
        raise ReplyError("the reply is empty", "empty")
    if "\n" in text or "\r" in text:
        raise ReplyError(f"{_shown(raw)} is more than one reply", "duplicate")
    if not text.isprintable():
        raise ReplyError(f"{_shown(raw)} holds control characters", "garbage")
    return text


def _values(profile: Profile, raw: bytes) -> dict[str, float | str]:
    """Each field's number, or the cause "nan" or "overrange"; the values that no field names are checked alike."""
    text = _text(raw)
    if _HEADER.match(text):
        raise ReplyError(f"{_shown(raw)} begins with a header: switch it off in the set-up", "header")
    tokens = [token.strip(" ") for token in text.split(profile.separator)]
    if len(tokens) > profile.values:
        if "." not in text and _DECIMAL_COMMA.search(text) and profile.separator == ",":
            raise ReplyError(f"{_shown(raw)} holds decimal commas", "comma")
        raise ReplyError(f"{_shown(raw)} holds {len(tokens)} values instead of {profile.values}", "long")
    names = {index: field for field, index in profile.fields.items()}
    found: dict[str, float | str] = {}
    for index, token in enumerate(tokens):
        name = names.get(index, "")
        value = _value(profile, token, profile.numbers.get(name, profile.number))
        if value is None:
            last = index == len(tokens) - 1
            cause = _why_no_number(profile, token, last)
            raise ReplyError(f"{_shown(raw)}: {token[:40]!r} is no whole number as the profile describes it", cause)
        found[name] = value
    if len(tokens) < profile.values:
        raise ReplyError(f"{_shown(raw)} holds {len(tokens)} values instead of {profile.values}", "short")
    return found


def _value(profile: Profile, token: str, pattern: str) -> float | str | None:
    for cause, meant in (("nan", profile.bad), ("overrange", profile.overrange)):
        if _means(token, meant):
            return cause
    if not re.fullmatch(pattern, token, re.IGNORECASE):
        # A value that is known to be none keeps its cause even where the profile does not list it.
        return "overrange" if _means(token, OVERRANGE) else "nan" if _means(token, NO_VALUE) else None
    return _float(token)


def _means(token: str, meant: tuple[str, ...]) -> bool:
    texts, numbers = _specials(meant)
    if token.upper() in texts:
        return True
    value = _float(token)
    return value is not None and any(math.isclose(value, number, rel_tol=_SAME_REL) for number in numbers)


@functools.lru_cache(maxsize=64)
def _specials(meant: tuple[str, ...]) -> tuple[frozenset[str], tuple[float, ...]]:
    numbers = (_float(text) for text in meant)
    finite = tuple(number for number in numbers if number is not None and math.isfinite(number))
    return frozenset(text.upper() for text in meant), finite


def _why_no_number(profile: Profile, token: str, last: bool) -> str:
    if "," in token and _DECIMAL_COMMA.fullmatch(token):
        return "comma"
    if last and _NUMBER_CUT.fullmatch(token):
        return "truncated"
    if last and any(text.upper().startswith(token.upper()) for text in (*profile.bad, *profile.overrange)):
        return "truncated"
    return "garbage"


def _within_limits(profile: Profile, power_w: float, raw: bytes) -> float:
    if power_w < min(profile.limits.min_w, 0.0):
        raise ReplyError(f"{_shown(raw)}: {power_w} W is negative beyond {profile.limits.min_w} W", "negative")
    if not power_w <= profile.limits.max_w:
        raise ReplyError(f"{_shown(raw)}: {power_w} W is above {profile.limits.max_w} W", "limit")
    return power_w


def _read_block(profile: Profile, raw: bytes, volts: bytes | None) -> Reading:
    values = parse_block(raw).astype(np.float64)
    if np.isnan(values).any() or _any_means(values, profile.bad):
        raise ReplyError("the block holds a value that is none", "nan")
    if _any_means(values, profile.overrange) or (np.abs(values) > _SPECIAL_MIN).any():
        raise ReplyError("the block holds a value above the range", "overrange")
    mean = float(values.mean())
    if profile.block_field == "power_w":
        return Reading(_within_limits(profile, mean, raw))
    if volts is None:
        raise ReplyError(f"a block of currents needs the reply to {profile.volts}", "short")
    token = _text(volts)
    voltage_v = _value(profile, token, profile.number)
    if isinstance(voltage_v, str):
        raise ReplyError(f"{_shown(volts)}: the instrument has no value for the voltage", voltage_v)
    if voltage_v is None:
        raise ReplyError(f"{_shown(volts)} is no whole number", _why_no_number(profile, token, last=True))
    return Reading(_within_limits(profile, mean * voltage_v, raw))


def _any_means(values: npt.NDArray[np.float64], meant: tuple[str, ...]) -> bool:
    return any(np.isclose(values, number, rtol=_SAME_REL, atol=0.0).any() for number in _specials(meant)[1])


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _shown(raw: bytes) -> str:
    return ascii(raw[:_SHOWN_BYTES])[1:] + ("..." if len(raw) > _SHOWN_BYTES else "")
