"""HTTP and Avro by hand, as the audit of bad input sends them too."""

from benchmarks.audit.bad_input_wire import (
    HANDSHAKE,
    TENSOR,
    chunked,
    exchange,
    forward_message,
    framed,
    post,
    read_answer,
    said,
)

__all__ = ["HANDSHAKE", "TENSOR", "chunked", "exchange", "forward_message", "framed", "post", "read_answer", "said"]
