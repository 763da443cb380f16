"""From the bytes of an HTTP/1.1 connection to whole requests, within limits; does no input or output."""

from typing import Final, NamedTuple

import httptools
import numpy as np

from harness.rpc.framing import max_framed_bytes
from harness.rpc.limits import Limits

_CHUNK_BYTES: Final = 65_536
"""What is read at once while nothing is known of the message; holds a whole call of 25 kB."""
_DIRECT_ABOVE_BYTES: Final = 32_768
"""Bodies longer than this are received in place, without passing through the parser."""
_OWN_MEMORY_BYTES: Final = 4096
"""Requests longer than this are received into memory of their own where the one before had the same head."""
_SPARE_BYTES: Final = 1
"""Room behind a request: a read that leaves some of it free has told that no more is there, and is not tried again."""
_INTO_PAGE_BYTES: Final = 48
"""Large memory begins 16 bytes into a page. To the first 32 bytes of one the kernel of an AMD EPYC copies 2.5 times as
slowly (`python -m benchmarks.transport`)."""
_VERSIONS: Final = ("1.0", "1.1")
_HEAD_END: Final = b"\r\n\r\n"
_CHUNK_OVERHEAD_BYTES: Final = 32
"""Chunk header and line ends that are not counted against the limit of the headers."""


def _room(size_bytes: int) -> memoryview:
    """Memory for so many bytes and the spare ones.

    Not filled with zeros: a peer that announces much and sends little takes none.
    """
    return np.empty(size_bytes + _SPARE_BYTES + _INTO_PAGE_BYTES, np.uint8).data[_INTO_PAGE_BYTES:]


class Request(NamedTuple):
    """One whole request.

    Attributes:
        body: its bytes, chunks joined; belongs to the receiver.
        keep_alive: whether the connection stays open after the answer.
        old: whether the client speaks HTTP/1.0 and must be told that the connection stays open.
    """

    body: bytes | memoryview
    keep_alive: bool
    old: bool


