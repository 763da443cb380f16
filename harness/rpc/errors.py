"""What can go wrong between two nodes, as a user sees it: one line that names the peer.

Every class here is a `FarmError` (exit code 3) and carries `.host` and `.port` of the peer, empty and 0
where the peer is not known (a handler that refuses a message does not name itself).
"""

from harness.errors import FarmError


class RpcError(FarmError):
    """A call to a peer that did not end as it should.

    Args:
        message: one line that says what happened.
        hint: one line that says what to do next; may be empty.
        host: address of the peer, as it was given to the client.
        port: TCP port of the peer.
    """

    def __init__(self, message: str, hint: str = "", *, host: str = "", port: int = 0) -> None:
        super().__init__(message, hint)
        self.host = host
        self.port = port


class PeerUnreachableError(RpcError):
    """Nobody answers at the address, or the connection broke before the answer was complete."""


class PeerTimeoutError(RpcError):
    """The peer is connected and did not answer in time."""


class PeerUntrustedError(RpcError):
    """The two sides do not come to terms over TLS: no keys, those of another farm, or one of them speaks plain."""


class RemoteError(RpcError):
    """The peer received the call and answered an Avro error.

    A handler of `RpcServer` raises this to refuse a message: its caller gets the same text.

    Args:
        text: the text of the error, as it travels in the string branch of the error union.
        host: address of the peer that answered; empty in a handler.
        port: TCP port of that peer; 0 in a handler.
    """

    def __init__(self, text: str, *, host: str = "", port: int = 0) -> None:
        super().__init__(f"{host}:{port} refused the call: {text}" if host else text, host=host, port=port)
        self.text = text


class ProtocolError(RpcError):
    """The peer answers, but not in Avro RPC over HTTP, or with a protocol that lacks the message."""


class WireFormatError(ValueError):
    """Bytes that are no well-formed frame, handshake or call; stays inside `harness.rpc`."""
