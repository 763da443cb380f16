"""From the bytes of an HTTP/1.1 connection to one whole answer; does no input or output."""

from typing import Final

import httptools

_FIRST_FINAL_STATUS: Final = 200
_OK: Final = 200

Answer = tuple[int, bytes]


class NotHttpError(Exception):
    """What comes back is not HTTP, or too long."""


class AnswerReader:
    """Reads the answers of one connection, one after each request. `on_...` are the callbacks of httptools.

    Args:
        max_response_bytes: longest body accepted.

    Attributes:
        begun: whether a byte of the answer to the last request has come.
        keep: whether the connection may serve another request.
        answers: complete answers so far.
    """

    def __init__(self, max_response_bytes: int) -> None:
        self._max_response_bytes = max_response_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._complete: list[Answer] = []
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self._delimited = False
        self._ends_with_connection = False
        # Receipts are alike to the byte: the parser is asked once what these bytes say.
        self._usual: bytes | None = None
        self._usual_answer: Answer = (0, b"")
        self.begun = False
        self.keep = True
        self.answers = 0

    def expect(self) -> None:
        """A request goes out: what comes from now on is its answer."""
        self.begun = False

    def feed(self, data: bytes) -> Answer | None:
        """Take in bytes of an answer; returns status and body when it is whole.

        Raises:
            NotHttpError: these bytes are no answer of HTTP.
        """
        first, self.begun = not self.begun, True
        if first and data == self._usual:
            self.answers += 1
            return self._usual_answer
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise NotHttpError(str(error.__context__ or error)) from error
        answer = self._take()
        if answer is not None and first and self.keep and answer[0] == _OK:
            self._usual, self._usual_answer = data, answer
        return answer

    def end(self) -> Answer | None:
        """The peer has closed the connection in order: some answers end so."""
        if self._ends_with_connection:
            self._finish(keep=False)
        return self._take()

    def discard(self) -> None:
        """End the reference cycle with the parser, which holds our methods."""
        self._parser = None

    def _take(self) -> Answer | None:
        answers, self._complete = self._complete, []
        if len(answers) > 1:  # one of them answers nothing that was asked
            self.keep = False
        return answers[0] if answers else None

    def on_message_begin(self) -> None:
        """An answer starts."""
        self._parts = []
        self._part_bytes = 0
        self._delimited = False

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002  that it is there says enough
        """A header has come."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._delimited = True

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._ends_with_connection = not self._delimited

    def on_body(self, body: bytes) -> None:
        """Part of the body has come."""
        self._part_bytes += len(body)
        if self._part_bytes > self._max_response_bytes:
            raise NotHttpError(f"an answer of more than {self._max_response_bytes} bytes")
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, or an interim one is."""
        if self._parser.get_status_code() >= _FIRST_FINAL_STATUS:
            self._finish(keep=self._parser.should_keep_alive())

    def _finish(self, *, keep: bool) -> None:
        self._ends_with_connection = False
        self.keep = keep
        self.answers += 1
        self._complete.append((self._parser.get_status_code(), b"".join(self._parts)))
