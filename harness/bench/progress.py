"""How a run tells where it is: a small interface that the command line fills."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listens to a run."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins; `total` is its number of frames where it counts frames."""

    def frame(self) -> None:
        """One more frame of the phase is done."""

    def note(self, text: str) -> None:
        """Something happened that the reader should know, in one line."""


class Silent:
    """Listens and says nothing."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Ignore it."""

    def frame(self) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""
