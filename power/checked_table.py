"""A TOML table read strictly: every key is asked for by its type, and what nobody asked for is refused."""

from __future__ import annotations

import difflib
import math
import re
import reprlib
from pathlib import Path
from typing import Any

from power.errors import ProfileError

_SHORT = reprlib.Repr()  # a wrong value on one line, and only the ends of it where it is long
_SHORT.maxstring = _SHORT.maxother = 60


class CheckedTable:
    """One table of a file, with messages that name the file and the key.

    Args:
        entries: what the TOML parser made of the table.
        file: the file, for messages.
        prefix: where the table stands in the file: "" for the file itself, "limits." for `[limits]`.
    """

    def __init__(self, entries: dict[str, Any], file: Path, prefix: str = "") -> None:
        self._entries = entries
        self._file = file
        self._prefix = prefix
        self._asked: list[str] = []

    def wrong(self, key: str, what: str, allowed: str) -> ProfileError:
        """The error for a key: what is wrong with it as the message, what is allowed as the hint."""
        return ProfileError(f'profile {self._file}: key "{self._prefix}{key}" {what}', allowed)

    def has(self, key: str) -> bool:
        """Say whether the key stands in the table; from now on it is a known one."""
        self._asked.append(key)
        return key in self._entries

    def value(self, key: str) -> Any:
        """The value as the TOML parser gave it.

        Raises:
            ProfileError: the key is missing.
        """
        if not self.has(key):
            raise self.wrong(key, "is missing", "every profile needs it")
        return self._entries[key]

    def text(self, key: str, default: str | None = None, choices: tuple[str, ...] = ()) -> str:
        """A text, not empty unless the default is.

        Args:
            key: name of the key.
            default: the text where the key is missing; None makes it a required key.
            choices: the texts that are allowed; () allows all.

        Raises:
            ProfileError: missing, no text, empty, or none of the choices.
        """
        if default is not None and not self.has(key):
            return default
        return self._checked_text(key, self.value(key), choices)

    def line(self, key: str, default: str | None = None) -> str:
        """A line to send to an instrument: printable ASCII, so that it cannot hold a terminator.

        Raises:
            ProfileError: missing, no text, empty, or not printable ASCII.
        """
        if default is not None and not self.has(key):
            return default
        return self._checked_line(key, self.value(key))

    def lines(self, key: str) -> tuple[str, ...]:
        """A list of such lines; () where the key is missing.

        Raises:
            ProfileError: no list, or an element that is no line.
        """
        return tuple(self._checked_line(key, entry) for entry in self._list(key))

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of texts.

        Raises:
            ProfileError: no list, or an element that is no text.
        """
        if not self.has(key):
            return default
        return tuple(self._checked_text(key, entry, ()) for entry in self._list(key))

    def pattern(self, key: str, default: str | None = None, groups: int = 0) -> str:
        """A regular expression, as Python's `re` understands it.

        Args:
            key: name of the key.
            default: the pattern where the key is missing; None makes it a required key.
            groups: how many groups it must have at least.

        Raises:
            ProfileError: missing, no text, no regular expression, or too few groups.
        """
        text = self.text(key, default)
        try:
            found = re.compile(text).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise self.wrong(
                key, f"is no regular expression: {error}", "write it as a literal string in single quotes"
            ) from None
        if found < groups:
            raise self.wrong(key, f"has {found} groups", f"put the number into a group (...): at least {groups}")
        return text

    def number(self, key: str) -> float:
        """A finite number.

        Raises:
            ProfileError: missing, no number, or not finite.
        """
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise self.wrong(key, f"is {_SHORT.repr(value)}", "allowed is a finite number")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """A number that is not negative; None, which means unknown, where the key is missing."""
        if not self.has(key):
            return None
        value = self.number(key)
        if value < 0:
            raise self.wrong(key, f"is {value}", "allowed is a number from 0 up; leave it out where it is unknown")
        return value

    def table(self, key: str) -> CheckedTable | None:
        """The table below this key; None where the key is missing.

        Raises:
            ProfileError: the value is no table.
        """
        if not self.has(key):
            return None
        return self._checked_table(key, self._entries[key])

    def tables(self, key: str) -> list[CheckedTable]:
        """A list of tables; empty where the key is missing.

        Raises:
            ProfileError: no list, or an element that is no table.
        """
        return [self._checked_table(key, entry) for entry in self._list(key)]

    def finish(self) -> None:
        """Refuse the keys that nobody asked for; to be called last.

        Raises:
            ProfileError: there is such a key; the hint names the one that was probably meant.
        """
        for key in self._entries:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                meant = f'did you mean "{near[0]}"? ' if near else ""
                shown = key if key.isprintable() else ascii(key)
                raise self.wrong(shown[:60], "is unknown", f"{meant}allowed: {', '.join(sorted(set(self._asked)))}")

    def _list(self, key: str) -> list[Any]:
        value = self._entries[key] if self.has(key) else []
        if not isinstance(value, list):
            raise self.wrong(key, f"is {_SHORT.repr(value)}", "allowed is a list [...]")
        return value

    def _checked_table(self, key: str, value: Any) -> CheckedTable:
        if not isinstance(value, dict):
            raise self.wrong(key, f"is {_SHORT.repr(value)}", "allowed is a table {...}")
        return CheckedTable(value, self._file, f"{self._prefix}{key}.")

    def _checked_text(self, key: str, value: Any, choices: tuple[str, ...]) -> str:
        allowed = "one of " + ", ".join(map(repr, choices)) if choices else "a text that is not empty"
        if not isinstance(value, str) or not value or (choices and value not in choices):
            raise self.wrong(key, f"is {_SHORT.repr(value)}", f"allowed is {allowed}")
        return value

    def _checked_line(self, key: str, value: Any) -> str:
        line = self._checked_text(key, value, ())
        if not line.isascii() or not line.isprintable():
            raise self.wrong(key, f"is {_SHORT.repr(line)}", "allowed is one line of printable ASCII, no terminator")
        return line


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False
