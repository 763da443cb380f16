"""The names that an Avro message carries beside its tensor, as in a farm."""

from __future__ import annotations

from benchmarks.transport.payloads import VARIANTS
from harness.rpc.identity import Identity, Route

ROLE = "block2"
TAGS = tuple(
    str(Identity("5f1c2b9a0d3e4f67", 1000 + number, "pool1", 0, 1, "57a4d1457a4d1457", Route(0, 0, (0, 0, 0, 0))))
    for number in range(VARIANTS)
)
"""One for each payload."""
