"""What is known of a run while it goes on, so that one that is broken off leaves a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.bench.ledger import Ledger
from harness.errors import UserError


@dataclass
class Account:
    """What is known of a run so far, for the record of one that does not come to its end.

    Attributes:
        run: identity of the measured window; "" before it.
        ledger: of that window; None before it.
        devices: each with its environment before the run, and after it once it is over.
        adapted: what changed in a farm that was allowed to, until the run ended.
    """

    run: str = ""
    ledger: Ledger | None = None
    devices: tuple[dict[str, Any], ...] = ()
    adapted: dict[str, Any] | None = None

    @contextmanager
    def kept(self, broken_off: Callable[[Ledger, str], None]) -> Iterator[None]:
        """Hand on what was measured, and why there is no more, when the block ends before its time."""
        try:
            yield
        except (UserError, KeyboardInterrupt) as error:
            if self.ledger is not None:
                broken_off(self.ledger, error.message if isinstance(error, UserError) else "it was interrupted")
            raise
