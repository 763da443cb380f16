"""How tensors may travel from block to block, and how many bytes they take then (pure, and quick to import)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

F32_BYTES: Final = 4
SCALE_BYTES: Final = 8
"""Two float32 before the bytes of a uint8 payload: smallest value and step."""


class Wire(StrEnum):
    """How tensors travel from block to block; `harness.partition.codec` does it."""

    F32 = "f32"
    """As they are."""
    FP16 = "fp16"
    """IEEE half floats, two bytes a value."""
    UINT8 = "uint8"
    """One byte a value, in 255 equal steps from the smallest to the largest value of the message."""

    def payload_bytes(self, f32_bytes: int) -> int:
        """Bytes of a payload whose values take so many as float32."""
        if self is Wire.F32:
            return f32_bytes
        values = f32_bytes // F32_BYTES
        return 2 * values if self is Wire.FP16 else SCALE_BYTES + values
