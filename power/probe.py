"""Who is at the other end: asks an instrument for its name in every way, and keeps the dialogue for people to read."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from power.errors import LinkError, PowerError, ReplyError
from power.instrument import IDENTITY_QUERY, Instrument
from power.link import VisaLink
from power.meter import Meter, MeterInfo, Reading
from power.profile import Profile, find_profile
from power.reply import parse_identity

TERMINATORS: Final = ("\n", "\r\n", "\r")
"""What may end a command and its reply, the most usual first."""
_DONE: Final = "done"
_LET_GO_S: Final = 0.2
"""An instrument with a single session takes a while to see that the last one is over."""
_READINGS: Final = 5
"""An instrument may have no value yet, right after its set-up."""


@dataclass(frozen=True)
class Exchange:
    """One line of a dialogue.

    Attributes:
        sent: what was sent or done; control characters as a programmer writes them.
        received: the reply, in the same spelling; "" where there is none.
        problem: why there is none, or why it is no answer; "" where all is well.
    """

    sent: str
    received: str = ""
    problem: str = ""


@dataclass
class Probe:
    """What was found out, as far as it went.

    Attributes:
        resource: where.
        dialogue: what was said, in order.
        terminator: with which the instrument answered; "" where it did not.
        identity: its reply to `*IDN?`; "" where there is none.
        info: the meter as its profile describes it; None where it was not set up.
        reading: one reading; None where there is none.
        error: why it went no further; None where it went to the end.
    """

    resource: str
    dialogue: list[Exchange] = field(default_factory=list)
    terminator: str = ""
    identity: str = ""
    info: MeterInfo | None = None
    reading: Reading | None = None
    error: PowerError | None = None

    def to_document(self) -> dict[str, Any]:
        """As plain values for JSON; what is not known is null, and power is in watts."""
        info, reading = self.info, self.reading
        return {
            "resource": self.resource,
            "dialogue": [vars(exchange) for exchange in self.dialogue],
            "terminator": self.terminator or None,
            "identity": self.identity or None,
            "profile": info.profile if info else None,
            "measured": info.measured if info else None,
            "update_s": info.update_s if info else None,
            "range_w": info.range_w if info else None,
            "power_w": reading.power_w if reading else None,
            "error": self.error.message if self.error else None,
            "hint": self.error.hint if self.error else None,
        }


def probe(resource: str, profiles: Sequence[Profile]) -> Probe:
    """Ask an instrument who it is, set it up by its profile, and read it once.

    Args:
        resource: VISA resource name.
        profiles: those that it may have.

    Returns:
        What was found out. Nothing is raised: what went wrong is the last line of the dialogue, and in `error`.
    """
    found = Probe(resource)
    try:
        _ask_identity(found)
        profile = find_profile(found.identity, profiles)
        if profile is None:
            raise _no_profile(found)
        found.dialogue.append(Exchange("looked for a profile", profile.name))
        time.sleep(_LET_GO_S)
        _read(found, Instrument(resource, [profile]))
    except PowerError as error:
        found.error = error
    return found


def probe_meter(resource: str, meter: Meter) -> Probe:
    """The same for a meter that is no VISA instrument, as the counters of the kernel: it is opened and read once."""
    found = Probe(resource)
    try:
        _read(found, meter)
    except PowerError as error:
        found.error = error
    return found


def _ask_identity(found: Probe) -> None:
    link = VisaLink(found.resource)
    try:
        _noted(found, "open", link.open)
        for attempt, terminator in enumerate(TERMINATORS):
            if attempt:  # half a command, or a late reply, must not spoil the next one
                link.close()
                time.sleep(_LET_GO_S)
                _noted(found, "open again", link.open)
            link.terminators(terminator, terminator)
            if _identified(found, link, terminator):
                return
    finally:
        link.close()
    replies = [exchange.received for exchange in found.dialogue if exchange.received not in {"", _DONE}]
    raise LinkError(
        f"{found.resource} does not say who it is"
        + (f": it sends {', '.join(replies)}" if replies else f": no answer to {IDENTITY_QUERY}"),
        "is it the instrument's port, and its remote control on? A serial line needs 9600 baud, 8 bits, no parity",
    )


def _identified(found: Probe, link: VisaLink, terminator: str) -> bool:
    sent, raw = _spelled((IDENTITY_QUERY + terminator).encode()), b""
    try:
        raw = link.query(IDENTITY_QUERY)
        found.identity = parse_identity(raw)
    except ReplyError as error:
        found.dialogue.append(Exchange(sent, _spelled(raw), error.message))
        return False
    except LinkError as error:
        found.dialogue.append(Exchange(sent, "", error.message))
        if error.cause == "unreachable":
            raise
        raise LinkError(
            error.message, "is another program connected to it, and does the port speak SCPI?", error.cause
        ) from error
    found.dialogue.append(Exchange(sent, _spelled(raw)))
    found.terminator = _spelled(terminator.encode())
    return True


def _read(found: Probe, meter: Meter) -> None:
    _noted(found, "set up", meter.open)
    try:
        found.info = meter.info
        found.identity = found.identity or found.info.identity
        for left in reversed(range(_READINGS)):
            time.sleep(found.info.update_s)
            try:
                found.reading = meter.read()
            except (ReplyError, LinkError) as error:
                found.dialogue.append(Exchange("read", "", error.message))
                if isinstance(error, LinkError):
                    raise
                if not left:
                    raise LinkError(f"{found.resource} gives no reading: {error.message}", "see its display") from None
            else:
                found.info = meter.info  # the range may have followed the load
                found.dialogue.append(Exchange("read", f"{found.reading.power_w:g} W"))
                return
    finally:
        meter.close()


def _noted(found: Probe, what: str, act: Callable[[], None]) -> None:
    try:
        act()
    except PowerError as error:
        found.dialogue.append(Exchange(what, "", error.message))
        raise
    found.dialogue.append(Exchange(what, _DONE))


def _no_profile(found: Probe) -> LinkError:
    maker, model = (part.strip() for part in found.identity.split(",")[:2])
    # Single quotes are how TOML writes a pattern; none may stand in it.
    match = f"^{re.escape(maker)},\\s*{re.escape(model)},".replace("'", ".").replace("\\ ", " ")
    return LinkError(
        f"{found.resource} is {found.identity}, for which there is no profile",
        f"copy power/profiles/generic-supply.toml, put match = '{match}' and the instrument's commands into it, "
        "and name the copy with --power-profile (docs/power.md)",
    )


def _spelled(raw: bytes) -> str:
    return ascii(raw.decode("latin-1"))[1:-1]
