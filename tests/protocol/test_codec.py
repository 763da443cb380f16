"""Calls and answers as bytes: the hand-made codec of `forward` against the Avro library, and golden bytes."""

import io

import avro.io
import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol.raw_http import TENSOR, exchange, forward_message, framed, post

from harness.rpc.errors import WireFormatError
from harness.rpc.protocol import (
    FORWARD_PREFIX_BYTES,
    PROTOCOL,
    PROTOCOL_HASH,
    decode_forward,
    decode_length,
    encode_forward_tail,
    encode_long,
)
from harness.rpc.requestor import Requestor
from harness.rpc.resolution import encode_datum
from harness.rpc.responder import VOID

# frame of 0x36 = 54 bytes; client hash, no protocol, server hash, no metadata (twice), "forward"; then the bytes
# 01 02 03 04, "fc1" and "t", each behind twice its length; the terminator. The hash changes with image.avpr.
HASH = "a5c802b172c714c6ff9e111de161d356"
GOLDEN_REQUEST = bytes.fromhex(
    f"00000036 {HASH} 00 {HASH} 00 00 0e 666f7277617264 08 01020304 06 666331 02 74 00000000"
)
# frame of 6 bytes: match BOTH, no protocol, no hash, no metadata (twice), no error; null takes no byte
GOLDEN_RESPONSE = bytes.fromhex("00000006 000000000000 00000000")

names = st.text(max_size=30)
tensors = st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes))


def our_forward(tensor, next_role, tag):
    """A call of `forward` as our client sends it."""
    return Requestor("", 0).encode_forward_head(len(tensor)) + tensor + encode_forward_tail(next_role, tag)


def test_golden_request():
    """A call of `forward` is these bytes, and other parameters are others."""
    assert framed(our_forward(TENSOR, "fc1", "t")) == GOLDEN_REQUEST
    assert framed(our_forward(TENSOR, "fc1", "u")) != GOLDEN_REQUEST


def test_golden_response(server):
    """A running server answers the golden request with the golden response."""
    assert exchange(server.address, [post(GOLDEN_REQUEST)]) == (200, GOLDEN_RESPONSE)
    assert framed(VOID) == GOLDEN_RESPONSE
    status, refused = exchange(server.address, [post(framed(forward_message(next_role="refuse")))])
    assert status == 200
    assert refused != GOLDEN_RESPONSE


@given(tensors, names, names)
def test_our_encoder_is_that_of_the_library(tensor, next_role, tag):
    """The hand-made encoding of `forward` is, byte for byte, that of the Avro library."""
    request = {"input": tensor, "next": next_role, "tag": tag}
    assert our_forward(tensor, next_role, tag) == Requestor("", 0).encode("forward", request)


@given(tensors, names, names)
def test_our_decoder_is_that_of_the_library(tensor, next_role, tag):
    """The hand-made decoding of `forward` finds what the Avro library has written."""
    request = {"input": tensor, "next": next_role, "tag": tag}
    encoded = encode_datum(PROTOCOL.messages["forward"].request, request)
    data, *rest = decode_forward(memoryview(b"prefix" + encoded), 6)
    assert (bytes(data), *rest) == (tensor, next_role, tag)


@given(tensors, names, names, st.data())
def test_a_truncated_or_longer_call_is_refused(tensor, next_role, tag, data):
    """A call that stops anywhere, or goes on behind its last parameter, is refused."""
    call = our_forward(tensor, next_role, tag)
    assert decode_forward(call, FORWARD_PREFIX_BYTES)
    cut = data.draw(st.integers(FORWARD_PREFIX_BYTES, len(call) - 1))
    for wrong in (call[:cut], call + b"\0"):
        with pytest.raises(WireFormatError):
            decode_forward(wrong, FORWARD_PREFIX_BYTES)


@given(st.integers(0, 2**62))
def test_lengths_are_those_of_the_library(value):
    """Our variable-length numbers are those of the Avro library."""
    buffer = io.BytesIO()
    avro.io.BinaryEncoder(buffer).write_long(value)
    assert encode_long(value) == buffer.getvalue()


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        (b"", "ends within a length"),
        (b"\x80", "ends within a length"),
        (b"\x80" * 10 + b"\0", "more than 10 bytes"),
        (b"\1", "negative length: -1"),
        (b"\7abcd", "negative length: -4"),
        (b"\x0aabcd", "a length of 5 where 4 bytes are left"),
        (b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1abcd", "a length of 9223372036854775807"),
        (b"\x08abcd", "at most 3"),
    ],
)
def test_a_bad_length_is_named(length, reason):
    """A length that is truncated, overlong, negative, past the end or over the limit is refused."""
    with pytest.raises(WireFormatError, match=reason):
        decode_length(length, 0, 3 if reason.startswith("at most") else 100)


def test_our_hash_in_the_golden_bytes():
    """The protocol is the one that the golden bytes were written for."""
    assert PROTOCOL_HASH.hex() == HASH
