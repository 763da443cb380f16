"""One case of the corpus of bad input: what is sent, and the one line that must come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from benchmarks.audit.bad_input_wire import framed, post
from harness.rpc.protocol import PROTOCOL

LONGEST: Final = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1"
"""2^63 - 1, as Avro writes it."""
KNOWN: Final = "known are " + ", ".join(sorted(PROTOCOL.messages))
"""Ends what is said of an unknown message."""
PAIRS_WITHOUT_END: Final = (
    f"Collection claims {2**63 - 1} elements with at least 2 bytes each, but only 0 bytes are available."
)
"""What is said of a map of that many entries which ends at once."""


@dataclass(frozen=True)
class Expected:
    """What must come back.

    Attributes:
        status: of HTTP; 200 with an Avro error in it, 0 for a connection that is closed without a word.
        text: the reason of the refusal, or the text of the Avro error, to the letter.
    """

    status: int
    text: str


CLOSED: Final = Expected(0, "")


@dataclass(frozen=True)
class Case:
    """What one peer sends on one connection.

    Attributes:
        name: unique in the corpus.
        sent: its bytes in pieces; a function where they are too many to be kept.
        expected: what must come back.
        half_close: the peer then says that nothing more will come.
    """

    name: str
    sent: Callable[[], Iterable[bytes]]
    expected: Expected
    half_close: bool = False


def http(name: str, sent: bytes, status: int, text: str) -> Case:
    """Bytes that HTTP refuses."""
    return Case(name, lambda: [sent], Expected(status, text))


def cut_short(name: str, sent: bytes) -> Case:
    """Bytes after which nothing comes: they are no message, so there is no answer."""
    return Case(name, lambda: [sent], CLOSED, half_close=True)


def body(name: str, sent: bytes, text: str) -> Case:
    """An HTTP body that is no framed message, or a message without a handshake."""
    return Case(name, lambda: [post(sent)], Expected(400, f"malformed Avro: {text}"))


def message(name: str, sent: bytes, text: str) -> Case:
    """A message with a handshake, answered with an Avro error."""
    return Case(name, lambda: [post(framed(sent))], Expected(200, text))
