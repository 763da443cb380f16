"""How much a server lets a peer have: bytes, seconds and connections."""

from dataclasses import dataclass
from typing import Final

from harness.rpc.protocol import MAX_PROTOCOL_BYTES

MESSAGE_OVERHEAD_BYTES: Final = MAX_PROTOCOL_BYTES + 16_384
"""What a message may hold beside its tensor: a handshake with the client's protocol text, names and tag."""


@dataclass(frozen=True)
class Limits:
    """Limits of one server; whoever exceeds one is told why and disconnected.

    Attributes:
        max_message_bytes: longest Avro message, without framing. See `for_input` for a node.
        message_deadline_s: from the first byte of a message to its last, and from a connection's beginning to
            the end of its first message.
        idle_timeout_s: how long a connection may stay open between two messages.
        max_connections: connections at once; beyond it the longest idle one makes room, or the newcomer is
            turned away.
        max_header_bytes: HTTP request line and headers of a message; for its trailers too.
        max_buffered_bytes: parts of incomplete messages held over all connections; None stands for eight of
            the longest messages, and at least 64 MiB.
    """

    max_message_bytes: int
    message_deadline_s: float = 8.0
    idle_timeout_s: float = 300.0
    max_connections: int = 256
    max_header_bytes: int = 16_384
    max_buffered_bytes: int | None = None

    @classmethod
    def for_input(cls, input_bytes: int) -> "Limits":
        """The limits of a node whose largest input tensor has `input_bytes` bytes."""
        return cls(max_message_bytes=input_bytes + MESSAGE_OVERHEAD_BYTES)

    @property
    def buffered_bytes(self) -> int:
        """`max_buffered_bytes` with its default filled in."""
        if self.max_buffered_bytes is not None:
            return self.max_buffered_bytes
        return max(64 * 2**20, 8 * self.max_message_bytes)
