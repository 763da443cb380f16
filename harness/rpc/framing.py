"""Avro's framing: frames of a 4-byte big-endian length and that many bytes, ended by a frame of length zero.

Stock Python writes frames of 8192 bytes, npm's avsc frames of 2048; a reader takes any size. We write one
frame for the whole message, and read a message of one frame without copying it.
"""

import struct

from harness.rpc.errors import WireFormatError

FRAME_LENGTH_BYTES = 4
TERMINATOR = b"\0\0\0\0"
MAX_FRAME_BYTES = 2**32 - 1

_SPARE_FRAMES = 1024
"""Frames that any message may have; a longer one has one more for each `_BYTES_PER_FRAME`."""
_BYTES_PER_FRAME = 256
_LENGTH = struct.Struct("!I")


def frame_length(size_bytes: int) -> bytes:
    """The 4 bytes that stand before a frame of `size_bytes` bytes."""
    return _LENGTH.pack(size_bytes)


def encode_message(message: bytes) -> bytes:
    """Frame a message in a single frame (none at all for an empty message)."""
    if not message:
        return TERMINATOR
    return _LENGTH.pack(len(message)) + message + TERMINATOR


def decode_message(framed: bytes | memoryview, max_bytes: int) -> memoryview | bytes:
    """Take the frames off one whole message.

    Args:
        framed: all bytes of the body: every frame, and the terminator last.
        max_bytes: the longest message accepted, without framing.

    Returns:
        The message; a view into `framed` where it came in one frame.

    Raises:
        WireFormatError: a frame runs past the end, the terminator is missing, bytes follow it, the message is
            longer than `max_bytes`, or cut far smaller than any client cuts. Nothing is copied before all of
            this is known.
    """
    view = memoryview(framed)
    end = len(view)
    size = end - 2 * FRAME_LENGTH_BYTES
    if 0 < size <= max_bytes and view[:4] == _LENGTH.pack(size) and view[-4:] == TERMINATOR:
        return view[4:-4]
    frames: list[memoryview] = []
    most_frames = _SPARE_FRAMES + end // _BYTES_PER_FRAME
    size = position = 0
    while True:
        if end - position < FRAME_LENGTH_BYTES:
            raise WireFormatError("the message ends before its terminating frame")
        (length,) = _LENGTH.unpack_from(view, position)
        position += FRAME_LENGTH_BYTES
        if length == 0:
            break
        if length > end - position:
            raise WireFormatError(f"a frame of {length} bytes in a body with {end - position} bytes left")
        size += length
        if size > max_bytes:
            raise WireFormatError(f"a message of more than {max_bytes} bytes")
        if len(frames) == most_frames:
            raise WireFormatError(f"more than {most_frames} frames in a body of {end} bytes")
        frames.append(view[position : position + length])
        position += length
    if position != end:
        raise WireFormatError(f"{end - position} bytes after the terminating frame")
    return frames[0] if len(frames) == 1 else b"".join(frames)


def max_framed_bytes(max_message_bytes: int) -> int:
    """The longest body that may carry a message of `max_message_bytes` bytes.

    Leaves room for frames of 1024 bytes on average, half of the smallest that known clients write.
    """
    return max_message_bytes + max_message_bytes // 256 + 64
