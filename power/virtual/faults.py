"""What can go wrong between an analyzer and its reader, on demand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Literal

from power.errors import PowerError
from power.virtual.instrument import Snapshot
from power.virtual.loads import finite, parse_options

_INSTEAD = {"nan": "NAN", "inf": "INF", "9.91e37": "9.91E+37"}
NAMES = frozenset(
    {
        "nan",
        "inf",
        "9.91e37",
        "overrange",
        "negative",
        "frozen",
        "restarted",
        "replaced",
        "range",
        "garbage",
        "truncated",
        "empty",
        "short",
        "long",
        "comma",
        "header",
        "mute",
        "late",
        "no-terminator",
        "eof",
        "rst",
        "stall",
        "duplicate",
    }
)
"""The faults."""
_LATE_S = 0.7
_STALL_S = 1.2
_CUT = 4  # with the whole exponent: what is left reads as a number, and a wrong one


@dataclass(frozen=True)
class Reply:
    """What goes onto the wire.

    Attributes:
        messages: whole messages, with their terminator.
        delay_s: how long the instrument takes for them, seconds.
        stall_s: how long the connection stands still besides, seconds.
        ending: how the connection ends instead.
        terminated: whether the transport, where it can, marks the end of a message.
    """

    messages: tuple[bytes, ...] = ()
    delay_s: float = 0.0
    stall_s: float = 0.0
    ending: Literal["", "eof", "rst"] = ""
    terminated: bool = True


@dataclass
class Fault:
    """One fault and when it strikes: each n-th value query, once after n of them, or for a span of seconds."""

    name: str
    options: dict[str, float]
    since_s: float = field(default_factory=time.monotonic)
    queries: int = 0

    def in_span(self) -> bool:
        """Whether now lies in its span of time; it does where none is given."""
        age_s = time.monotonic() - self.since_s
        begin_s = self.options.get("from", 0.0)
        return begin_s <= age_s < begin_s + self.options.get("for", float("inf"))

    def strikes(self) -> bool:
        """Count a value query, and whether it is hit."""
        self.queries += 1
        if not self.in_span():
            return False
        if "every" in self.options:
            return self.queries % int(self.options["every"]) == 0
        return "after" not in self.options or self.queries == int(self.options["after"]) + 1

    def lasts(self) -> bool:
        """Whether it is there between value queries too."""
        past = self.queries > self.options.get("after", -1)
        return self.name in {"replaced", "frozen"} and "every" not in self.options and past and self.in_span()


class Faults:
    """The faults of a device, as ``nan:every=5``, ``eof:after=10``, ``mute:from=1,for=2``; ``off`` ends them."""

    def __init__(self, specs: tuple[str, ...] = ()) -> None:
        self._faults: list[Fault] = []
        for spec in specs:
            self.add(spec)

    def add(self, spec: str) -> None:
        """Add a fault.

        Raises:
            PowerError: there is none of this name, or an option is wrong.
        """
        name, _, tail = spec.lower().replace(":", ",", 1).partition(",")
        if name == "off":
            self._faults.clear()
            return
        options = {key: finite(value, f"fault {key}") for key, value in parse_options(tail, f"fault {name}").items()}
        wrong = set(options) - {"every", "after", "from", "for"} or {key for key in options if options[key] < 0}
        if name not in NAMES or wrong or options.get("every", 1) < 1:
            raise PowerError(
                f"{spec!r} is not a fault", f"one of {', '.join(sorted(NAMES))}; every=, after=, from=, for="
            )
        self._faults.append(Fault(name, options))

    def strike(self) -> tuple[str, ...]:
        """The faults of this value query."""
        return tuple(fault.name for fault in self._faults if fault.strikes() or fault.lasts())

    def lasting(self) -> tuple[str, ...]:
        """The faults that are there whatever is asked."""
        return tuple(fault.name for fault in self._faults if fault.lasts())


def spoil_snapshot(shown: Snapshot, names: tuple[str, ...], overrange: str) -> Snapshot:
    """Put the faults of the value itself into what the display shows."""
    for name in names:
        if name in _INSTEAD:
            shown = replace(shown, instead=_INSTEAD[name])
        elif name == "overrange":
            shown = replace(shown, instead=overrange)
        elif name == "negative":
            shown = replace(shown, power_w=-abs(shown.power_w))
    return shown


def spoil(text: bytes, terminator: bytes, names: tuple[str, ...]) -> Reply:
    """Put the faults of the wire into a reply.

    Args:
        text: the reply without its terminator.
        terminator: what ends it.
        names: the faults that strike.
    """
    head, _, last = text.rpartition(b",")
    changed = {
        "garbage": b"\xff\xfe\x80?#" + text[:2],
        "truncated": text[: max(1, len(text) - _CUT)],
        "empty": b"",
        "short": head,
        "long": text + b"," + last,
        "comma": text.replace(b".", b","),
        "header": b":NUM:NORM:VAL " + text,
    }
    for name in names:
        text = changed.get(name, text)
    terminated = "no-terminator" not in names
    message = text + terminator if terminated else text
    if "eof" in names:
        return Reply(ending="eof")
    if "rst" in names:
        return Reply(ending="rst")
    if "mute" in names:
        return Reply()
    return Reply(
        (message,) * (2 if "duplicate" in names else 1),
        delay_s=_LATE_S if "late" in names else 0.0,
        stall_s=_STALL_S if "stall" in names else 0.0,
        terminated=terminated,
    )
