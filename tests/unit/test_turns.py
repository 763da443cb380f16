"""How many forked nodes load at once."""

from __future__ import annotations

import os
import threading

from harness.node.turns import Turns


def test_no_more_than_allowed_hold_a_turn():
    """A further turn is given only when one is closed, by a node that is ready or by its end."""
    turns = Turns(2)
    held = [turns.take(), turns.take()]
    third: list[int] = []
    waiting = threading.Thread(target=lambda: third.append(turns.take()), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert not third
    turns.given(held[0])  # nobody else holds it: as if its node had ended
    waiting.join(20)
    assert len(third) == 1
    child = os.fork()
    if child == 0:
        os.close(held[1])  # its copy alone; the parent's still counts
        os._exit(0)
    os.waitpid(child, 0)
    fourth = threading.Thread(target=lambda: third.append(turns.take()), daemon=True)
    fourth.start()
    fourth.join(0.2)
    assert len(third) == 1
    turns.given(held[1])
    fourth.join(20)
    assert len(third) == 2
