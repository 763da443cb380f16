"""The profile of a kind of device, as data: how long it needs for each layer, what it holds and what it draws.

Every figure says where it comes from. A profile is a JSON file with a version; `shipped.py` has those that come with
the project, and `iot-farm profile` writes one of the machine it is typed on.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from harness.errors import BadInputError
from harness.models.graph import ModelGraph
from harness.records.canonical import canonical
from harness.records.json_file import read_json

FORMAT: Final = "ck-iot-farm profile"
VERSION: Final = 1
"""Version of the layout. 1: first layout."""
FEATURES: Final = ("one", "macs", "parameters", "input_bytes", "output_bytes")
"""What a time may depend on; "one" is what every call costs."""

Basis = Literal["measured", "published", "extrapolated"]
"""measured: on this kind of device by this project; published: by others; extrapolated: by the rule in `source`."""


def one_line(text: str) -> str:
    """A text that can stand in a message: it is all printable.

    Raises:
        ValueError: it holds a line break or another control character.
    """
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a character that cannot be printed")
    return text


_HINT: Final = "iot-farm profile --help shows what makes one"
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
# Beyond these a figure is a slip of the pen, and sums of such figures are no longer numbers.
_MOST: Final = 1e9
MOST_BYTES: Final = 10**18
_MOST_CORES: Final = 10**6
_MOST_COPIES: Final = 1000
_Text = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(one_line)]
_Positive = Annotated[float, Field(gt=0, le=_MOST)]
_NotNegative = Annotated[float, Field(ge=0, le=_MOST)]
_Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES)]


@dataclass(frozen=True, config=_STRICT)
class Swap:
    """What it costs to hold more than the memory does.

    Attributes:
        s_per_byte: seconds for each frame, and each byte of weights beyond what the memory holds.
        basis: of that figure.
        source: where it comes from.
    """

    s_per_byte: _Positive
    basis: Basis
    source: _Text


@dataclass(frozen=True, config=_STRICT)
class Device:
    """What the device is.

    Attributes:
        title: as people call it.
        cores: of the processor.
        memory_bytes: all of it.
        runtime_bytes: taken before any weights are there: system, interpreter and runtime.
        weight_copies: times that the runtime holds each weight.
        idle_w: watts while it does nothing; None is unknown.
        load_w: watts while it computes with all cores; None is unknown.
        swap: what holding too much costs; None is unknown, and then nothing is planned so.
        sources: field -> where its figure comes from, and whether it is inferred.
    """

    title: _Text
    cores: Annotated[int, Field(ge=1, le=_MOST_CORES)]
    memory_bytes: Annotated[int, Field(gt=0, le=MOST_BYTES)]
    runtime_bytes: _Bytes
    weight_copies: Annotated[float, Field(ge=1, le=_MOST_COPIES)]
    idle_w: _NotNegative | None
    load_w: _Positive | None
    swap: Swap | None
    sources: dict[str, _Text]


@dataclass(frozen=True, config=_STRICT)
class LayerFigure:
    """One layer of a model on this device, or one of several equal parts of it.

    Attributes:
        layer: its name.
        parts: 1 for the whole layer, else the number of parts of which this is one.
        warm_s: seconds for a frame when all is in memory.
        cold_s: seconds of the first frame; None is unknown.
        swapping_s: seconds for a frame while its weights do not fit the memory; None is unknown or never.
        memory_bytes: what loading it took; None is unknown.
        page_faults: of the first frame; None is unknown.
        cache_misses: of a warm frame; None is unknown.
        basis: of the seconds.
        source: where they come from.
    """

    layer: _Text
    parts: Annotated[int, Field(ge=1)]
    warm_s: _NotNegative
    cold_s: _NotNegative | None
    swapping_s: _Positive | None
    memory_bytes: _Bytes | None
    page_faults: _Bytes | None
    cache_misses: _Bytes | None
    basis: Basis
    source: _Text


@dataclass(frozen=True, config=_STRICT)
class ModelFigures:
    """All layers of one model.

    Attributes:
        digest: of the graph that they belong to (`ModelGraph.digest`).
        layers: their figures, in the order of the graph.
        whole_s: seconds of the whole model where that was measured by itself; None is unknown.
        whole_source: where that comes from; "" where it is unknown.
    """

    digest: _Text
    layers: tuple[LayerFigure, ...]
    whole_s: _Positive | None
    whole_source: str


@dataclass(frozen=True, config=_STRICT)
class Fit:
    """Seconds of a kind of layer as a sum over features, for layers that have no figure.

    Attributes:
        seconds_per: feature of `FEATURES` -> seconds for each unit of it.
        points: figures that it was fitted to.
        median_error: median of the relative errors, each point predicted from the others; None for too few points.
        largest_error: the largest of them; None for too few points.
        source: what it was fitted to.
    """

    seconds_per: dict[str, _NotNegative]
    points: Annotated[int, Field(ge=1)]
    median_error: _NotNegative | None
    largest_error: _NotNegative | None
    source: _Text


@dataclass(frozen=True, config=_STRICT)
class CurvePoint:
    """One point of a published curve: a layer of a size of its own.

    Attributes:
        size: what the curve runs over.
        warm_s: seconds in the steady state; None where only a mean with the first runs is known.
        first_100_s: mean of the first hundred runs, the cold one included; None is unknown.
    """

    size: Annotated[int, Field(ge=1)]
    warm_s: _Positive | None
    first_100_s: _Positive | None


@dataclass(frozen=True, config=_STRICT)
class Curve:
    """Published figures of layers that belong to no model here, kept for what they show.

    Attributes:
        title: what was varied, and what was not.
        points: in order of size.
        source: where they come from, and what they are used for.
    """

    title: _Text
    points: tuple[CurvePoint, ...]
    source: _Text


@dataclass(frozen=True, config=_STRICT)
class Profile:
    """A kind of device.

    Attributes:
        name: as users type it.
        device: what it is.
        models: name of a model -> its figures.
        fits: kind of layer (`Conv2D`, `Dense`, ...) -> its behaviour.
        curves: published figures beside those.
    """

    name: _Name
    device: Device
    models: dict[str, ModelFigures]
    fits: dict[str, Fit]
    curves: tuple[Curve, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for kind, fit in self.fits.items():
            for feature in fit.seconds_per:
                if feature not in FEATURES:
                    raise ValueError(f"fits.{kind} depends on {feature}, which is none of {', '.join(FEATURES)}")
        idle_w, load_w = self.device.idle_w, self.device.load_w
        if idle_w is not None and load_w is not None and load_w < idle_w:
            raise ValueError(f"device.load_w {load_w:g} is less than device.idle_w {idle_w:g}")
        for name, figures in self.models.items():
            seen = [(figure.layer, figure.parts) for figure in figures.layers]
            twice = next((one for one in seen if seen.count(one) > 1), None)
            if twice:
                raise ValueError(f"models.{name} has {twice[0]} in {twice[1]} part(s) twice")
        return self

    def figures(self, graph: ModelGraph) -> ModelFigures | None:
        """The figures of a model; None where the profile has none of that name.

        Raises:
            BadInputError: they belong to another model of the same name.
        """
        found = self.models.get(graph.name)
        if found is not None and found.digest != graph.digest():
            raise BadInputError(
                f"profile {self.name} was made of another model called {graph.name}", "make it again: iot-farm profile"
            )
        return found


_ADAPTER = TypeAdapter(Profile)


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is no profile, or holds a figure that cannot be (negative, NaN); the message names it.
    """
    return profile_from(read_json(path, "profile", _HINT), str(path))


