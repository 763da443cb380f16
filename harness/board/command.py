"""The command that repeats a run, from what its record says (pure)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from harness.board.values import is_number, mapping
from harness.board.words import private

_NUMBERS = {
    "frames": "--frames",
    "warmup": "--warmup",
    "seed": "--seed",
    "in_flight": "--in-flight",
    "rate_fps": "--rate",
    "threads": "--threads",
    "least_s": "--seconds",
    "stall_s": "--stall",
}
_DEFAULTS = {"least_s": 0.0, "stall_s": 60.0}
"""What need not be said."""
_SOURCES = ("virtual", "rapl", "ina3221")
"""Sources of power that mean the same on every machine; an address of an instrument does not."""
_LONGEST = 200
_METER_VARIABLE = '"$METER"'


def command_of(document: Mapping[str, Any]) -> str:
    """What to type to repeat the run of a record; "" where the record does not tell.

    Each argument is quoted for a shell, and a text with letters that cannot be printed gives no command at all:
    nobody pastes into a terminal what they cannot see. Addresses and paths stay at home; an instrument's is named
    "$METER".

    Args:
        document: a run record; nothing in it is trusted.
    """
    options = mapping(document.get("options"))
    named = _named(document, options)
    numbers = _numbers(options, official=document.get("kind") == "official")
    if named is None or numbers is None:
        return ""
    return " ".join(["iot-farm run", *named, *numbers, *_power(options.get("power"))])


def _named(document: Mapping[str, Any], options: Mapping[str, Any]) -> list[str] | None:
    """Options that are texts; None where one is needed and cannot be said."""
    target, model = mapping(document.get("target")), mapping(document.get("model"))
    host = target.get("kind") == "host"
    values = (
        ("--target", target.get("name"), True),
        ("--model", model.get("name"), True),
        ("--device", target.get("device") if host else None, False),
        ("--partition", mapping(document.get("plan")).get("partition"), False),
        ("--weights", options.get("weights"), False),
        ("--wire", options.get("wire"), False),
        ("--runtime", options.get("runtime"), False),
        ("--precision", options.get("precision"), False),
        ("--emulate", _emulation(document.get("emulated")), False),
        ("--protocol", options.get("protocol"), False),
    )
    words = []
    for option, value, needed in values:
        if value is None and not needed:
            continue
        if not _sayable(value) or (option == "--device" and value not in ("cpu", "gpu")):
            return None
        words.append(_option(option, str(value)))
    return words


def _emulation(emulated: Any) -> Any:
    """What the nodes imitated; behind a stroke stands by which requests, which is an option of its own."""
    return emulated.partition("/")[0] if isinstance(emulated, str) else emulated


def _numbers(options: Mapping[str, Any], *, official: bool) -> list[str] | None:
    """Options that are numbers; None where one is none."""
    words = []
    for key, option in _NUMBERS.items():
        value = options.get(key)
        if value is None or value == _DEFAULTS.get(key) or (key == "least_s" and official):
            continue
        if not is_number(value):
            return None
        words.append(f"{option} {value:g}" if isinstance(value, float) else f"{option} {value}")
    return [*words, *(["--official"] if official else [])]


def _power(power: Any) -> list[str]:
    power = mapping(power)
    source = power.get("source")
    if not isinstance(source, str) or source in ("", "none"):
        return []
    words = [f"--power {source if source in _SOURCES else _METER_VARIABLE}"]
    for key, option in (("idle_s", "--idle"), ("rate_hz", "--power-rate")):
        if is_number(power.get(key)):
            words.append(f"{option} {power[key]:g}")
    return words


def _option(name: str, value: str) -> str:
    """An option and its value; a value like an option is bound to its own."""
    quoted = shlex.quote(value)
    return f"{name}={quoted}" if value.startswith("-") else f"{name} {quoted}"


def _sayable(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable() and private(value) == value
