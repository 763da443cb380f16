"""The protocol `image`: its declaration, its hash, and a hand-made codec for its one hot message.

`forward` carries every tensor of a farm, so it is written and read here without walking a schema. All other
messages, and `forward` from a client with another declaration of it, go through `harness.rpc.resolution`.
"""

import hashlib
import json
from importlib import resources
from typing import Any, Final

import avro.protocol

from harness.rpc.errors import WireFormatError
from harness.rpc.resolution import MAX_SCHEMA_NODES, expanded_nodes

HASH_BYTES: Final = 16
FORWARD: Final = "forward"
MAX_PROTOCOL_BYTES: Final = 32_768
"""Longest protocol text accepted from a peer; ours takes 2 kB."""
MAX_NAME_BYTES: Final = 4096
"""Longest `next` or `tag` of a `forward` accepted."""

_FORWARD_PARAMETERS: Final = [("input", "bytes"), ("next", "string"), ("tag", "string")]
_MAX_VARINT_BYTES: Final = 10
_MORE: Final = 0x80  # the bit of a variable-length number that says that another byte follows
_ODD_OR_MORE: Final = 0x81  # of a first byte: the number is negative, or longer
_FEW: Final = 2048  # lengths of names that occur


def parse_protocol(text: str) -> Any:
    """Read a protocol declaration that came from elsewhere.

    Returns:
        An `avro.protocol.Protocol`.

    Raises:
        WireFormatError: it is too long, not JSON, or not a protocol.
    """
    if len(text) > MAX_PROTOCOL_BYTES:
        raise WireFormatError(f"a protocol text of {len(text)} characters; at most {MAX_PROTOCOL_BYTES} are read")
    try:
        protocol = avro.protocol.parse(text)
        counted: dict[int, float] = {}  # shared: many messages may use one large type
        for message in (protocol.messages or {}).values():
            for schema in (message.request, message.response):
                if expanded_nodes(schema, counted) > MAX_SCHEMA_NODES:
                    raise WireFormatError(f"message '{message.name}' is endless or far too complex")  # noqa: TRY301
    except WireFormatError:
        raise
    except Exception as error:  # the parser lets TypeError, KeyError, RecursionError and more escape
        raise WireFormatError(f"the protocol text cannot be read: {error}") from error
    return protocol


def protocol_hash(text: str) -> bytes:
    """The 16 bytes that name a protocol text in a handshake: the MD5 of the very text that is sent."""
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


# One spelling of the JSON whatever the release of the Avro library: equal nodes agree at their first call.
_DECLARATION = resources.files(__package__).joinpath("image.avpr").read_text("utf-8")
PROTOCOL_TEXT: Final = json.dumps(json.loads(_DECLARATION))
PROTOCOL: Final = parse_protocol(PROTOCOL_TEXT)
PROTOCOL_HASH: Final = protocol_hash(PROTOCOL_TEXT)


def declares_forward(protocol: Any) -> bool:
    """Whether a peer's protocol declares the parameters of `forward` exactly as ours, order included."""
    message = (protocol.messages or {}).get(FORWARD)
    if message is None:
        return False
    return [(field.name, field.type.type) for field in message.request.fields] == _FORWARD_PARAMETERS


def forward_prefix(client_hash: bytes, server_hash: bytes) -> bytes:
    """All bytes of a `forward` call before its parameters, when the handshake carries no protocol text.

    Client hash, no client protocol, server hash, no handshake metadata, no call metadata, message name.
    """
    return client_hash + b"\0" + server_hash + b"\0" + b"\0" + encode_string(FORWARD)


FORWARD_PREFIX_BYTES: Final = 2 * HASH_BYTES + 4 + len(FORWARD)
"""Length of every `forward_prefix`: 43 bytes."""


def encode_long(value: int) -> bytes:
    """Avro's variable-length zig-zag coding of a non-negative number (a length)."""
    return _LENGTHS[value] if value < _FEW else _encode_long(value)


def _encode_long(value: int) -> bytes:
    value <<= 1
    if value < _MORE:
        return bytes((value,))
    out = bytearray()
    while value >= _MORE:
        out.append(value & 0x7F | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


_LENGTHS: Final = [_encode_long(length) for length in range(_FEW)]


def encode_string(text: str) -> bytes:
    """An Avro string: the length in bytes, then UTF-8."""
    data = text.encode()
    return encode_long(len(data)) + data


def decode_length(message: bytes | memoryview, position: int, most: int) -> tuple[int, int]:
    """Read the length of a string or of bytes.

    Args:
        message: what is being read.
        position: where the length starts.
        most: the largest length accepted besides the bytes that are left.

    Returns:
        The length, and the position behind it; that many bytes are there.

    Raises:
        WireFormatError: the message is truncated, or the length negative, overlong or too large.
    """
    end = len(message)
    value = shift = 0
    for count in range(_MAX_VARINT_BYTES):
        if position >= end:
            raise WireFormatError("the call ends within a length")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            break
        shift = 7 * (count + 1)
    else:
        raise WireFormatError(f"a length of more than {_MAX_VARINT_BYTES} bytes")
    if value & 1:
        raise WireFormatError(f"a negative length: {-(value >> 1) - 1}")
    value >>= 1
    if value > end - position:
        raise WireFormatError(f"a length of {value} where {end - position} bytes are left")
    if value > most:
        raise WireFormatError(f"a length of {value} where at most {most} are accepted")
    return value, position


def encode_forward_tail(next_role: str, tag: str) -> bytes:
    """What follows the tensor's bytes in a `forward` call."""
    return encode_string(next_role) + encode_string(tag)


def decode_names(tail: bytes, end: int) -> tuple[str, str] | None:
    """Read what `encode_forward_tail` writes, where its lengths take the fewest bytes and fit the tail exactly.

    Args:
        tail: bytes that begin with the two names.
        end: where they must end.

    Returns:
        next, tag; None for anything else, which `decode_forward` may still be able to read, or explains.
    """
    next_end = 1 + (tail[0] >> 1)
    if tail[0] & _ODD_OR_MORE or next_end >= end:
        return None
    size, start = tail[next_end], next_end + 1
    if size >= _MORE:
        if start >= end or tail[start] >= _MORE:
            return None
        size, start = size & 0x7F | tail[start] << 7, start + 1
    if size & 1 or start + (size >> 1) != end or size >> 1 > MAX_NAME_BYTES:
        return None
    try:
        return tail[1:next_end].decode(), tail[start:end].decode()
    except UnicodeDecodeError:
        return None


def decode_forward(message: bytes | memoryview, position: int) -> tuple[bytes | memoryview, str, str]:
    """Read the parameters of a `forward` call of a client that declares it as we do.

    Args:
        message: the whole call, frames taken off.
        position: where the parameters start.

    Returns:
        input (a view into `message` if that is one), next, tag.

    Raises:
        WireFormatError: truncated, a wrong length, not UTF-8, or bytes behind the last parameter.
    """
    size, position = decode_length(message, position, len(message))
    data = message[position : position + size]
    position += size
    size, position = decode_length(message, position, MAX_NAME_BYTES)
    next_bytes = message[position : position + size]
    position += size
    size, position = decode_length(message, position, MAX_NAME_BYTES)
    tag_bytes = message[position : position + size]
    position += size
    if position != len(message):
        raise WireFormatError(f"{len(message) - position} bytes after the last parameter")
    try:
        return data, str(next_bytes, "utf-8"), str(tag_bytes, "utf-8")
    except UnicodeDecodeError as error:
        raise WireFormatError(f"a string that is not UTF-8: {error.reason}") from error
