"""Avro data of any schema, read and written by the Avro library under a bound on the work it may take.

A peer may declare the protocol in its own way: parameters in another order, further ones, narrower numbers.
The library's schema resolution deals with that. But such a schema comes from the network, and a few bytes of
it can stand for endless work (an array of a billion nulls, records nested sixty deep), so each datum is read
with a budget of schema nodes.
"""

import io
import math
from collections.abc import Callable
from typing import Any, Final

import avro.errors
import avro.io

from harness.rpc.errors import WireFormatError

REQUEST_NODES: Final = 10_000
"""Schema nodes that one request may take to read; the largest of ours takes four."""
MAX_SCHEMA_NODES: Final = 2000
"""Schema nodes that a peer's message may have with every name spelled out; the largest of ours has 20."""


class Decoder(avro.io.BinaryDecoder):  # type: ignore[misc]
    """The library's binary decoder over one message, which also knows where the message ends."""

    def __init__(self, message: bytes | memoryview) -> None:
        super().__init__(io.BytesIO(message))
        self._end = len(message)

    @property
    def position(self) -> int:
        """How many bytes have been read."""
        return int(self.reader.tell())

    def expect_end(self) -> None:
        """Raise `WireFormatError` unless every byte was read, and none beyond the end."""
        left = self._end - self.position
        if left > 0:
            raise WireFormatError(f"{left} bytes after the last value")
        if left < 0:
            raise WireFormatError(f"the message is {-left} bytes too short")


class _BoundedReader(avro.io.DatumReader):  # type: ignore[misc]
    def __init__(self, writers_schema: Any, readers_schema: Any, nodes: int) -> None:
        super().__init__(writers_schema, readers_schema)
        self._nodes_left = nodes

    def _spend(self) -> None:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise WireFormatError("a value with more parts than a message may have")

    def read_data(self, writers_schema: Any, readers_schema: Any, decoder: Any) -> Any:
        self._spend()
        return super().read_data(writers_schema, readers_schema, decoder)

    def skip_data(self, writers_schema: Any, decoder: Any) -> None:
        self._spend()
        super().skip_data(writers_schema, decoder)


def expanded_nodes(schema: Any, known: dict[int, float] | None = None) -> float:
    """Count the nodes of a schema with every named type spelled out wherever it is used.

    Returns:
        The number; infinity for a type that holds itself.
    """
    known = {} if known is None else known
    if id(schema) not in known:
        known[id(schema)] = math.inf  # stands until the sum is known: meeting it again means recursion
        children = [field.type for field in getattr(schema, "fields", ())]
        children += getattr(schema, "schemas", ())
        children += [getattr(schema, name) for name in ("items", "values") if hasattr(schema, name)]
        known[id(schema)] = 1 + sum(expanded_nodes(child, known) for child in children)
    return known[id(schema)]


def read_datum(decoder: Decoder, writer: Any, reader: Any, nodes: int = REQUEST_NODES) -> Any:
    """Read one datum.

    Args:
        decoder: where to read; is moved behind the datum.
        writer: schema that the datum was written with.
        reader: schema that it is wanted in.
        nodes: schema nodes that may be visited.

    Raises:
        WireFormatError: the bytes are no such datum, or the schemas cannot be resolved.
    """
    return _guarded(lambda: _BoundedReader(writer, reader, nodes).read(decoder))


def read_string(decoder: Decoder) -> str:
    """Read one Avro string.

    Raises:
        WireFormatError: truncated, a wrong length, or not UTF-8.
    """
    return str(_guarded(decoder.read_utf8))


def read_boolean(decoder: Decoder) -> bool:
    """Read one Avro boolean.

    Raises:
        WireFormatError: truncated.
    """
    return bool(_guarded(decoder.read_boolean))


def encode_datum(schema: Any, datum: Any) -> bytes:
    """Write one datum.

    Raises:
        TypeError: the datum is not of the schema; the message names the field.
    """
    buffer = io.BytesIO()
    try:
        avro.io.DatumWriter(schema).write(datum, avro.io.BinaryEncoder(buffer))
    except (avro.errors.AvroException, AttributeError) as error:
        raise TypeError(str(error)) from error
    return buffer.getvalue()


def _guarded(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except WireFormatError:
        raise
    except Exception as error:  # the library meets a stranger's bytes: TypeError, ArithmeticError and more
        # Its first line: whole schemas, written by the peer, may follow.
        raise WireFormatError(next(iter(str(error).splitlines()), type(error).__name__)) from error
