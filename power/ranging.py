"""The power range of an instrument: automatic until the load was seen, held from then on, and watched.

A held range lets its offset cancel between idle and run; the way of MLPerf's power rules, where a ranging run comes
before the measured one.
"""

from __future__ import annotations

import re
import time
from typing import Final

from power.errors import LinkError, ReplyError
from power.link import VisaLink
from power.meter import RangeMode
from power.profile_sections import RangeCommands
from power.reply import PowerRange, parse_range

_CHECK_S: Final = 1.0
"""A held range is looked at so often: somebody may turn the knob."""


class Ranging:
    """The range of one instrument; used by the thread that reads it.

    Args:
        link: to the instrument.
        commands: from its profile; None where the profile knows of no range.
    """

    def __init__(self, link: VisaLink, commands: RangeCommands | None) -> None:
        self._link = link
        self._commands = commands
        self._range: PowerRange | None = None
        self._seen_s = 0.0
        self.mode: RangeMode = "unknown"
        """Held, left to the instrument, or not to be known."""

    @property
    def range_w(self) -> float | None:
        """The range that is held, or the widest one seen so far, watts; None is unknown."""
        return None if self._range is None else self._range.range_w

    def free(self) -> None:
        """Leave the range to the instrument, where it can choose one, and learn the present one.

        Raises:
            LinkError: the connection is lost, or the instrument does not tell its range.
        """
        if self._commands is None:
            return
        if self._commands.auto:
            self._link.write(self._commands.auto)
            self.mode = "automatic"
        try:
            self._range = self._ask(self._commands)
        except ReplyError as error:
            raise LinkError(f"{self._link.resource} does not tell its range: {error}", "see its profile") from None

    def watch(self) -> None:
        """Follow an automatic range upwards; see that a held one stays.

        Raises:
            ReplyError: it did not stay (cause "range"), or the reply holds no range.
            LinkError: the connection is lost.
        """
        if self._commands is None:
            return
        if self.mode == "automatic":
            self._range = self._wider(self._ask(self._commands))
        elif time.monotonic() - self._seen_s >= _CHECK_S:
            found = self._ask(self._commands)
            if self._range is not None and found.range_w != self._range.range_w:
                raise ReplyError(
                    f"{self._link.resource}: its range is {found.range_w:g} W now, and was {self._range.range_w:g} W",
                    "range",
                )

    def fix(self) -> None:
        """Hold the widest range that was seen; does nothing where the profile has no command for it.

        Raises:
            ReplyError: the reply holds no range.
            LinkError: the connection is lost, or the instrument did not take the range.
        """
        if self._commands is not None and self._commands.fix:
            self._hold(self._commands, self._wider(self._ask(self._commands)))

    def restore(self) -> None:
        """After a connection was lost: hold the same range again if one was held, else leave it free again.

        Raises:
            ReplyError: the reply holds no range.
            LinkError: the connection is lost, or the instrument did not take the range.
        """
        if self._commands is None:
            return
        if self._range is not None and self.mode == "fixed":
            self._hold(self._commands, self._range)
        elif self._commands.auto:
            self._link.write(self._commands.auto)

    def _ask(self, commands: RangeCommands) -> PowerRange:
        self._seen_s = time.monotonic()
        return parse_range(commands, self._link.query(commands.query))

    def _wider(self, found: PowerRange) -> PowerRange:
        return found if self._range is None or found.range_w > self._range.range_w else self._range

    def _hold(self, commands: RangeCommands, wanted: PowerRange) -> None:
        command = commands.fix
        for number, text in enumerate(wanted.texts, start=1):
            command = command.replace(f"{{{number}}}", text)
        self._link.write(command)
        found = self._ask(commands)
        check = commands.held
        answer = "" if check is None else self._link.query(check.query).decode("ascii", "replace").strip()
        if found.range_w != wanted.range_w or (check is not None and not re.fullmatch(check.expect, answer)):
            raise LinkError(
                f"{self._link.resource} does not hold its range: after {command} it is {found.range_w:g} W {answer}",
                "compare its profile with the manual of the instrument",
            )
        self._range, self.mode = found, "fixed"
