"""Avro's framing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol.raw_http import framed

from harness.rpc.errors import WireFormatError
from harness.rpc.framing import TERMINATOR, decode_message, encode_message, max_framed_bytes

LIMIT = 1000


@given(st.binary(max_size=LIMIT))
def test_a_message_survives_our_framing(message):
    """What we frame is read back byte for byte, and a flipped byte is not."""
    frames = encode_message(message)
    assert bytes(decode_message(frames, LIMIT)) == message
    if message:
        corrupt = bytearray(frames)
        corrupt[4 + len(message) // 2] ^= 1
        assert bytes(decode_message(bytes(corrupt), LIMIT)) != message


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20))
def test_a_message_in_any_frames_is_read(parts):
    """However a peer cuts a message into frames, the same message comes out."""
    assert bytes(decode_message(framed(*parts), LIMIT)) == b"".join(parts)


def test_one_frame_is_not_copied():
    """A message in one frame comes back as a view into the body that it arrived in."""
    body = encode_message(b"abc" * 100)
    message = decode_message(body, LIMIT)
    assert isinstance(message, memoryview)
    assert message.obj is body


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_truncated_body_is_refused(message, data):
    """A body that stops anywhere before its end is refused, never read as a shorter message."""
    frames = encode_message(message)
    cut = data.draw(st.integers(0, len(frames) - 1))
    with pytest.raises(WireFormatError):
        decode_message(frames[:cut], LIMIT)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (framed(b"abc") + b"x", "after the terminating frame"),
        (framed(b"abc") + TERMINATOR, "after the terminating frame"),
        (b"\xff\xff\xff\xffabc", "a frame of 4294967295 bytes"),
        (b"\0\0\0\5abc" + TERMINATOR[:1], "a frame of 5 bytes"),
        (framed(b"a" * (LIMIT + 1)), "more than 1000"),
        (framed(b"a" * LIMIT, b"a"), "more than 1000"),
        (b"", "before its terminating frame"),
        (framed(b"abc", end=b""), "before its terminating frame"),
    ],
)
def test_bad_framing_is_named(body, reason):
    """Bytes after the end, frames past the end and messages over the limit are refused with the reason."""
    with pytest.raises(WireFormatError, match=reason):
        decode_message(body, LIMIT)


def test_a_message_cut_far_too_small_is_refused():
    """One-byte frames are taken up to a number that the body's length gives: 1,044 of them are, 1,045 are not."""
    assert len(decode_message(framed(*[b"a"] * 1044), 10_000)) == 1044
    for frames in (1045, 100_000):
        body = framed(*[b"a"] * frames)
        with pytest.raises(WireFormatError, match=f"more than {1024 + len(body) // 256} frames in a body"):
            decode_message(body, 200_000)


@pytest.mark.parametrize("frame", [2048, 8192])
def test_the_body_limit_leaves_room_for_known_clients(frame):
    """A message of the longest size, in the frames of avsc and stock Python, fits the limit of the body."""
    size = 3_211_264
    frames = -(-size // frame)
    assert size + 4 * (frames + 1) <= max_framed_bytes(size)
