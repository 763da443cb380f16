"""What a wire that rounds costs: the answers with every tensor rounded at the cuts, beside those of float32.

A farm whose blocks send each other halves or bytes does not answer what the single device answers. So one process
computes block after block what such a farm must answer, each part of a role rounding its own slice as its node does.
The farm is held to these answers, which keeps the check of joins as fine as it was; their distance from the single
device's is the error of the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import BadInputError
from harness.farm.config import Address
from harness.farm.local import is_local
from harness.models.graph import FRAME
from harness.partition.block import Block
from harness.partition.codec import UnfitError, encode
from harness.partition.gather import Gather
from harness.partition.partition import INITIAL, Partition
from harness.partition.wire import Wire
from harness.records.computing import Computing

Floats = npt.NDArray[np.float32]


def rounded_outputs(cut: Partition, load: Callable[[Block], Callable[..., Any]], images: npt.NDArray[Any]) -> Floats:
    """What a farm answers whose tensors are rounded between its roles.

    Args:
        cut: the partition, with its wire.
        load: builds a block; one is held at a time.
        images: (count, *shape of a frame).

    Returns:
        float32 (count, *shape of the output), which is not rounded itself.

    Raises:
        BadInputError: a tensor holds what the wire cannot carry; the message names its layer.
    """
    made: dict[tuple[str, int], list[Any]] = {(FRAME, 0): list(images)}
    for role in cut.roles:
        for part in range(role.parts):
            compute = load(cut.block(role.name, part))
            outputs = [compute(*inputs) for inputs in _arrived(cut, role.name, part, made)]
            for tensor, found in zip(cut.outputs(role.name), zip(*outputs, strict=True), strict=True):
                made[tensor, part] = list(found)
    return np.stack([result for (result,) in _arrived(cut, INITIAL, 0, made)])


def _arrived(cut: Partition, role: str, part: int, made: dict[tuple[str, int], list[Any]]) -> Iterator[tuple[Any, ...]]:
    """The inputs of a part for each image, each message encoded and decoded by itself as between nodes."""
    gather = Gather(cut, role, part)
    wire = Wire.F32 if role == INITIAL else cut.wire
    for number in range(len(made[FRAME, 0])):
        payloads = []
        for message in gather.messages:
            array = made[message.tensor, message.part][number]
            array = array if message.cutout is None else array[message.cutout]
            payloads.append(_encoded(message.tensor, array, Wire.F32 if message.tensor == FRAME else wire))
        yield gather.assemble(payloads, wire)


def threads_of(nodes: Sequence[dict[str, Any]]) -> int | None:
    """Threads with which this machine can compute what the nodes compute, to the last bit; None where it cannot.

    Args:
        nodes: descriptions of all nodes; where one is on another machine, on a GPU, computes another way than the
            plain function, or has another number of threads, nobody here adds up in the order that all of them do.
    """
    told = [Computing.parse(node["runtime"]) for node in nodes]
    plain = all(computing.plain and computing.software.endswith(", cpu") for computing in told)
    here = plain and all(is_local(Address(node["host"], node["port"])) for node in nodes)
    threads = {int(node["threads"]) for node in nodes}
    return threads.pop() if here and len(threads) == 1 else None


def wire_cost(cut: Partition, rounded: Floats, exact: Floats | None) -> dict[str, Any] | None:
    """What a record tells of a wire that rounds; None for one that does not.

    Args:
        cut: the partition, with its wire.
        rounded: answers (count, classes) with every tensor rounded at the cuts.
        exact: those of float32; None where nothing was rounded.
    """
    if cut.wire is Wire.F32 or exact is None:
        return None
    return {
        "encoding": cut.wire.value,
        "errors": [float(error) for error in np.abs(rounded - exact).max(axis=-1)],
        "same_class": [bool(same) for same in rounded.argmax(axis=-1) == exact.argmax(axis=-1)],
        "f32_bytes_per_frame": replace(cut, wire=Wire.F32).frame_bytes,
    }


def _encoded(tensor: str, array: Floats, wire: Wire) -> memoryview:
    try:
        return encode(array, wire)
    except UnfitError as error:
        raise BadInputError(
            f"{tensor} cannot travel as {wire}: it {error}", "leave out --wire, or use other weights"
        ) from None
