"""Tensors as the bytes in which they travel between blocks, and back (pure: arrays and bytes, no network).

f32: the float32 values, little-endian. Nothing is lost, nothing is copied; it is all there was before the choice.
fp16: IEEE 754 binary16, rounded to nearest, ties to even.
uint8: smallest value and step as two float32, then one byte a value: value = smallest + step x byte. The step is the
    range / 255, so that everything is off by half a step at most, but for the rounding of float32 itself.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.partition.wire import SCALE_BYTES, Wire

Floats = npt.NDArray[np.float32]
Payload = bytes | memoryview

_SCALE: Final = struct.Struct("<ff")
_STEPS: Final = 255
_LARGEST_HALF: Final = 65504
_LARGEST_IN_STEPS: Final = 1.7e38
"""Half of what float32 holds, so that no range of values is beyond it."""
_ROUNDED: Final = 1.000001
_SMALLEST_STEP: Final = np.finfo(np.float32).tiny
"""Below it a step has fewer digits than a float32, and its inverse may be infinite."""
_AT_ONCE: Final = 32_768
"""Values that are converted at once, so that what lies between two steps stays in the processor's cache."""

# Of the bits of a float (8 bits of exponent, 23 of fraction) and of a half (5 and 10).
_ALL_BUT_SIGN: Final = np.uint32(0x7FFF_FFFF)
_EXPONENT: Final = np.uint32(0x7F80_0000)
_SMALLEST_EXPONENT: Final = np.uint32(113 << 23)
_THIRTEEN: Final = np.uint32(13 << 23)
_FRACTIONS_DIFFER: Final = np.uint32(13)
_OFFSET: Final = np.uint32((13 << 23) + (113 << 10))
_LARGEST_BITS: Final = np.uint32(0x477F_EFFF)
_HALF_BITS, _HALF_SIGN = np.uint32(16), np.uint32(0x8000)

assert _SCALE.size == SCALE_BYTES


class UnfitError(ValueError):
    """A tensor holds what its wire cannot carry."""


def encode(array: npt.NDArray[Any], wire: Wire) -> memoryview:
    """A tensor as bytes.

    Args:
        array: float32, any shape but an empty one; with `Wire.F32` of any type, and its own bytes are given.
        wire: how.

    Raises:
        UnfitError: it holds NaN or infinity, or a value beyond 65504 for fp16, beyond 1.7e38 for uint8.
    """
    if wire is Wire.F32:
        return np.ascontiguousarray(array).data.cast("B")
    return _halves(array) if wire is Wire.FP16 else _steps(array)


def decode(payload: Payload, wire: Wire) -> Floats:
    """The values of a payload of the right length, float32 (n,), in memory of their own but for `Wire.F32`."""
    if wire is Wire.F32:
        return np.frombuffer(payload, dtype="<f4")
    if wire is Wire.FP16:
        # Looked up: six times faster than converting each where zeros stand among them.
        return _every_half().take(np.frombuffer(payload, dtype="<u2"))
    least, step = _SCALE.unpack_from(payload)
    values = np.frombuffer(payload, dtype=np.uint8, offset=SCALE_BYTES).astype(np.float32)
    values *= np.float32(step)
    values += np.float32(least)
    return values


def travelled(array: Floats, wire: Wire) -> Floats:
    """What arrives of a tensor, in its shape.

    Raises:
        UnfitError: as `encode`.
    """
    return decode(encode(array, wire), wire).reshape(array.shape)


def header_problem(payload: Payload) -> str:
    """What is wrong with the scale of a uint8 payload that is long enough for one; "" for nothing."""
    least, step = _SCALE.unpack_from(payload)
    most = least + _STEPS * step
    if not (abs(least) <= _LARGEST_IN_STEPS and step >= 0 and most <= _LARGEST_IN_STEPS * _ROUNDED):
        return f"goes in steps of {step:g} from {least:g}"
    return ""


def _halves(array: Floats) -> memoryview:
    bits = np.ascontiguousarray(array, dtype=np.float32).reshape(-1).view(np.uint32)
    halves = np.empty(bits.size, dtype="<u2")
    for begin in range(0, bits.size, _AT_ONCE):
        try:
            halves[begin : begin + _AT_ONCE] = _half_bits(bits[begin : begin + _AT_ONCE])
        except OverflowError:
            raise UnfitError(f"holds {_farthest(array):g}, fp16 ends at {_LARGEST_HALF}") from None
    return halves.data.cast("B")


def _half_bits(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The bits of halves for the bits of floats; OverflowError where one is beyond them.

    A float m with exponent e, no smaller than that of the smallest normal half, is added to C = 2^(e + 13): the last
    place of a float there is 2^(e - 10), which is that of the half, so the addition itself rounds m to nearest even.
    What it adds to the bits of C is m in those places, and (e << 10) + places is the half, subnormal ones and a
    rounding up to the next exponent included. NumPy's own conversion takes each value by branches, which zeros and
    others in random order make four times slower (`python -m benchmarks.wire`).
    """
    signed = bits.max() > _LARGEST_BITS  # a sign is the highest bit
    sizes = bits & _ALL_BUT_SIGN if signed else bits
    if signed and sizes.max() > _LARGEST_BITS:
        raise OverflowError
    exponents = np.maximum(sizes & _EXPONENT, _SMALLEST_EXPONENT)
    found: npt.NDArray[np.uint32] = exponents + _THIRTEEN
    as_floats = found.view(np.float32)
    as_floats += sizes.view(np.float32)
    found -= exponents
    exponents >>= _FRACTIONS_DIFFER
    found += exponents
    found -= _OFFSET
    if signed:
        found |= (bits >> _HALF_BITS) & _HALF_SIGN
    return found


def _steps(array: Floats) -> memoryview:
    least, most = array.min(), array.max()
    if not (least >= -_LARGEST_IN_STEPS and most <= _LARGEST_IN_STEPS):  # NaN neither
        raise UnfitError(f"holds {_farthest(array):g}, uint8 ends at {_LARGEST_IN_STEPS:g}")
    step = (most - least) / np.float32(_STEPS)
    if step < _SMALLEST_STEP:
        step = np.float32(0)
    payload = np.empty(SCALE_BYTES + array.size, dtype=np.uint8)
    _SCALE.pack_into(payload.data, 0, least, step)
    codes = payload[SCALE_BYTES:].reshape(array.shape)
    if step:
        scaled = array - least
        scaled *= np.float32(1) / step
        np.rint(scaled, out=scaled)
        np.copyto(codes, scaled, casting="unsafe")
    else:
        codes.fill(0)
    return payload.data


@cache
def _every_half() -> Floats:
    """The value of each of the 65,536 halves."""
    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _farthest(array: Floats) -> float:
    """The value that is farthest from 0, or NaN."""
    return max(float(array.max()), float(array.min()), key=abs)
