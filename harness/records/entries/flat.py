"""Collective Knowledge's flat keys: nested data as one dictionary, `##choices#env#STAT_REPEAT` -> value.

The form that CK's kernel gives (`flatten_dict`): `#` before the key of a dictionary, `@` before the number of a list's
item, `##` in front of the whole; empty dictionaries and lists leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

ROOT = "#"


def flatten(document: Any, keep: Sequence[str] = ()) -> dict[str, Any]:
    """Nested data under CK's flat keys, in the order in which it stands there.

    Args:
        document: dictionaries, lists and plain values; nested at most as deep as Python recurses.
        keep: patterns (`##choices#*`) of which a key has to match one; none keeps all.
    """
    return {key: value for key, value in _walk(document, ROOT) if not keep or _matches(key, keep)}


def same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two flat dictionaries describe the same point, as CK compares: what is missing equals an empty text."""
    return all(one.get(key, "") == other.get(key, "") for key in one.keys() | other.keys())


def _walk(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    # Exactly these types: CK leaves a subclass or a tuple as one value.
    if type(value) is dict:
        for key, item in value.items():
            yield from _walk(item, f"{prefix}#{key}")
    elif type(value) is list:
        for number, item in enumerate(value):
            yield from _walk(item, f"{prefix}@{number}")
    else:
        yield prefix, value


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(key, pattern) if set("*?") & set(pattern) else key == pattern for pattern in patterns)
