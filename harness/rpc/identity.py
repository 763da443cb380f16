"""What a tensor is: the identity that travels in the `tag` of `forward`, and by which results are joined."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from harness.partition.wire import Wire
from harness.rpc.errors import RemoteError

MAX_TAG_CHARACTERS: Final = 720
MAX_FRAME: Final = 2**63 - 1
MAX_PARTS: Final = 9999
MAX_SHARES: Final = 64
"""Most parts of roles that a way names a holder for; the paper's largest farm has nine."""

ROUNDED: Final = tuple(wire.value for wire in Wire if wire is not Wire.F32)
"""Wires that a tag names."""

_WORD: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_NUMBER: Final = r"(0|[1-9][0-9]{0,18})"
_SMALL_ONLY: Final = r"(?:0|[1-9][0-9]{0,3})"
_SMALL: Final = f"({_SMALL_ONLY})"
_TAG: Final = re.compile(
    rf"run=({_WORD.pattern});frame={_NUMBER};tensor=({_WORD.pattern})(?:;wire=({'|'.join(ROUNDED)}))?"
    rf";part={_SMALL}/{_SMALL}(?:;to={_SMALL})?;model=({_WORD.pattern})(?:;(attempt=.*))?"
)
_ROUTE: Final = re.compile(
    rf"attempt={_SMALL};epoch={_NUMBER};way=({_SMALL_ONLY}(?:\.{_SMALL_ONLY}){{0,{MAX_SHARES - 1}}})"
)


class TagError(RemoteError, ValueError):
    """A tag that is no identity. Raised in a handler it is answered as an Avro error."""


class Route(NamedTuple):
    """Which try at a frame this is, and over which devices it goes.

    Attributes:
        attempt: 0, and one more each time that the initial sends the frame again.
        epoch: of the table of addresses that the way belongs to.
        way: for each share of the partition, which of its holders computes the frame; None leaves the choice to the
            frame's number, as senders that know no table do.
    """

    attempt: int = 0
    epoch: int = 0
    way: tuple[int, ...] | None = None

    def __str__(self) -> str:
        """As it stands at the end of a tag; empty for a frame without a way."""
        if self.way is None:
            return ""
        return f";attempt={self.attempt};epoch={self.epoch};way={'.'.join(map(str, self.way))}"


BY_NUMBER: Final = Route()
"""Of a frame whose way follows from its number."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of one tensor, or of one slice of it.

    Attributes:
        run: the benchmark run.
        frame: number of the input within the run.
        tensor: the layer whose output this is; "frame" for the input itself.
        part: which slice of the tensor, counted from 0.
        parts: into how many slices the tensor is cut.
        model: fingerprint of the model and its weights.
        route: attempt and way.
        wire: how the frame's tensors travel between blocks, asked for by who sent it; stands in no tag where it is f32.
        to: which part of the next role alone reads this; None where all of its parts do.

    Raises:
        TagError: a field is out of its range or has characters that a tag cannot carry.
    """

    run: str
    frame: int
    tensor: str
    part: int
    parts: int
    model: str
    route: Route = BY_NUMBER
    wire: Wire = Wire.F32
    to: int | None = None

    def __post_init__(self) -> None:
        for name in ("run", "tensor", "model"):
            if not _WORD.fullmatch(getattr(self, name)):
                raise TagError(f"{name} '{getattr(self, name)[:80]}' is not 1-64 characters of A-Z a-z 0-9 . _ : -")
        if not 0 <= self.frame <= MAX_FRAME:
            raise TagError(f"frame {self.frame} is not within 0 and 2^63-1")
        if not 0 <= self.part < self.parts <= MAX_PARTS:
            raise TagError(f"part {self.part} of {self.parts} does not exist")
        if self.to is not None and not 0 <= self.to < MAX_PARTS:
            raise TagError(f"there is no part {self.to} to go to")
        if self.route != BY_NUMBER:
            parse_route(route_text(self.route)[1:])

    def __str__(self) -> str:
        """The tag, for example ``run=9f3c;frame=17;tensor=fc1;part=0/2;model=ab12;attempt=0;epoch=3;way=0.1.0``."""
        wire = "" if self.wire is Wire.F32 else f";wire={self.wire}"
        to = "" if self.to is None else f";to={self.to}"
        tensor = f"{self.tensor}{wire};part={self.part}/{self.parts}{to}"
        return f"run={self.run};frame={self.frame};tensor={tensor};model={self.model}{self.route}"

    def tags(self) -> Callable[[int, Route], str]:
        """A function to the tag that differs from this one's in frame number and route alone."""
        begin, _, end = str(replace(self, frame=0, route=BY_NUMBER)).partition(";frame=0;")
        return lambda frame, route: f"{begin};frame={frame};{end}{route_text(route)}"

    @classmethod
    def parse(cls, tag: str) -> Identity:
        """Read a tag; accepts exactly what `str()` of an identity gives.

        Raises:
            TagError: the tag is anything else.
        """
        match = _TAG.fullmatch(tag) if len(tag) <= MAX_TAG_CHARACTERS else None
        if match is None:
            raise TagError(f"the tag '{tag[:120]}' is not 'run=...;frame=N;tensor=...;part=N/M;model=...'")
        run, frame, tensor, wire, part, parts, to, model, route = match.groups()
        return cls(
            run,
            int(frame),
            tensor,
            int(part),
            int(parts),
            model,
            parse_route(route) if route else BY_NUMBER,
            Wire(wire) if wire else Wire.F32,
            None if to is None else int(to),
        )


@lru_cache(maxsize=4096)
def parse_route(text: str) -> Route:
    """Read ``attempt=N;epoch=N;way=N.N...``; the routes of a run repeat, so they are remembered.

    Raises:
        TagError: it is anything else.
    """
    match = _ROUTE.fullmatch(text)
    if match is None:
        raise TagError(f"the tag's end '{text[:120]}' is not 'attempt=N;epoch=N;way=N.N...'")
    attempt, epoch, way = match.groups()
    number = int(epoch)
    if number > MAX_FRAME:
        raise TagError(f"epoch {number} is not within 0 and 2^63-1")
    return Route(int(attempt), number, tuple(map(int, way.split("."))))


@lru_cache(maxsize=4096)
def route_text(route: Route) -> str:
    """The end of a tag."""
    return str(route)
