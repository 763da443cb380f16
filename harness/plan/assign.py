"""Musical chairs: who holds what when the devices of a farm are these (pure).

The rule is simple on purpose: every share has a holder; while devices are left over, the share whose holders have most
to do gets one more; where devices are too few, the least busy one takes a second share. Whoever holds a share keeps it
where the rule allows it, because loading a block takes seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from harness.errors import FarmError
from harness.farm.config import Address
from harness.plan.table import Share, Table


def assign(costs_s: Mapping[Share, float], devices: Collection[Address], previous: Table | None = None) -> Table:
    """Give every share a holder, and every device something to do.

    Args:
        costs_s: share -> seconds that a device computes on it for each frame; their ratios decide.
        devices: all that live, in any order.
        previous: the table until now; its holders keep their shares where they can.

    Returns:
        The next table; with the same devices and costs as before, the previous one's holders.

    Raises:
        FarmError: no device is left.
    """
    if not devices:
        raise FarmError("no device of the farm is left", "start its nodes: iot-farm farm up TARGET")
    epoch = 0 if previous is None else previous.epoch + 1
    kept = {} if previous is None else {share: previous.holders[share] for share in costs_s}
    alive = sorted(set(devices))
    held = _packed(costs_s, alive, kept) if len(alive) < len(costs_s) else _spread(costs_s, alive, kept)
    return Table(epoch, {share: tuple(held[share]) for share in costs_s})


def _spread(
    costs_s: Mapping[Share, float], alive: list[Address], kept: Mapping[Share, tuple[Address, ...]]
) -> dict[Share, list[Address]]:
    """At least one device for each share: the busiest share gets what is left over."""
    wanted = dict.fromkeys(costs_s, 1)
    for _ in range(len(alive) - len(costs_s)):
        wanted[max(wanted, key=lambda share: costs_s[share] / wanted[share])] += 1
    held: dict[Share, list[Address]] = {share: [] for share in costs_s}
    free = dict.fromkeys(alive)
    # Fewest claims first: a device that held two shares must not be taken by the one that has other holders.
    for share in sorted(costs_s, key=lambda one: len(kept.get(one, ()))):
        for address in kept.get(share, ()):
            if address in free and len(held[share]) < wanted[share]:
                held[share].append(address)
                del free[address]
    for share in sorted(costs_s, key=lambda one: -costs_s[one]):
        while len(held[share]) < wanted[share]:
            held[share].append(free.popitem()[0])
    return held


def _packed(
    costs_s: Mapping[Share, float], alive: list[Address], kept: Mapping[Share, tuple[Address, ...]]
) -> dict[Share, list[Address]]:
    """More shares than devices: the largest first, each to the device that has least to do (LPT)."""
    busy_s = dict.fromkeys(alive, 0.0)
    held: dict[Share, list[Address]] = {}
    for share in sorted(costs_s, key=lambda one: -costs_s[one]):
        holders = kept.get(share, ())
        chosen = min(alive, key=lambda one: (busy_s[one], one not in holders, one))
        held[share] = [chosen]
        busy_s[chosen] += costs_s[share]
    return held
