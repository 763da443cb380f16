"""What computes a block, as one line of text that nodes tell and records keep (pure).

The line is ``SOFTWARE; runtime=NAME; precision=NAME; way=NAME`` and, where the way was chosen by measurement,
``; gain=1.31; differs=2.4e-07``: how many times as fast as the plain function it was, and the largest difference of
its outputs from the plain function's, as a share of the largest output. Lines without these fields are of older nodes,
which had the plain Keras function alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

from harness.errors import BadInputError

RuntimeName = Literal["keras", "litert", "onnx", "openvino"]
Precision = Literal["f32", "bf16", "fp16", "int8"]
Way = Literal["auto", "function", "packed", "xla"]

RUNTIMES: Final[tuple[RuntimeName, ...]] = get_args(RuntimeName)
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
WAYS: Final[tuple[Way, ...]] = get_args(Way)

_WORD = re.compile(r"[a-z0-9]+(?:\+[a-z0-9]+)*")


PRECISIONS_OF: Final[dict[RuntimeName, tuple[Precision, ...]]] = {
    "keras": ("f32",),
    "litert": ("f32", "fp16", "int8"),
    "onnx": ("f32",),
    "openvino": ("f32", "bf16", "fp16"),
}
"""What each runtime can compute in; for OpenVINO beyond f32 the processor has a say too."""


@dataclass(frozen=True)
class Wanted:
    """What a block is to be computed with.

    Attributes:
        runtime: by name.
        precision: f32, or fewer bits where the runtime has them.
        way: of the Keras runtime alone: how a block is compiled.

    Raises:
        BadInputError: there is no such runtime, or it has no such precision or way.
    """

    runtime: RuntimeName = "keras"
    precision: Precision = "f32"
    way: Way = "auto"

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise BadInputError(f"unknown runtime {self.runtime!r}", f"choose {', '.join(RUNTIMES)}")
        if self.way not in WAYS:
            raise BadInputError(f"unknown way {self.way!r}", f"choose {', '.join(WAYS)}")
        offered = PRECISIONS_OF[self.runtime]
        if self.precision not in offered:
            able = [name for name, has in PRECISIONS_OF.items() if self.precision in has]
            raise BadInputError(
                f"the runtime {self.runtime} does not compute in {self.precision}",
                f"it has {', '.join(offered)}; {self.precision} is there with --runtime {' or '.join(able) or 'none'}",
            )
        if self.way != "auto" and self.runtime != "keras":
            raise BadInputError(f"--way is for the runtime keras, not for {self.runtime}", "leave --way out")

    def describe(self) -> dict[str, str]:
        """What is not as it is where nobody asks, for the options of a record."""
        plain = Wanted()
        return {name: value for name, value in asdict(self).items() if value != getattr(plain, name)}


def asked_computing(options: Mapping[str, Any]) -> str:
    """Runtime and precision that a record's options ask for, in short: "" for Keras in f32, "onnx", "openvino bf16".

    Anything that is no known name counts as "unknown", so that no such run stands beside the usual ones.
    """
    runtime, precision = options.get("runtime", "keras"), options.get("precision", "f32")
    if runtime not in RUNTIMES or precision not in PRECISIONS:
        return "unknown"
    words = [runtime] * (runtime != "keras") + [precision] * (precision != "f32")
    return " ".join(words)


@dataclass(frozen=True)
class Choice:
    """The way that a block is computed.

    Attributes:
        way: its name; several with "+" between them where a node holds several blocks.
        gain: time of the plain function over time of this way, both measured at load; None where nothing was chosen.
        differs: largest difference of an output from the plain function's, as a share of the largest output.
    """

    way: str
    gain: float | None = None
    differs: float | None = None


@dataclass(frozen=True)
class Computing:
    """What computes.

    Attributes:
        software: packages with their versions, and the device.
        runtime: one of `RUNTIMES`.
        precision: one of `PRECISIONS`.
        choice: the way taken.
    """

    software: str
    runtime: str = "keras"
    precision: str = "f32"
    choice: Choice = field(default_factory=lambda: Choice("function"))

    def __str__(self) -> str:
        """The line."""
        choice = self.choice
        fields = [self.software, f"runtime={self.runtime}", f"precision={self.precision}", f"way={choice.way}"]
        if choice.gain is not None:
            fields.append(f"gain={choice.gain:.2f}")
        if choice.differs is not None:
            fields.append(f"differs={choice.differs:.1e}")
        return "; ".join(fields)

    @property
    def plain(self) -> bool:
        """Whether it adds up as the reference does: the plain Keras function, in f32."""
        return (self.runtime, self.precision, self.choice.way) == ("keras", "f32", "function")

    @classmethod
    def parse(cls, line: str) -> Computing:
        """What a line tells.

        Raises:
            ValueError: a field is told twice, is of no known name, or holds what it cannot hold.
        """
        software, *fields = line.split("; ")
        told: dict[str, str] = {}
        for entry in fields:
            name, equals, value = entry.partition("=")
            if not equals or name in told or name not in {"runtime", "precision", "way", "gain", "differs"}:
                raise ValueError(f"{entry!r} is no field of what computes")
            told[name] = value
        runtime, precision = told.get("runtime", "keras"), told.get("precision", "f32")
        way = told.get("way", "function")
        if runtime not in RUNTIMES or precision not in PRECISIONS or not _WORD.fullmatch(way):
            raise ValueError(f"{line!r} tells of no known runtime, precision or way")
        return cls(software, runtime, precision, Choice(way, _number(told, "gain"), _number(told, "differs")))


def joined(choices: list[Choice]) -> Choice:
    """The choices of several blocks as one: every way, the least gain, the largest difference.

    Raises:
        ValueError: there are none.
    """
    gains = [choice.gain for choice in choices if choice.gain is not None]
    differences = [choice.differs for choice in choices if choice.differs is not None]
    return Choice(
        "+".join(sorted({choice.way for choice in choices})),
        min(gains, default=None),
        max(differences, default=None),
    )


def _number(told: dict[str, str], name: str) -> float | None:
    if name not in told:
        return None
    value = float(told[name])
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={told[name]} is no such number")
    return value