class RefusalError(Exception):
    """Why a request is not taken.

    Args:
        status: of HTTP.
        reason: one line for the peer.
        header: one more header line for the answer, with its line end.
    """

    def __init__(self, status: int, reason: str, header: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.header = header


class RequestReader:
    """Reads the requests of one connection. `on_...` are the callbacks of httptools.

    Call `buffer`, put received bytes there, tell `received` how many, then look at the attributes.

    Args:
        limits: of the server.

    Attributes:
        requests: complete requests in the order they came; the caller takes them out.
        refusal: why nothing more is read, once that is so. Requests before it are good.
        begun: whether a request is in progress.
        pending_bytes: bytes of its body held so far.
        expects_continue: the client waits for an interim answer; the caller gives it and clears this.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._max_body_bytes = max_framed_bytes(limits.max_message_bytes)
        self._buffer = self._given = np.empty(_CHUNK_BYTES, np.uint8).data
        self._parser = httptools.HttpRequestParser(self)
        self._target: memoryview | None = None
        self._body: bytes | bytearray = b""
        self._content_bytes = 0
        self._keep_alive = False
        self._old = False
        self._head_bytes = 0
        self._overhead_bytes = 0
        self._began_in_this_feed = False
        self._parser_waits = False
        # A kept connection repeats its head to the byte: the parser is asked once what it says.
        self._usual_head = b""
        self._usual_bytes = 0
        self._plain_content_bytes = 0
        self.requests: list[Request] = []
        self.refusal: RefusalError | None = None
        self.begun = False
        self.pending_bytes = 0
        self.expects_continue = False

    def buffer(self) -> memoryview:
        """Where the next bytes of the connection belong."""
        if self._target is not None:
            return self._target[self.pending_bytes :]
        if self._usual_bytes > _OWN_MEMORY_BYTES and not self.begun:
            # Room for the usual request as a whole, so that its body need not be moved.
            self._given = _room(self._usual_bytes)
        else:
            self._given = self._buffer
        return self._given

    def received(self, size: int) -> None:
        """Take in `size` bytes that now stand in `buffer()`."""
        if self._target is None:
            data = self._given[:size]
            if self.begun or not self._take_usual(data):
                self._feed(data)
            return
        end, whole = self.pending_bytes + size, len(self._target) - _SPARE_BYTES
        if end < whole:
            self.pending_bytes = end
            return
        if self._parser_waits:
            # The parser still waits for the body that went past it; a new one is cheaper than telling it.
            self._parser = httptools.HttpRequestParser(self)
            self._parser_waits = False
        surplus = self._target[whole:end]
        self._complete(self._target[:whole])
        if surplus:
            self._feed(surplus)

    def discard(self) -> None:
        """Forget everything, and end the reference cycle with the parser, which holds our methods."""
        self._reset()
        self._parser = None

    def _take_usual(self, data: memoryview) -> bool:
        """Take in a request with the same head as the one before; returns False when it is another kind of bytes."""
        head = self._usual_head
        if not head or len(data) < len(head) or data[: len(head)] != head:
            return False
        if len(data) == self._usual_bytes:
            body = data[len(head) :]
            self.requests.append(Request(body if self._given is not self._buffer else body.tobytes(), True, False))
        elif self._given is self._buffer or len(data) > self._usual_bytes:
            return False
        else:
            self._target, self.pending_bytes, self.begun = self._given[len(head) :], len(data) - len(head), True
            self._keep_alive, self._old = True, False
        return True

    def _learn(self, data: memoryview, whole: int) -> None:
        """Remember the head of a plain request that began with `data` and is the only one in it."""
        content_bytes = self._plain_content_bytes
        end = bytes(data[: self._limits.max_header_bytes]).find(_HEAD_END) + len(_HEAD_END)
        body_bytes = content_bytes if whole == 1 else self.pending_bytes
        if content_bytes and end >= len(_HEAD_END) and whole <= 1 and end + body_bytes == len(data):
            self._usual_head, self._usual_bytes = bytes(data[:end]), end + content_bytes

    def _feed(self, data: memoryview) -> None:
        self._began_in_this_feed = False
        self._plain_content_bytes = 0
        body_before, begun_before, whole_before = self.pending_bytes, self.begun, len(self.requests)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.refusal = RefusalError(400, "this server changes to no other protocol")
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, MemoryError):
                cause = RefusalError(503, "there is no memory for this message")
            if not isinstance(cause, RefusalError):
                raise
            self.refusal = cause
        except httptools.HttpParserError as error:
            self.refusal = RefusalError(400, f"malformed HTTP: {error}")
        # Neither body nor ordinary chunk heads: these are headers, trailers or chunk extensions. Where the
        # request began amid the data, bytes of an older one stand before it, so only its headers count.
        if self.begun and not self._began_in_this_feed and self.refusal is None:
            self._overhead_bytes += len(data) - (self.pending_bytes - body_before)
            if self._overhead_bytes > self._limits.max_header_bytes:
                self.refusal = self._too_many_headers()
        if self._plain_content_bytes and not begun_before and self.refusal is None:
            self._learn(data, len(self.requests) - whole_before)

    def on_message_begin(self) -> None:
        """A request starts."""
        self._reset()
        self.begun = self._began_in_this_feed = True

    def on_url(self, url: bytes) -> None:
        """Part of the request line has come."""
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come, or a trailer."""
        self._count_head(len(name) + len(value))
        lower = name.lower()
        if lower == b"content-length":
            self._content_bytes = int(value)  # a number, and the only delimiter: the parser has seen to that
            if self._content_bytes > self._max_body_bytes:
                raise self._too_long(str(self._content_bytes))
        elif lower == b"expect":
            if value.lower() != b"100-continue":
                raise RefusalError(417, "only 100-continue can be expected")
            self.expects_continue = True

    def on_headers_complete(self) -> None:
        """The body follows."""
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise RefusalError(400, f"HTTP/{version} is not spoken here, but HTTP/1.1")
        if self._parser.get_method() != b"POST":
            raise RefusalError(405, "Avro calls are POST requests", "Allow: POST\r\n")
        self._keep_alive = self._parser.should_keep_alive()
        self._old = version != "1.1"
        if self._content_bytes > _DIRECT_ABOVE_BYTES:
            self._target = _room(self._content_bytes)
            self._parser_waits = True
        plain = self._keep_alive and not self._old and not self.expects_continue
        self._plain_content_bytes = self._content_bytes if plain else 0

    def on_chunk_header(self) -> None:
        """A chunk of the body follows."""
        self._overhead_bytes -= _CHUNK_OVERHEAD_BYTES

    def on_body(self, body: bytes) -> None:
        """Part of the body has come."""
        end = self.pending_bytes + len(body)
        if self._target is None:
            if end > self._max_body_bytes:
                raise self._too_long(f"more than {self._max_body_bytes}")
            # One growing buffer: a list of a million small chunks would take fifty times their bytes.
            if not self._body:
                self._body = body
            elif isinstance(self._body, bytearray):
                self._body += body
            else:
                self._body = bytearray(self._body) + body
        else:
            self._target[self.pending_bytes : end] = body
        self.pending_bytes = end
        self.expects_continue = False

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._parser_waits = False
        if self._target is not None:
            self._complete(self._target[:-_SPARE_BYTES])
        else:
            self._complete(self._body if isinstance(self._body, bytes) else memoryview(self._body))

    def _complete(self, body: bytes | memoryview) -> None:
        self.requests.append(Request(body, self._keep_alive, self._old))
        self._reset()

    def _reset(self) -> None:
        self._target = None
        self._body = b""
        self._content_bytes = self._head_bytes = self._overhead_bytes = self.pending_bytes = 0
        self.begun = self.expects_continue = False

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.max_header_bytes:
            raise self._too_many_headers()

    def _too_many_headers(self) -> RefusalError:
        return RefusalError(431, f"more than {self._limits.max_header_bytes} bytes of headers")

    def _too_long(self, size: str) -> RefusalError:
        most = self._limits.max_message_bytes
        return RefusalError(413, f"a body of {size} bytes; messages of at most {most} bytes are taken")