def profile_from(document: Any, source: str) -> Profile:
    """Check a parsed profile.

    Raises:
        BadInputError: it is none; the message names the field.
    """
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (FORMAT, VERSION):
        raise BadInputError(f'{source} is no profile: it needs "format": "{FORMAT}", "version": {VERSION}', _HINT)
    body = {key: value for key, value in document.items() if key not in ("format", "version")}
    try:
        # From JSON: there alone does a strict reader take an array for a tuple.
        return _ADAPTER.validate_json(canonical(body))
    except ValidationError as error:
        raise BadInputError(f"{source}: {first_problem(error)}", _HINT) from None


def profile_document(profile: Profile) -> dict[str, Any]:
    """A profile as plain data: what `profile_from` reads."""
    return {"format": FORMAT, "version": VERSION, **_ADAPTER.dump_python(profile, mode="json")}


def profile_text(profile: Profile) -> str:
    """A profile as the text of its file.

    Raises:
        ValueError: it holds a figure that no file may hold.
    """
    return json.dumps(profile_document(profile), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def first_problem(error: ValidationError) -> str:
    """What is wrong first with a file, in one line."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return " ".join((f"{place}: {text}" if place else text).split())


def rounded(seconds: float) -> float:
    """To six digits: no figure here is known better, and files stay readable."""
    return 0.0 if seconds == 0 else round(seconds, 5 - math.floor(math.log10(abs(seconds))))
