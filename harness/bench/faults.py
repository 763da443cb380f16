"""Which devices are killed and frozen when: a schedule that a seed gives again (pure)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

FROZEN_S = 1.5
"""How long a device stands still."""
_QUIET_S = 1.0
"""No fault so shortly after the window begins, or before it ends."""


class FaultKind(StrEnum):
    """What happens to a device."""

    KILL = "kill"
    """Its process ends at once, and is started again."""
    FREEZE = "freeze"
    """Its process stands still for a while, and goes on."""


@dataclass(frozen=True)
class Fault:
    """One of them.

    Attributes:
        at_s: seconds after the window's begin.
        kind: what happens.
        device: to which of the farm's devices, counted in the order of the plan.
    """

    at_s: float
    kind: FaultKind
    device: int


def schedule(seed: int, *, seconds: float, kills: int, freezes: int, devices: int) -> tuple[Fault, ...]:
    """Faults spread over a window: one in each of as many equal parts of it, at a random time within.

    Args:
        seed: the same one gives the same schedule.
        seconds: length of the window.
        kills: devices to kill.
        freezes: devices to freeze.
        devices: how many there are.
    """
    chance = random.Random(seed)  # noqa: S311  a schedule, no secret
    kinds = [FaultKind.KILL] * kills + [FaultKind.FREEZE] * freezes
    chance.shuffle(kinds)
    span_s = max(0.0, seconds - 2 * _QUIET_S) / max(1, len(kinds))
    return tuple(
        Fault(_QUIET_S + (number + chance.random()) * span_s, kind, chance.randrange(devices))
        for number, kind in enumerate(kinds)
    )
