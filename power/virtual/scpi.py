"""Command lines of SCPI: which command of a tree a text names, and its arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_ARGUMENT = re.compile(r"\([^)]*\)|[^,]+")
_NODE = re.compile(r"([A-Z]+)([a-z]*)(#?)")


@dataclass(frozen=True)
class Call:
    """One command as it came: its header as the client wrote it, the numbers within, and its arguments."""

    header: str
    suffixes: tuple[int, ...]
    arguments: tuple[str, ...]

    def argument(self, index: int) -> str:
        """One argument; "" where there is none."""
        return self.arguments[index] if index < len(self.arguments) else ""


Handler = Callable[[Call], str | bytes | None]


@dataclass(frozen=True)
class Command:
    """A command of a tree: what matches its header, what runs it, and whether it answers with a measured value."""

    pattern: re.Pattern[str]
    run: Handler
    measured: bool = False


def command(spelling: str, run: Handler, *, measured: bool = False) -> Command:
    """Make a command from the spelling of manuals, as ``NUMeric:NORMal:ITEM#``: capitals are the short form."""

    def node(match: re.Match[str]) -> str:
        short, rest, number = match.groups()
        return short + (f"(?:{rest.upper()})?" if rest else "") + (r"(\d*)" if number else "")

    pattern = _NODE.sub(node, spelling.replace("?", r"\?").replace("*", r"\*"))
    return Command(re.compile(pattern, re.IGNORECASE), run, measured)


def resolve(line: str, commands: tuple[Command, ...]) -> Iterator[tuple[Command | None, Call]]:
    """Split a compound line at ";" and find each command.

    A header without leading colon belongs below the former one (SCPI-99, 6.2.4); where nothing is found there it is
    taken from the root, as many instruments do. None stands for an unknown command.
    """
    path = ""
    for part in filter(None, (part.strip() for part in line.split(";"))):
        header, _, tail = part.partition(" ")
        arguments = tuple(text.strip() for text in _ARGUMENT.findall(tail))
        root = header.lstrip(":")
        names = [root] if header[0] in ":*" or not path else [f"{path}:{root}", root]
        found, call = None, Call(header, (), arguments)
        for name in names:
            for candidate in commands:
                match = candidate.pattern.fullmatch(name)
                if match and not found:
                    found, root = candidate, name
                    call = Call(name, tuple(int(text or 1) for text in match.groups()), arguments)
        if not header.startswith("*"):
            path = root.rpartition(":")[0]
        yield found, call
