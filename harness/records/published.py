"""The figures that were published in 2018, as published, with the range that honest counting leaves of them.

They lie in `experiments/`, a CK repository with one entry for each system; nothing here is computed from a run, so
nothing here is ever averaged with, or ranked among, records of runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

import harness
from harness.errors import BadInputError, MissingPackageError, NotFoundError
from harness.records.canonical import canonical, parse

FORMAT = "ck-iot-farm published"
VERSION = 1
"""Version of the layout of `published.json`. 1: first layout."""
FILE = "published.json"
"""The file of an entry that holds its figures."""
FIGURES = ("ips", "execution_time_classify", "energy_total_j", "energy_static_j", "energy_dynamic_j")
"""Metrics that a published figure may be. What was called latency then is a period, and stands under none of ours."""
PROCESS_WALL_S = "process_wall_s"
"""Samples beside those of the figures: seconds that the whole program ran, once for each repetition."""

_Text = Annotated[str, Field(min_length=1)]
_Positive = Annotated[float, Field(gt=0)]
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REPOSITORY = "experiments"
_HINT = "install ck-iot-farm again, or mend the file"
_MEAN = 1e-9  # relative: the mean of three floats, added in another order


@dataclass(frozen=True, config=_STRICT)
class Declared:
    """What the publication says about price and power without having measured it.

    Attributes:
        price_usd: of all devices, US dollars.
        price_date: ISO 8601, or "unknown".
        price_source: who says so, and how it follows from that.
        peak_power_w: of all devices, watts.
        peak_power_source: likewise.
    """

    price_usd: _Positive
    price_date: _Text
    price_source: _Text
    peak_power_w: _Positive
    peak_power_source: _Text


@dataclass(frozen=True, config=_STRICT)
class Published:
    """One published system.

    Attributes:
        id: name of its entry, lower case with dashes.
        title: one line.
        source: where the figures stand, to the file and the field.
        model: name of the network in `harness.models`.
        system: what it ran on.
        kind: "farm" or "host" (one device).
        device: "CPU" or "GPU" of one device; "" for a farm.
        devices: how many, the source and sink included, as the authors count.
        year: of the publication.
        figure: where it was published: "ck" for the results repository, "paper-5" and "paper-6" for the figures.
        figures: metric of `FIGURES` -> value as published, in the metric's unit.
        uncertainty: metric -> half-width of what a bar can be read to; empty where a number was published.
        samples: metric -> the published repetitions, in their order; also `PROCESS_WALL_S`.
        counting: "once" (each inference counted once), "twice" (a farm whose last stage answered twice for each
            frame) or "unverified" (it cannot be told which of the two).
        corrected: metric -> lowest and highest value that counting each frame once leaves; empty for "once".
        correction: the reason; "" where there is nothing to correct.
        declared: price and power that somebody typed in.
        notes: what to know besides, one sentence or two each.
    """

    id: str
    title: _Text
    source: _Text
    model: Literal["alexnet", "vgg16"]
    system: _Text
    kind: Literal["farm", "host"]
    device: Literal["CPU", "GPU", ""]
    devices: Annotated[int, Field(ge=1)]
    year: int
    figure: Literal["ck", "paper-5", "paper-6"]
    figures: dict[str, _Positive]
    uncertainty: dict[str, _Positive]
    samples: dict[str, tuple[_Positive, ...]]
    counting: Literal["once", "twice", "unverified"]
    corrected: dict[str, tuple[_Positive, _Positive]]
    correction: str
    declared: Declared
    notes: tuple[_Text, ...]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse figures that contradict each other.

        Raises:
            ValueError: one sentence that says which.
        """
        if not _SLUG.fullmatch(self.id):
            raise ValueError("id is not of lower-case words joined by dashes")
        if (self.kind == "host") != (self.devices == 1) or (self.kind == "host") != bool(self.device):
            raise ValueError("kind, device and devices disagree: one device has CPU or GPU, a farm has neither")
        _require_metrics("figures", self.figures, FIGURES)
        _require_metrics("uncertainty", self.uncertainty, self.figures)
        _require_metrics("samples", self.samples, (*self.figures, PROCESS_WALL_S))
        _require_metrics("corrected", self.corrected, self.figures)
        if not self.figures:
            raise ValueError("it has no figures")
        self._require_means()
        self._require_sum()
        self._require_correction()
        return self

    def _require_means(self) -> None:
        for metric, values in self.samples.items():
            if not values:
                raise ValueError(f"samples.{metric} is empty")
            if metric in self.figures:
                mean = math.fsum(values) / len(values)
                if not math.isclose(mean, self.figures[metric], rel_tol=_MEAN):
                    raise ValueError(f"figures.{metric} is not the mean of its samples, {mean!r}")

    def _require_sum(self) -> None:
        """Static and dynamic energy are the total, as far as three bars can be read."""
        parts = [f"energy_{part}_j" for part in ("static", "dynamic", "total")]
        present = [part for part in parts if part in self.figures]
        if present and present != parts:
            raise ValueError("an energy is published as static, dynamic and total, or not at all")
        if present:
            static_j, dynamic_j, total_j = (self.figures[part] for part in parts)
            allowed_j = math.fsum(self.uncertainty.get(part, 0.0) for part in parts)
            if abs(static_j + dynamic_j - total_j) > allowed_j + _MEAN:
                raise ValueError(f"static and dynamic energy differ from the total by more than {allowed_j:.3g} J")

    def _require_correction(self) -> None:
        if (self.counting == "once") == bool(self.corrected) or bool(self.corrected) != bool(self.correction):
            raise ValueError("a corrected range and its reason belong to a figure that was not counted once")
        for metric, (low, high) in self.corrected.items():
            if not low < high:
                raise ValueError(f"corrected.{metric} is no range from low to high")
            honest = self.figures[metric] * (0.5 if metric == "ips" else 2.0)
            if not low <= honest * (1 + _MEAN) or not honest * (1 - _MEAN) <= high:
                raise ValueError(f"corrected.{metric} does not hold {honest:.6g}, what one count for two leaves")


