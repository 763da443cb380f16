"""The ways in which a layer's work may be cut into parts, and what of its weights each part holds (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from harness.models.graph import Shape

BIAS = "bias"
"""Keras' name of what is added once to each output."""


class Split(StrEnum):
    """Along which axis parts of a role differ (model parallelism)."""

    COLUMNS = "columns"
    """Output columns of a dense layer: every part reads the whole input, results stand side by side."""
    OUTPUT_CHANNELS = "output_channels"
    """Filters of a convolution: every part reads the whole picture, and makes some of the channels."""
    INPUT_CHANNELS = "input_channels"
    """Channels that a convolution reads: every part makes a summand of the whole result."""
    ROWS = "rows"
    """Rows of a picture, with the rows around them that windows reach into (the halo)."""


def part_span(size: int, part: int, parts: int) -> slice:
    """What a part holds of an axis; sizes differ by one at most where they do not divide.

    Raises:
        ValueError: there is no such part, or it would be empty.
    """
    if not 0 <= part < parts <= size:
        raise ValueError(f"part {part} of {parts} of {size} does not exist")
    return slice(part * size // parts, (part + 1) * size // parts)


def part_columns(units: int, part: int, parts: int) -> slice:
    """The output columns that a part of a dense layer holds.

    Raises:
        ValueError: the columns do not divide into that many parts, or there is no such part.
    """
    if parts < 1 or units % parts or not 0 <= part < parts:
        raise ValueError(f"part {part} of {parts} of {units} columns does not exist")
    return part_span(units, part, parts)


def weight_slices(
    shapes: Mapping[str, Shape], part: int, parts: int, split: Split = Split.COLUMNS
) -> dict[str, tuple[slice, ...]]:
    """What a part holds of each parameter of a layer.

    Parts by rows hold all of them. Of parts by input channels the first alone holds the bias, which must be added once.

    Args:
        shapes: parameter -> its shape; kernels end in (channels or features in, filters or units).
        part: counted from 0.
        parts: how many there are; one part holds everything.
        split: which axis is cut.

    Returns:
        parameter -> a slice for each axis; without those of which the part holds nothing.

    Raises:
        ValueError: there is no such part.
    """
    found: dict[str, tuple[slice, ...]] = {}
    for parameter, shape in shapes.items():
        slices = [slice(None)] * len(shape)
        if split is Split.COLUMNS:
            slices[-1] = part_columns(shape[-1], part, parts)
        elif split is Split.OUTPUT_CHANNELS:
            slices[-1] = part_span(shape[-1], part, parts)
        elif split is Split.INPUT_CHANNELS and parameter != BIAS:
            slices[-2] = part_span(shape[-2], part, parts)
        elif split is Split.INPUT_CHANNELS and part:
            continue
        found[parameter] = tuple(slices)
    return found
