"""The smaller tables of an instrument's profile: what each holds, and how it is read from the file."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from power.checked_table import CheckedTable

FIELDS = ("power_w", "energy_wh", "elapsed_s", "voltage_v", "current_a")
"""What a reply may hold. The name fixes the unit: an instrument is set up to answer in it."""
PRODUCT = "voltage_v*current_a"
"""The only other way to a power, for direct current alone: it ignores the phase."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_TERMINATORS = ("\n", "\r\n", "\r")
_MAX_VALUES = 256


class Terminators(NamedTuple):
    """What ends a reply, and what ends a command."""

    read: str = "\n"
    write: str = "\n"


class Check(NamedTuple):
    """A query, and the pattern that its whole reply must match."""

    query: str
    expect: str


class Ready(NamedTuple):
    """A query to poll until its reply is this value."""

    query: str
    value: str


class Integrate(NamedTuple):
    """Commands of the instrument's own integrator, and how long it needs after a start, seconds."""

    reset: str
    start: str
    stop: str
    settle_s: float


class RangeCommands(NamedTuple):
    """The power range: how it is read, left to the instrument, and held.

    Attributes:
        query: for the range in force.
        watts: pattern searched in its reply; the product of its groups is the range in watts.
        auto: command after which the instrument chooses the range; "" where there is none.
        fix: command that holds a range; ``{1}`` stands for the first group of the reply. "" where there is none.
        held: proves that the range is held; None where the instrument cannot tell.
    """

    query: str
    watts: str
    auto: str = ""
    fix: str = ""
    held: Check | None = None


class Accuracy(NamedTuple):
    """Per cent of the reading and per cent of the range; None is unknown."""

    reading_pct: float | None = None
    range_pct: float | None = None


class Limits(NamedTuple):
    """Watts that a reading cannot be below or above. `min_w` is below 0 by the instrument's offset."""

    min_w: float
    max_w: float


def read_fields(table: CheckedTable, block: bool) -> tuple[dict[str, int], str]:
    """Read `[fields]`.

    Args:
        table: the whole profile.
        block: whether the reply is a block, which has no fields.

    Returns:
        Field -> index of its value in a reply, and where the power comes from: "" or `PRODUCT`.

    Raises:
        ProfileError: a field that is unknown, or has no index of its own; no way to a power.
    """
    entries = table.table("fields")
    if block:
        if entries is not None:
            raise table.wrong("fields", "stands beside a block", 'a block is described by "block_field" alone')
        return {}, ""
    if entries is None:
        raise table.wrong("fields", "is missing", f"needs power_w; allowed: {', '.join(FIELDS)}")
    values = {field: entries.value(field) for field in FIELDS if entries.has(field)}
    entries.finish()
    power_from = _power_from(entries, values)
    fields: dict[str, int] = {}
    for field, value in values.items():
        index = _index(entries, field, value)
        if index in fields.values():
            raise entries.wrong(field, f"is {index}, as another field's", "each field has an index of its own")
        fields[field] = index
    return fields, power_from


def read_values(table: CheckedTable, fields: dict[str, int]) -> int:
    """Read `values`, how many a reply holds; where the file does not say, the last field is the last value.

    Raises:
        ProfileError: no whole number, or fewer than the fields need.
    """
    least = max(fields.values(), default=0) + 1
    if not table.has("values"):
        return least
    values = _index(table, "values", table.value("values"))
    if values < least:
        raise table.wrong("values", f"is {values}", f"the fields need at least {least}")
    return values


def read_numbers(table: CheckedTable, fields: dict[str, int]) -> dict[str, str]:
    """Read `[numbers]`: patterns of single fields.

    Raises:
        ProfileError: a field that the reply does not hold, or no regular expression.
    """
    entries = table.table("numbers")
    if entries is None:
        return {}
    numbers = {field: entries.pattern(field) for field in fields if entries.has(field)}
    entries.finish()
    return numbers


