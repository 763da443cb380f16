"""The protocol of the 2018 artifact, defects included, as rules that an emulated farm can be run by (pure).

`published-2018` is all of it:

* A request holds its sender's slot until the receiver has computed what it asks for, and has a cost of its own (75 to
  85 ms between two Raspberry Pis): the next one to that receiver goes out only then.
* Whoever joins keeps the latest inputs in the order in which they came, and never lets go of them: each input that
  comes is answered with an inference over the window, so a frame in two halves gives two replies, of which one mixes
  two frames.
* Frames go out in one burst of R. The clock starts at the first reply and stops at reply 2R, and the figure that is
  printed is 1 / (elapsed / (2R - 1)).

`requests-2018` is the first of them alone: the artifact's requests, with honest joins and honest counting. What of the
distance between the published figures and an honest farm is transport, and what is counting, shows between the two.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, TypeVar

from harness.records.rules_emulated import PUBLISHED, REQUESTS

__all__ = [
    "DEFAULT_BURST",
    "HONEST",
    "PROTOCOLS",
    "PUBLISHED",
    "REPLIES_PER_FRAME",
    "REQUESTS",
    "PublishedFigures",
    "Reply",
    "SlidingWindow",
    "imitation",
    "protocol_of",
    "published_figures",
    "run_name",
]

HONEST: Final = "honest"
PROTOCOLS: Final = (HONEST, REQUESTS, PUBLISHED)
REPLIES_PER_FRAME: Final = 2
"""By which the artifact counts: it stops at twice as many replies as it sent frames."""
DEFAULT_BURST: Final = 10
"""Frames of a burst: the artifact's default of STAT_REPEAT for farms."""

_PREFIXES: Final = {PUBLISHED: "20180519", REQUESTS: "20180511"}
_HONEST_DIGITS: Final = 16
_DIGITS: Final = 24

Payload = TypeVar("Payload")


def run_name(protocol: str) -> str:
    """A new name of a run, hexadecimal; those of other protocols than the honest one are longer: nodes know by them."""
    if protocol == HONEST:
        return secrets.token_hex(_HONEST_DIGITS // 2)
    return _PREFIXES[protocol] + secrets.token_hex(_DIGITS // 2)


def protocol_of(run: str) -> str:
    """By which protocol a run of this name goes."""
    for protocol, prefix in _PREFIXES.items():
        if run.startswith(prefix) and len(run) == len(prefix) + _DIGITS:
            return protocol
    return HONEST


class SlidingWindow(Generic[Payload]):
    """The latest inputs, in the order in which they came, whatever frames they are of.

    Args:
        size: how many make an inference.
    """

    def __init__(self, size: int) -> None:
        self._latest: deque[Payload] = deque(maxlen=size)

    def offer(self, payload: Payload) -> list[Payload] | None:
        """Take an input; returns what is computed over now, None while there are too few."""
        self._latest.append(payload)
        return list(self._latest) if len(self._latest) == self._latest.maxlen else None


@dataclass(frozen=True)
class Reply:
    """One reply of a burst.

    Attributes:
        frame: that it was tagged with.
        at_s: when it came, seconds since the first send.
        right: whether it is the single device's output for that frame.
    """

    frame: int
    at_s: float
    right: bool


@dataclass(frozen=True)
class PublishedFigures:
    """What the artifact prints, and what its own replies say.

    Attributes:
        as_published_ips: replies after the first / time since the first; every frame counts twice.
        counted_ips: lowest and highest number of frames that lie in that time, per second: R - 1 and R.
        right_share: share of the replies that are right.
        window_s: from the first reply to the last.
        makespan_s: from the first send to the last reply.
    """

    as_published_ips: float
    counted_ips: tuple[float, float]
    right_share: float
    window_s: float
    makespan_s: float

    def to_document(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "as_published_ips": self.as_published_ips,
            "counted_ips": list(self.counted_ips),
            "right_share": self.right_share,
            "window_s": self.window_s,
            "makespan_s": self.makespan_s,
        }


def imitation(replies: Sequence[Reply], burst: int) -> dict[str, Any]:
    """A burst as a record keeps it: every reply that counts, and the figures that follow.

    Raises:
        ValueError: as for `published_figures`.
    """
    counted = [asdict(reply) for reply in replies[: REPLIES_PER_FRAME * burst]]
    figures = published_figures(replies, burst).to_document()
    return {"name": PUBLISHED, "burst": burst, "replies": counted, **figures}


def published_figures(replies: Sequence[Reply], burst: int) -> PublishedFigures:
    """The figures of a burst.

    Args:
        replies: in the order in which they came; the first 2R count.
        burst: frames sent, R.

    Raises:
        ValueError: there are fewer replies, or they came at one instant.
    """
    wanted = REPLIES_PER_FRAME * burst
    if len(replies) < wanted:
        raise ValueError(f"{len(replies)} replies came, the clock stops at {wanted}")
    counted = replies[:wanted]
    window_s = counted[-1].at_s - counted[0].at_s
    if not window_s > 0:
        raise ValueError("all replies came at one instant")
    return PublishedFigures(
        as_published_ips=(wanted - 1) / window_s,
        counted_ips=((burst - 1) / window_s, burst / window_s),
        right_share=sum(reply.right for reply in counted) / wanted,
        window_s=window_s,
        makespan_s=counted[-1].at_s,
    )