_ADAPTER = TypeAdapter(Published)


def published_folder() -> Path:
    """The CK repository of published figures: beside the code that was installed, or in a checkout.

    Raises:
        MissingPackageError: the installation is not complete.
    """
    package = Path(harness.__file__).resolve().parent
    for path in (package / "_repositories" / _REPOSITORY, package.parent / _REPOSITORY):
        if (path / ".ckr.json").is_file():
            return path
    raise MissingPackageError(f"this installation lacks its folder {_REPOSITORY}", "install ck-iot-farm again")


def read_published(folder: Path | None = None) -> tuple[Published, ...]:
    """Read every published system.

    Args:
        folder: a CK repository of them; None for the one that comes with this package.

    Returns:
        The systems, sorted by id.

    Raises:
        MissingPackageError: the installation is not complete.
        NotFoundError: the folder holds none.
        BadInputError: one of them is not well-formed; the message names the file and what is wrong.
    """
    folder = published_folder() if folder is None else folder
    files = sorted((folder / "experiment").glob(f"*/{FILE}"))
    if not files:
        raise NotFoundError(f"there are no published figures in {folder}", _HINT)
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Published:
    try:
        document = parse(file.read_bytes(), str(file))
    except OSError as error:
        raise BadInputError(f"{file} cannot be read: {error.strerror}", _HINT) from None
    layout = isinstance(document, dict) and (document.pop("format", None), document.pop("version", None))
    if layout != (FORMAT, VERSION):
        raise BadInputError(f'{file} holds no published figures: it needs "{FORMAT}", version {VERSION}', _HINT)
    try:
        # From JSON: there alone does a strict reader take an array for a tuple.
        found = _ADAPTER.validate_json(canonical(document))
    except ValidationError as error:
        raise BadInputError(f"{file}: {_first(error)}", _HINT) from None
    if found.id != file.parent.name:
        raise BadInputError(f"{file}: id is {found.id}, its entry is {file.parent.name}", _HINT)
    return found


def _first(error: ValidationError) -> str:
    """What is wrong first, in one line."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return " ".join((f"{place}: {text}" if place else text).split())


def _require_metrics(name: str, values: Mapping[str, object], known: Collection[str]) -> None:
    for metric in values:
        if metric not in known:
            raise ValueError(f"{name} has {metric}, which may not stand there")
