"""How many forked nodes load at once: as many as have a core, and one that waits for it."""

from __future__ import annotations

import os
import select


class Turns:
    """Pipes, of which each node holds an end until it is ready or has ended; used by the parent.

    With all nodes at once the one with most to do gets a small share of the cores, and is still at it, alone on one of
    them, when the others are ready.

    Args:
        most: nodes that may load at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[int] = []

    def take(self) -> int:
        """Wait until another node may begin; the descriptor that it has to close when it is ready."""
        while len(self._held) >= self._most:
            for descriptor in select.select(self._held, [], [])[0]:
                self._held.remove(descriptor)
                os.close(descriptor)
        read, write = os.pipe()
        self._held.append(read)
        return write

    def given(self, turn: int) -> None:
        """Let go of a turn that a forked node holds."""
        os.close(turn)
