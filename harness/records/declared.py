"""What somebody declares of a system since nobody can measure it: price and peak power, each with its source."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

from harness.errors import BadInputError
from harness.records.canonical import parse

EXAMPLE: Final = (
    '{"price_usd": 200, "price_date": "2017-08-11", "price_source": "shop, five at 40 USD", '
    '"peak_power_w": 32.5, "peak_power_source": "paper, Table 2: 6.5 W each"}'
)
_NUMBERS: Final = ("price_usd", "peak_power_w")
_TEXTS: Final = ("price_date", "price_source", "peak_power_source")
_MOST: Final = 1e12
_LONGEST: Final = 10_000
_MEASURED: Final = ("ips", "latency", "energy", "power_w", "frequency", "governor", "accuracy")


def read_declared(path: Path) -> dict[str, Any]:
    """Read a declaration.

    Args:
        path: a JSON file like `EXAMPLE`.

    Returns:
        All five fields; None where nothing is declared.

    Raises:
        BadInputError: no JSON, an unknown field, a number that is not positive, a date that is none, a text that is
            too long, or a figure without its source.
    """
    try:
        document = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    hint = f"for example {EXAMPLE}"
    if not isinstance(document, dict) or not document:
        raise BadInputError(f"{path} declares nothing", hint)
    for name in document:
        if name not in (*_NUMBERS, *_TEXTS):
            why = "it is measured, not declared" if name.startswith(_MEASURED) else "no such field"
            raise BadInputError(f"{path}: {name}: {why}", hint)
    problem = next((problem for name in (*_NUMBERS, *_TEXTS) if (problem := _problem(name, document))), "")
    if problem:
        raise BadInputError(f"{path}: {problem}", hint)
    return {name: _number(document.get(name)) for name in _NUMBERS} | {name: document.get(name) for name in _TEXTS}


def _problem(name: str, document: dict[str, Any]) -> str:
    """What is wrong with one field; "" where nothing is."""
    value = document.get(name)
    if value is None:
        return ""
    if name in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _MOST:
            return f"{name} is {str(value)[:60]}, not a positive number"
        source = f"{name.rsplit('_', 1)[0]}_source"
        return "" if document.get(source) else f"{name} has no {source}"
    if not isinstance(value, str):
        return f"{name} is no text"
    if len(value) > _LONGEST:
        return f"{name} has more than {_LONGEST:,} characters"
    return f"{name} is {value[:60]!r}, no date like 2017-08-11" if name == "price_date" and not _is_date(value) else ""


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
