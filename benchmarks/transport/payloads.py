"""What is sent, and the proof that it arrived."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.contestant import BenchmarkError

VARIANTS = 4
"""Different payloads of a slot, sent one after the other: no message is like the one before."""

Payload = bytes | bytearray | memoryview


@lru_cache(maxsize=2)
def payloads(size: int) -> tuple[bytes, ...]:
    """The payloads of a slot: `VARIANTS` different ones of `size` random bytes, the same in every process."""
    generator = np.random.default_rng(size)
    return tuple(generator.bytes(size) for _ in range(VARIANTS))


@dataclass(frozen=True)
class Arrived:
    """What a receiver saw of the messages of a slot.

    Attributes:
        messages: how many.
        size_bytes: of all together.
        samples: sum over all messages of their first, middle and last byte, with weights.
        last: BLAKE2b of every byte of the last message, hexadecimal.
    """

    messages: int
    size_bytes: int
    samples: int
    last: str


class Receiver:
    """The end of a message's way, the same for every transport: looks at three of its bytes and keeps it.

    The message stays in memory until the next one is there, as that of a node does while its block computes.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A slot starts."""
        self._messages = self._size_bytes = self._samples = 0
        self._last: Payload = b""

    def take(self, payload: Payload) -> None:
        """Take one message; must be called before it is acknowledged."""
        self._messages += 1
        self._size_bytes += len(payload)
        self._samples += payload[0] + 3 * payload[len(payload) >> 1] + 7 * payload[-1]
        self._last = payload

    def arrived(self) -> Arrived:
        """What has come since `begin`."""
        last = hashlib.blake2b(self._last, digest_size=16).hexdigest()
        return Arrived(self._messages, self._size_bytes, self._samples, last)


def expected(size: int, messages: int) -> Arrived:
    """What a receiver must have seen when the first `messages` of the endless rotation of `payloads(size)` came."""
    receiver = Receiver()
    rounds, rest = divmod(messages, VARIANTS)
    for payload in payloads(size):
        receiver.take(payload)
    samples = rounds * receiver.arrived().samples
    receiver.begin()
    for payload in payloads(size)[:rest] or payloads(size)[-1:]:
        receiver.take(payload)
    found = receiver.arrived()
    return Arrived(messages, messages * size, samples + (found.samples if rest else 0), found.last)


def check(name: str, size: int, sent: int, arrived: dict[str, Any]) -> None:
    """Compare what a receiver saw with what was sent.

    Raises:
        BenchmarkError: they differ.
    """
    wanted = asdict(expected(size, sent))
    wrong = [
        f"{field} {arrived.get(field)} in place of {value}"
        for field, value in wanted.items()
        if arrived.get(field) != value
    ]
    if wrong:
        raise BenchmarkError(f"{name}, {size} bytes: what arrived is not what was sent: {', '.join(wrong)}")
