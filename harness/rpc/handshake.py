"""The handshake that stands before every call and every answer, because HTTP keeps no state for Avro.

A client names its own protocol and the one it believes the server to have, each by the MD5 of its text. A
server that knows the client's and is the believed one answers BOTH. CLIENT: it knows the client's, and sends
its own. NONE: it does not know the client's, sends its own, and wants the call again with the client's text.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import avro.ipc

from harness.rpc.errors import WireFormatError
from harness.rpc.protocol import (
    PROTOCOL,
    PROTOCOL_HASH,
    PROTOCOL_TEXT,
    declares_forward,
    encode_string,
    forward_prefix,
    parse_protocol,
    protocol_hash,
)
from harness.rpc.resolution import Decoder, encode_datum, read_datum

BOTH: Final = b"\0\0\0\0"
"""The answer to a client that knows us and is known: match BOTH and three absent values."""

_REQUEST_SCHEMA = avro.ipc.HANDSHAKE_REQUEST_SCHEMA
_RESPONSE_SCHEMA = avro.ipc.HANDSHAKE_RESPONSE_SCHEMA


@dataclass(frozen=True)
class HandshakeRequest:
    """What a client says before its call.

    Attributes:
        client_hash: MD5 of the client's protocol text, 16 bytes.
        server_hash: MD5 of the text of the protocol that it believes the server to have.
        client_protocol: the client's protocol text, sent when the server asked for it.
    """

    client_hash: bytes
    server_hash: bytes
    client_protocol: str | None = None

    def encode(self) -> bytes:
        """The bytes on the wire, without metadata."""
        text = b"\0" if self.client_protocol is None else b"\2" + encode_string(self.client_protocol)
        return self.client_hash + text + self.server_hash + b"\0"

    @classmethod
    def read(cls, decoder: Decoder) -> "HandshakeRequest":
        """Read one.

        Raises:
            WireFormatError: the bytes are no handshake.
        """
        datum = read_datum(decoder, _REQUEST_SCHEMA, _REQUEST_SCHEMA)
        return cls(datum["clientHash"], datum["serverHash"], datum["clientProtocol"])


@dataclass(frozen=True)
class HandshakeResponse:
    """What a server says before its answer.

    Attributes:
        match: "BOTH", "CLIENT" or "NONE".
        server_protocol: the server's protocol text, absent with BOTH.
        server_hash: its MD5, absent with BOTH.
    """

    match: str
    server_protocol: str | None = None
    server_hash: bytes | None = None

    @classmethod
    def of(cls, request: HandshakeRequest, *, client_known: bool) -> "HandshakeResponse":
        """The answer of a server that has the protocol of this module's neighbour `protocol`."""
        if not client_known:
            return cls("NONE", PROTOCOL_TEXT, PROTOCOL_HASH)
        if request.server_hash != PROTOCOL_HASH:
            return cls("CLIENT", PROTOCOL_TEXT, PROTOCOL_HASH)
        return cls("BOTH")

    def encode(self) -> bytes:
        """The bytes on the wire, without metadata."""
        fields = {"match": self.match, "serverProtocol": self.server_protocol, "serverHash": self.server_hash}
        return encode_datum(_RESPONSE_SCHEMA, fields | {"meta": None})

    @classmethod
    def read(cls, decoder: Decoder) -> "HandshakeResponse":
        """Read one.

        Raises:
            WireFormatError: the bytes are no handshake.
        """
        datum = read_datum(decoder, _RESPONSE_SCHEMA, _RESPONSE_SCHEMA)
        return cls(datum["match"], datum["serverProtocol"], datum["serverHash"])


class ClientProtocols:
    """The protocols of the clients that a server has met, by hash; bounded, the longest unused goes first.

    Args:
        capacity: how many are kept.
        characters: how long their texts may be in all; a character of text can take forty bytes of memory.

    Attributes:
        fast_prefixes: first bytes of the `forward` calls that `protocol.decode_forward` may read.
    """

    def __init__(self, capacity: int = 64, characters: int = 262_144) -> None:
        self._capacity = capacity
        self._characters = characters
        self._protocols: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()
        self.fast_prefixes = {forward_prefix(PROTOCOL_HASH, PROTOCOL_HASH)}

    def find(self, request: HandshakeRequest) -> Any | None:
        """The client's protocol: known already, or read from the handshake and kept; None if neither.

        Raises:
            WireFormatError: the text that was sent is no protocol, or its hash is not the one that was sent.
        """
        if request.client_hash == PROTOCOL_HASH:
            return PROTOCOL
        known = self._protocols.get(request.client_hash)
        if known is not None:
            self._protocols.move_to_end(request.client_hash)
            return known[0]
        if request.client_protocol is None:
            return None
        # Without this check one client could lay down another protocol under a neighbour's hash.
        if protocol_hash(request.client_protocol) != request.client_hash:
            raise WireFormatError("the client's hash is not the MD5 of its protocol text")
        protocol = parse_protocol(request.client_protocol)
        self._keep(request.client_hash, protocol, len(request.client_protocol))
        return protocol

    def _keep(self, client_hash: bytes, protocol: Any, characters: int) -> None:
        self._protocols[client_hash] = protocol, characters
        if declares_forward(protocol):
            self.fast_prefixes.add(forward_prefix(client_hash, PROTOCOL_HASH))
        kept = sum(length for _, length in self._protocols.values())
        while len(self._protocols) > self._capacity or kept > self._characters:
            forgotten, (_, length) = self._protocols.popitem(last=False)
            kept -= length
            self.fast_prefixes.discard(forward_prefix(forgotten, PROTOCOL_HASH))
