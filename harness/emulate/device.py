"""One imitated device: it computes one frame at a time, and holds each result until its own time for it has passed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from harness.errors import BadInputError
from harness.models.split import Split
from harness.partition.block import Block
from harness.plan.table import Share
from harness.plan.traffic import part_features
from harness.profile.times import BlockTimes

Array = npt.NDArray[np.generic]

_OVERSLEPT: Final = 0.05
_WAKING_S: Final = 0.002
"""A result that is handed on later than that behind its time is late: this share of the time, and this on top."""


class ComputedBlock(Protocol):
    """A loaded block: arrays in, arrays out, without the batch axis."""

    fingerprint: str

    def __call__(self, *inputs: Any) -> tuple[Array, ...]:
        """Compute one frame."""
        ...


@dataclass(frozen=True)
class DeviceTime:
    """Seconds that a device needs for a block.

    Attributes:
        warm_s: for a frame.
        cold_s: for the first one; `warm_s` where nobody knows.
    """

    warm_s: float
    cold_s: float


def device_time(times: BlockTimes, block: Block, *, messages_s: float = 0.0) -> DeviceTime:
    """What a block takes on the device, swapping included.

    Args:
        times: of the device's profile, for the whole model.
        block: one part of a role; parts of convolutions take what the fits of their kinds say (`BlockTimes.part`).
        messages_s: processor time of the block's messages, which the device spends beside.

    Raises:
        BadInputError: the block does not fit the device, or its profile has nothing for a layer.
    """
    by_columns = block.split is Split.COLUMNS
    found = times.block(block.layers, block.parts) if by_columns else times.part(part_features(block))
    if found.seconds == float("inf"):
        raise BadInputError(
            f"{block.layers[0]} to {block.layers[-1]} need {found.memory_bytes} bytes, "
            f"more than {times.profile.name} has",
            "take a farm with more devices, or another device",
        )
    warm_s = found.seconds + messages_s
    figures = times.profile.figures(times.graph)
    cold = {} if figures is None or not by_columns else {(one.layer, one.parts): one.cold_s for one in figures.layers}
    more_s = sum(
        max(0.0, known - times.layer(layer, block.parts)[0])
        for layer in block.layers
        if (known := cold.get((layer, block.parts))) is not None
    )
    return DeviceTime(warm_s, warm_s + more_s)


class EmulatedDevice:
    """The pace of one node, for all blocks that it holds.

    Args:
        times: share -> what the device needs for it.
        told: is told of the seconds of all blocks that have ended, since when one is computed (0: none is), and how
            long that takes.
        clock: gives seconds, as `time.monotonic`.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        times: Mapping[Share, DeviceTime],
        told: Callable[[float, float, float], None] = lambda _ended_s, _since_s, _most_s: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._times = times
        self._told = told
        self._clock = clock
        self._sleep = sleep
        self._one_at_a_time = threading.Lock()
        self._ended_s = 0.0
        self.late = 0
        """Results that this machine had, or handed on, later than the device."""
        told(0.0, 0.0, 0.0)

    def paced(self, share: Share, block: ComputedBlock) -> PacedBlock:
        """A block at the pace of the device."""
        return PacedBlock(self, block, self._times[share])

    def compute(self, block: ComputedBlock, inputs: tuple[Any, ...], device_s: float) -> tuple[Array, ...]:
        """Compute a frame, and return when the device would have it."""
        with self._one_at_a_time:
            begun_s = self._clock()
            self._told(self._ended_s, begun_s, device_s)
            try:
                outputs = block(*inputs)
                left_s = begun_s + device_s - self._clock()
                self._sleep(max(0.0, left_s))
                # A machine with too much else to do wakes up late, too.
                if left_s < 0 or self._clock() - begun_s > device_s * (1 + _OVERSLEPT) + _WAKING_S:
                    self.late += 1
            finally:
                self._ended_s += device_s
                self._told(self._ended_s, 0.0, 0.0)
            return outputs


class PacedBlock:
    """A block whose results come when the device would have them.

    Args:
        device: that computes it.
        block: what really computes.
        time: of the device for it.
    """

    def __init__(self, device: EmulatedDevice, block: ComputedBlock, time: DeviceTime) -> None:
        self.fingerprint = block.fingerprint
        self._device = device
        self._block = block
        self._warm_s = time.warm_s
        self._next_s = time.cold_s

    def __call__(self, *inputs: Any) -> tuple[Array, ...]:
        """Compute one frame."""
        device_s, self._next_s = self._next_s, self._warm_s
        return self._device.compute(self._block, inputs, device_s)
