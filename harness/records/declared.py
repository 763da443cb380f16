"""What somebody declares of a system since nobody can measure it: price and peak power, each with its source."""

from __future__ import annotations

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
_MEASURED: Final = ("ips", "latency", "energy", "power_w", "frequency", "governor", "accuracy")


def read_declared(path: Path) -> dict[str, Any]:
    """Read a declaration.

    Args:
        path: a JSON file like `EXAMPLE`.

    Returns:
        All five fields; None where nothing is declared.

    Raises:
        BadInputError: no JSON, an unknown field, a number that is not positive, or a figure without its source.
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
    for name in _NUMBERS:
        value = document.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
            raise BadInputError(f"{path}: {name} is {value!r}, not a positive number", hint)
        source = f"{name.rsplit('_', 1)[0]}_source"
        if value is not None and not document.get(source):
            raise BadInputError(f"{path}: {name} has no {source}", hint)
    for name in _TEXTS:
        if document.get(name) is not None and not isinstance(document[name], str):
            raise BadInputError(f"{path}: {name} is no text", hint)
    return {name: _number(document.get(name)) for name in _NUMBERS} | {name: document.get(name) for name in _TEXTS}


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
