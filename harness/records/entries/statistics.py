"""The statistics that Collective Knowledge keeps of every flat key of a point, as its module `experiment` makes them.

For each new value of a key K: `K#repeats` counts it, `K#all` keeps it, `K#all_unique` keeps it once. Of numbers there
are `#min`, `#max`, `#range`, `#halfrange`, `#center`, `#mean` and, where the least is not 0, `#range_percent` (a
fraction: range / least); of anything else `#min` is the first value. There is no standard deviation.

CK adds `#exp`, `#exp_allx`, `#exp_ally` and `#exp_warning` (peaks of a density) where the Python that records has
scipy, and leaves them out where it has not; the published records of 2018 hold both kinds. They follow from `#all` by
a smoothing that nobody chose for the case, so they are read, kept, and never made here; a key that gets another value
loses them, since they no longer describe it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import BadInputError
from harness.records.entries.flat import flatten

ANALYSED = ("##characteristics#*", "##features#*", "##choices#*", "##pipeline_state#*")
"""Keys of which CK keeps statistics."""
OPTIONAL = ("#exp", "#exp_allx", "#exp_ally", "#exp_warning")
"""Endings that only a CK with scipy writes."""

_NUMBERS = (int, float)  # by type exactly: a bool is no number to CK
_SEVERAL = "@@"  # "@@1,2,3" is three values of one key


@dataclass(frozen=True)
class Analysed:
    """What an addition did to the flat statistics of a point.

    Attributes:
        flat: the statistics, old and new.
        extreme: True where the last repetition brought a new least or greatest value: CK then keeps a sub-point.
    """

    flat: dict[str, Any]
    extreme: bool


def analyse(flat: Mapping[str, Any], characteristics: Sequence[Mapping[str, Any]], rest: Mapping[str, Any]) -> Analysed:
    """Add repetitions to the statistics of a point.

    Args:
        flat: what is there, empty for a new point; is not changed.
        characteristics: one dictionary for each repetition (`{"run": {"execution_time": 0.2}}`), units as in their
            names.
        rest: `features`, `choices` and `pipeline_state` of the point; they count once for each repetition.

    Raises:
        BadInputError: numbers and other values stand under one key, or what is there are no statistics.
    """
    result = copy.deepcopy(dict(flat))
    shared = flatten(dict(rest), ANALYSED)
    extreme = False
    for number, measured in enumerate(characteristics):
        own = flatten({"characteristics": dict(measured)}, ANALYSED)
        values = {**shared, **{key: _unpacked(value) for key, value in own.items()}}
        # CK saves time: between the first and the last repetition it only collects.
        ends = number in (0, len(characteristics) - 1)
        extreme = False
        for key, value in values.items():
            for item in value if type(value) is list else [value]:
                extreme |= _add(result, key, item, whole=ends)
    return Analysed(result, extreme)


def disagreements(flat: Mapping[str, Any], tolerance: float = 1e-12) -> tuple[str, ...]:
    """Keys of a point's statistics that do not follow from its `#all`; empty for an honest point.

    Args:
        flat: the content of a `.flat.json`.
        tolerance: largest relative difference of a number.

    Raises:
        BadInputError: numbers and other values stand under one key.
    """
    wrong = []
    for name, values in flat.items():
        if not name.endswith("#all"):
            continue
        key = name.removesuffix("#all")
        if type(values) is not list or not values or any(type(value) in (list, dict) for value in values):
            wrong.append(name)
            continue
        expected: dict[str, Any] = {
            f"{key}#repeats": len(values),
            f"{key}#all_unique": list(dict.fromkeys(values)),
            f"{key}#min": next((value for value in values if value != ""), ""),
        }
        if type(values[-1]) in _NUMBERS:
            expected |= _summary(key, values, values)
        wrong += [end for end, value in expected.items() if not _equal(flat.get(end), value, tolerance)]
    return tuple(wrong)


def _add(flat: dict[str, Any], key: str, value: Any, *, whole: bool) -> bool:
    """Add one value of one key; True where it is a new extreme."""
    repeats = flat.get(f"{key}#repeats", 0)
    collected, unique = flat.setdefault(f"{key}#all", []), flat.setdefault(f"{key}#all_unique", [])
    if type(repeats) is not int or type(collected) is not list or type(unique) is not list:
        raise BadInputError(f"the statistics of {key} are not those of CK", "add to another entry")
    flat[f"{key}#repeats"] = repeats + 1
    collected.append(value)
    if value not in unique:
        unique.append(value)
    for ending in OPTIONAL:
        flat.pop(key + ending, None)
    if whole and type(value) in _NUMBERS:
        known = [flat[end] for end in (f"{key}#min", f"{key}#max") if end in flat]
        flat.update(_summary(key, collected, [*collected, *known]))
        # CK looks for a new extreme after it took the value in, so a number never is one.
        return False
    if flat.get(f"{key}#min", "") != "":
        return False
    flat[f"{key}#min"] = value
    return True


def _summary(key: str, collected: Sequence[Any], bounds: Sequence[Any]) -> dict[str, Any]:
    """What CK derives from numbers; the sum is a plain one, as CK's is."""
    try:
        least, greatest = min(bounds), max(bounds)
        spread = greatest - least
        derived = {
            f"{key}#min": least,
            f"{key}#max": greatest,
            f"{key}#range": spread,
            f"{key}#halfrange": spread / 2,
            f"{key}#center": least + spread / 2,
            f"{key}#mean": sum(collected) / float(len(collected)),
        }
    except TypeError:
        raise BadInputError(f"numbers and other values stand under one key: {key}") from None
    except OverflowError:
        raise BadInputError(f"a number is beyond the range of a float: {key}") from None
    return derived | ({f"{key}#range_percent": spread / least} if least != 0 else {})


def _unpacked(value: Any) -> Any:
    """The values of a text "@@1,2,3"; what is no number stays text."""
    if not (isinstance(value, str) and value.startswith(_SEVERAL)):
        return value
    return [_number(part) for part in value.removeprefix(_SEVERAL).split(",")]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _equal(one: Any, other: Any, tolerance: float) -> bool:
    if type(one) in (int, float) and type(other) in (int, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=0.0)
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(_equal(a, b, tolerance) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)
