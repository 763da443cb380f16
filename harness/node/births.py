"""What a fork server is asked for, and how it answers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Birth:
    """One node to be forked.

    Attributes:
        address: the node's, as in the plan.
        command: the command line that it shows; typed by hand, it would start the same node.
        core: the core that its computing thread keeps to, or None.
        log: file that takes its output; None leaves it where the server's goes.
    """

    address: str
    command: list[str]
    core: int | None = None
    log: str | None = None


@dataclass(frozen=True)
class Request:
    """What the server reads, as one line of JSON, from its standard input.

    Attributes:
        parent: process id of whoever asks.
        report: file descriptor for the server's answers, lines of JSON: address and pid of a node that was forked,
            the address of one that is ready.
        background: nodes get sessions of their own and outlive the parent; else the standard input is their leash.
        arguments: what all nodes have in common, as arguments of `iot-farm`.
        births: the nodes.
    """

    parent: int
    report: int
    background: bool
    arguments: tuple[str, ...]
    births: tuple[Birth, ...]

    def to_line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: str) -> Request:
        """As it is read."""
        found = json.loads(line)
        births = tuple(Birth(**birth) for birth in found["births"])
        return cls(**{**found, "arguments": tuple(found["arguments"]), "births": births})

    def tell(self, message: dict[str, Any]) -> None:
        """Answer: one line, short enough to stay whole among those of others."""
        os.write(self.report, json.dumps(message).encode() + b"\n")
