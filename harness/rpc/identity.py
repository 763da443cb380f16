"""What a tensor is: the identity that travels in the `tag` of `forward`, and by which results are joined."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from harness.rpc.errors import RemoteError

MAX_TAG_CHARACTERS: Final = 400
MAX_FRAME: Final = 2**63 - 1
MAX_PARTS: Final = 9999

_WORD: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_NUMBER: Final = r"(0|[1-9][0-9]{0,18})"
_SMALL: Final = r"(0|[1-9][0-9]{0,3})"
_TAG: Final = re.compile(
    rf"run=({_WORD.pattern});frame={_NUMBER};tensor=({_WORD.pattern});part={_SMALL}/{_SMALL};model=({_WORD.pattern})"
)


class TagError(RemoteError, ValueError):
    """A tag that is no identity. Raised in a handler it is answered as an Avro error."""


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

    Raises:
        TagError: a field is out of its range or has characters that a tag cannot carry.
    """

    run: str
    frame: int
    tensor: str
    part: int
    parts: int
    model: str

    def __post_init__(self) -> None:
        for name in ("run", "tensor", "model"):
            if not _WORD.fullmatch(getattr(self, name)):
                raise TagError(f"{name} '{getattr(self, name)[:80]}' is not 1-64 characters of A-Z a-z 0-9 . _ : -")
        if not 0 <= self.frame <= MAX_FRAME:
            raise TagError(f"frame {self.frame} is not within 0 and 2^63-1")
        if not 0 <= self.part < self.parts <= MAX_PARTS:
            raise TagError(f"part {self.part} of {self.parts} does not exist")

    def __str__(self) -> str:
        """The tag, for example ``run=9f3c;frame=17;tensor=fc1;part=0/2;model=ab12``."""
        part = f"{self.part}/{self.parts}"
        return f"run={self.run};frame={self.frame};tensor={self.tensor};part={part};model={self.model}"

    def tags(self) -> Callable[[int], str]:
        """A function from a frame number to the tag that differs from this one's in the frame alone."""
        begin, _, end = str(self).partition(f";frame={self.frame};")
        return lambda frame: f"{begin};frame={frame};{end}"

    @classmethod
    def parse(cls, tag: str) -> "Identity":
        """Read a tag; accepts exactly what `str()` of an identity gives.

        Raises:
            TagError: the tag is anything else.
        """
        match = _TAG.fullmatch(tag) if len(tag) <= MAX_TAG_CHARACTERS else None
        if match is None:
            raise TagError(f"the tag '{tag[:120]}' is not 'run=...;frame=N;tensor=...;part=N/M;model=...'")
        run, frame, tensor, part, parts, model = match.groups()
        return cls(run, int(frame), tensor, int(part), int(parts), model)
