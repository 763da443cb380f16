"""Tensors as bytes and back: what each encoding keeps, how far it is off, and what it refuses."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from harness.partition.codec import UnfitError, decode, encode, header_problem, travelled
from harness.partition.wire import Wire

SHAPES = nps.array_shapes(max_dims=3, max_side=9)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
HALVES = st.floats(-65519, 65519, width=32)
MODERATE = st.floats(-(2.0**100), 2.0**100, width=32)


def arrays(elements):
    """Float32 arrays of a few shapes."""
    return nps.arrays(np.float32, SHAPES, elements=elements)


@given(arrays(FLOATS))
def test_f32_is_the_array_itself(array):
    """Nothing is lost, nothing is copied, and every other type passes as it is too."""
    payload = encode(array, Wire.F32)
    assert np.shares_memory(np.frombuffer(payload, np.uint8), array)
    assert np.array_equal(travelled(array, Wire.F32), array)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert encode(image, Wire.F32) == image.tobytes()


@given(arrays(HALVES))
def test_fp16_rounds_to_nearest_even(array):
    """Each value is what another implementation of IEEE halves makes of it, subnormal halves and signs included."""
    expected = b"".join(struct.pack("<e", value) for value in array.ravel().tolist())
    assert encode(array, Wire.FP16) == expected
    back = [struct.unpack("<e", expected[at : at + 2])[0] for at in range(0, len(expected), 2)]
    assert decode(expected, Wire.FP16).tolist() == back
    assert travelled(array, Wire.FP16).shape == array.shape


def test_every_half_survives():
    """All 63,488 finite halves come back to the last bit; infinities and NaN are read as they are."""
    every = np.arange(2**16, dtype="<u2")
    values = decode(every.tobytes(), Wire.FP16)
    finite = np.isfinite(values)
    assert finite.sum() == 63_488
    assert encode(values[finite], Wire.FP16) == every[finite].tobytes()
    assert np.isposinf(values[0x7C00])
    assert np.isneginf(values[0xFC00])
    assert np.isnan(values[0x7C01])


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=64))
def test_any_bits_are_rounded_as_numpy_rounds_them(bits):
    """Any float32 there is becomes the half that NumPy makes of it, or is refused where that is not finite."""
    array = np.array(bits, np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        expected = array.astype(np.float16)
    if np.isfinite(expected).all():
        assert encode(array, Wire.FP16) == expected.tobytes()
    else:
        with pytest.raises(UnfitError, match="fp16 ends at 65504"):
            encode(array, Wire.FP16)


@given(arrays(MODERATE))
def test_uint8_is_off_by_half_a_step_at_most(array):
    """A step is the range / 255; an array of one value comes back as it was."""
    back = travelled(array, Wire.UINT8)
    least, most = float(array.min()), float(array.max())
    step = (most - least) / 255
    rounding = 4 * np.spacing(np.float32(max(abs(least), abs(most)))) + 255 * np.finfo(np.float32).tiny
    assert np.abs(back.astype(np.float64) - array).max() <= step / 2 + rounding
    assert back.shape == array.shape
    assert back.dtype == np.float32
    if least == most:
        assert np.array_equal(back, array)


@given(arrays(st.floats(0, 2.0**20, width=32)))
def test_zero_stays_zero(array):
    """What a ReLU cut off is 0 afterwards too, in either encoding, as long as nothing is below it."""
    array.ravel()[0] = 0.0
    for wire, most in ((Wire.FP16, 65504), (Wire.UINT8, 2e6)):
        sent = np.minimum(array, np.float32(most))
        assert not travelled(sent, wire)[sent == 0].any()


@given(arrays(MODERATE))
def test_uint8_keeps_the_order(array):
    """A larger value never comes back as a smaller one."""
    order = np.argsort(array, axis=None)
    assert (np.diff(travelled(array, Wire.UINT8).ravel()[order]) >= 0).all()


@given(arrays(MODERATE), st.sampled_from(Wire))
def test_the_payload_has_the_length_that_the_plan_says(array, wire):
    """A wire's size follows from the number of values alone."""
    if wire is Wire.FP16:
        array = np.clip(array, -6e4, 6e4)
    assert encode(array, wire).nbytes == wire.payload_bytes(array.nbytes)


@given(arrays(FLOATS), st.sampled_from((np.nan, np.inf, -np.inf)), st.sampled_from((Wire.FP16, Wire.UINT8)))
def test_no_number_is_refused(array, odd, wire):
    """NaN and infinity have no place in either encoding, wherever they stand."""
    array.ravel()[-1] = odd
    with pytest.raises(UnfitError):
        encode(array, wire)


@pytest.mark.parametrize("sign", [1, -1])
def test_beyond_fp16(sign):
    """The largest value that rounds to a half passes; the next one is an error that tells it, no silent infinity."""
    last = np.array([1, sign * 65519.996], np.float32)
    assert decode(encode(last, Wire.FP16), Wire.FP16)[1] == sign * 65504
    with pytest.raises(UnfitError, match=rf"^holds {'-' * (sign < 0)}70000, fp16 ends at 65504$"):
        encode(np.array([1, sign * 70_000], np.float32), Wire.FP16)
    with pytest.raises(UnfitError):
        encode(np.array([sign * 65520], np.float32), Wire.FP16)


def test_beyond_uint8():
    """Values whose range no float32 holds are refused; the largest that are not come back."""
    with pytest.raises(UnfitError, match=r"^holds -3e\+38, uint8 ends at 1.7e\+38$"):
        encode(np.array([-3e38, 1e38], np.float32), Wire.UINT8)
    largest = np.array([-1.7e38, 1.7e38], np.float32)
    assert not header_problem(encode(largest, Wire.UINT8))
    assert np.allclose(travelled(largest, Wire.UINT8), largest)


def test_the_bytes_are_documented():
    """A payload read by hand: two float32, then the bytes."""
    payload = encode(np.array([[1.0, 2.0], [3.0, 52.0]], np.float32), Wire.UINT8)
    assert struct.unpack("<ff4B", payload) == (1.0, np.float32(0.2), 0, 5, 10, 255)
    assert encode(np.array([1.5, -2.0], np.float32), Wire.FP16) == bytes.fromhex("003e00c0")


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_scale_is_good_or_gives_no_number(least, step):
    """Whatever eight bytes stand in front: they are refused, or every byte behind them is a finite number."""
    payload = struct.pack("<II256B", least, step, *range(256))
    if not header_problem(payload):
        values = decode(payload, Wire.UINT8)
        assert np.isfinite(values).all()
        assert (np.diff(values) >= 0).all()


@pytest.mark.parametrize(("least", "step"), [(0, -1), (np.nan, 1), (0, np.inf), (-np.inf, 0), (3e38, 1e37)])
def test_a_bad_scale_is_told(least, step):
    """Steps backwards, no number, and values beyond float32."""
    assert header_problem(struct.pack("<ff", least, step) + b"\0").startswith("goes in steps of ")
    assert not header_problem(struct.pack("<ff", -1.5, 0.25)), "control"