def read_range(table: CheckedTable) -> RangeCommands | None:
    """Read `[range]`.

    Raises:
        ProfileError: no query or pattern, one of `auto` and `fix` without the other, or a placeholder of `fix` for
            which the pattern has no group.
    """
    entries = table.table("range")
    if entries is None:
        return None
    query, watts = entries.line("query"), entries.pattern("watts", groups=1)
    auto, fix = entries.line("auto", ""), entries.line("fix", "")
    held = entries.table("held")
    check = None if held is None else Check(held.line("query"), held.pattern("expect"))
    if held is not None:
        held.finish()
    entries.finish()
    if bool(auto) != bool(fix):
        raise entries.wrong("fix" if auto else "auto", "is missing", "a ranging pass needs auto and fix, or neither")
    if held is not None and not fix:
        raise entries.wrong("held", "stands without fix", "it proves that fix was taken")
    groups = re.compile(watts).groups
    wrong = [text for text in _PLACEHOLDER.findall(fix) if not text.isdigit() or not 1 <= int(text) <= groups]
    if wrong or "{" in _PLACEHOLDER.sub("", fix):
        raise entries.wrong("fix", f"is {fix!r}"[:90], f"allowed are {{1}} to {{{groups}}}, the groups of watts")
    return RangeCommands(query, watts, auto, fix, check)


def read_accuracy(table: CheckedTable) -> Accuracy:
    """Read `[accuracy]`; what is left out is unknown.

    Raises:
        ProfileError: a number below 0, or none.
    """
    entries = table.table("accuracy")
    if entries is None:
        return Accuracy()
    accuracy = Accuracy(entries.optional_number("reading_pct"), entries.optional_number("range_pct"))
    entries.finish()
    return accuracy


def read_limits(table: CheckedTable) -> Limits:
    """Read `limits`.

    Raises:
        ProfileError: missing, or not min_w <= 0 < max_w.
    """
    entries = table.table("limits")
    if entries is None:
        raise table.wrong("limits", "is missing", "write limits = { min_w = -1, max_w = 12000 }")
    limits = Limits(entries.number("min_w"), entries.number("max_w"))
    entries.finish()
    if not limits.min_w <= 0 < limits.max_w:
        raise table.wrong("limits", f"is {limits.min_w} to {limits.max_w} W", "allowed is min_w <= 0 < max_w")
    return limits


def read_checks(table: CheckedTable) -> tuple[Check, ...]:
    """Read `[[verify]]`.

    Raises:
        ProfileError: a check without a query or a pattern.
    """
    checks = []
    for entries in table.tables("verify"):
        checks.append(Check(entries.line("query"), entries.pattern("expect")))
        entries.finish()
    return tuple(checks)


def read_ready(table: CheckedTable) -> Ready | None:
    """Read `ready`.

    Raises:
        ProfileError: no query, or no value.
    """
    entries = table.table("ready")
    if entries is None:
        return None
    ready = Ready(entries.line("query"), entries.line("value"))
    entries.finish()
    return ready


def read_integrate(table: CheckedTable) -> Integrate | None:
    """Read `[integrate]`.

    Raises:
        ProfileError: one of its four keys is missing or wrong.
    """
    entries = table.table("integrate")
    if entries is None:
        return None
    settle_s = entries.number("settle_s")
    if settle_s < 0:
        raise entries.wrong("settle_s", f"is {settle_s}", "allowed is a number of seconds from 0 up")
    integrate = Integrate(entries.line("reset"), entries.line("start"), entries.line("stop"), settle_s)
    entries.finish()
    return integrate


def read_terminators(table: CheckedTable) -> Terminators:
    r"""Read `terminators`; "\n" where the file names none.

    Raises:
        ProfileError: neither line feed, nor carriage return, nor both.
    """
    entries = table.table("terminators")
    if entries is None:
        return Terminators()
    terminators = Terminators(entries.text("read", "\n", _TERMINATORS), entries.text("write", "\n", _TERMINATORS))
    entries.finish()
    return terminators


def _power_from(entries: CheckedTable, values: dict[str, Any]) -> str:
    """Take the text `PRODUCT` out of the values; "" where the power is one of them."""
    if "power_w" not in values:
        raise entries.wrong("power_w", "is missing", f'allowed is an index, or "{PRODUCT}"')
    if not isinstance(values["power_w"], str):
        return ""
    power_from = values.pop("power_w")
    if power_from != PRODUCT:
        raise entries.wrong("power_w", f"is {power_from!r}"[:90], f'allowed is an index, or "{PRODUCT}"')
    for field in ("voltage_v", "current_a"):
        if field not in values:
            raise entries.wrong(field, "is missing", f'"{PRODUCT}" needs it')
    return PRODUCT


def _index(table: CheckedTable, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_VALUES:
        raise table.wrong(key, f"is {value!r}"[:90], f"allowed is a whole number from 0 to {_MAX_VALUES - 1}")
    return value
