"""JSON in one form: the same content gives the same bytes, and what JSON leaves open is refused."""

from __future__ import annotations

import json
import math
from typing import Any

from harness.errors import BadInputError

MAX_BYTES = 256 * 1024 * 1024
"""Largest file that is read: a run of a million frames has 150 MB."""
MAX_DEPTH = 64
"""Deepest nesting that is read or written; a record has less than ten."""


_HOLDERS = (dict, list, tuple)


def canonical(document: Any) -> bytes:
    """Write plain data as JSON with sorted keys, no blanks, UTF-8 and one final newline.

    Numbers are written as Python's `repr`: the shortest text that gives the same float again. In this it differs
    from RFC 8785, which writes 1.0 as 1 and so loses that it was a float.

    Raises:
        ValueError: it holds NaN, infinity, half of a surrogate pair, or is nested too deeply.
        TypeError: it holds something that JSON has no form for, or a key that is no text.
    """
    _require_text_keys(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def parse(data: bytes, name: str) -> Any:
    """Read JSON, strictly.

    Args:
        data: the bytes of a file or a message.
        name: what it is, for messages.

    Raises:
        BadInputError: it is too large, nested too deeply, no JSON or no UTF-8; it holds NaN, a number beyond the
            range of a float, half of a surrogate pair, or a key twice.
    """
    if len(data) > MAX_BYTES:
        raise BadInputError(f"{name} has {len(data):,} bytes, more than {MAX_BYTES:,}", "it is no record")
    try:
        document = json.loads(
            data.decode("utf-8"), parse_float=_finite, parse_constant=_finite, object_pairs_hook=_distinct
        )
        _require_depth(document)
        if b"\\u" in data:  # only an escape can smuggle half of a pair in
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadInputError(f"{name} holds half of a surrogate pair, which is no text") from None
    except UnicodeDecodeError as error:
        raise BadInputError(f"{name} is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise BadInputError(f"{name} is nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:
        raise BadInputError(f"{name} is no JSON as records use it: {error}") from None
    return document


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number that a record may hold")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} stands twice in one object")
        found[key] = value
    return found


def _require_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, _HOLDERS)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, _HOLDERS)
        ]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _require_text_keys(document: Any) -> None:
    """A number as a key would become text, and be another key when it is read again."""
    level = [document] if isinstance(document, _HOLDERS) else []
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for parent in level:
            if isinstance(parent, dict):
                for key in parent:
                    if not isinstance(key, str):
                        raise TypeError(f"the key {key!r} is no text")
                below += parent.values()
            else:
                below += parent
        level = [child for child in below if isinstance(child, _HOLDERS)]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
