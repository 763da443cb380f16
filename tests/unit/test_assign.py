"""Musical chairs: every share has a holder whoever comes and goes, and nobody moves without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FarmError
from harness.farm.config import Address
from harness.plan.assign import assign
from harness.plan.table import Share, Table

SHARES = [Share("block1", 0), Share("fc1", 0), Share("fc1", 1), Share("fc2", 0)]
DEVICES = [Address("127.0.0.1", port) for port in range(1, 13)]

costs = st.lists(st.floats(0.01, 10), min_size=len(SHARES), max_size=len(SHARES)).map(
    lambda found: dict(zip(SHARES, found, strict=True))
)
some = st.sets(st.sampled_from(DEVICES), min_size=1)


def busiest_s(table: Table, costs_s: dict[Share, float]) -> float:
    """Seconds of the device with most to do, for each frame."""
    busy = dict.fromkeys(table.devices, 0.0)
    for share, addresses in table.holders.items():
        for address in addresses:
            busy[address] += costs_s[share] / len(addresses)
    return max(busy.values())


@given(costs, st.lists(some, min_size=1, max_size=8))
def test_every_share_is_held_by_those_who_live(costs_s: dict[Share, float], seen: list[set[Address]]) -> None:
    """Whoever comes and goes: each share has a living holder, none twice, and no device idles that could help."""
    table = None
    for epoch, devices in enumerate(seen):
        table = assign(costs_s, devices, table)
        assert table.epoch == epoch
        assert table.shares == tuple(SHARES)
        assert table.devices <= devices
        if len(devices) >= len(SHARES):
            assert table.devices == devices
            assert all(len(table.held_by(address)) == 1 for address in devices)


@given(costs, some)
def test_without_a_change_nobody_moves(costs_s: dict[Share, float], devices: set[Address]) -> None:
    """The same devices hold the same shares in the next epoch."""
    table = assign(costs_s, devices)
    again = assign(costs_s, devices, table)
    assert {share: set(found) for share, found in again.holders.items()} == {
        share: set(found) for share, found in table.holders.items()
    }


@given(costs, st.sets(st.sampled_from(DEVICES), min_size=len(SHARES) + 1), st.data())
def test_a_spare_takes_the_chair_that_is_free(
    costs_s: dict[Share, float], devices: set[Address], data: st.DataObject
) -> None:
    """When one device goes and as many as shares are left, at most the devices beyond one for each share move."""
    table = assign(costs_s, devices)
    gone = data.draw(st.sampled_from(sorted(devices)))
    after = assign(costs_s, devices - {gone}, table)
    moved = [one for one in devices - {gone} if table.held_by(one) != after.held_by(one)]
    assert len(moved) <= 1, "one leaves, one moves up"


@given(costs, st.integers(1, 11))
def test_one_more_device_never_makes_it_slower(costs_s: dict[Share, float], count: int) -> None:
    """From as many devices as shares on, one more device leaves the busiest one no busier."""
    few, more = (assign(costs_s, DEVICES[:number]) for number in (count, count + 1))
    if count >= len(SHARES):
        assert busiest_s(more, costs_s) <= busiest_s(few, costs_s) * (1 + 1e-9)


def test_the_bottleneck_is_relieved() -> None:
    """The share with most to do gets the devices that are left over, until another one has more."""
    costs_s = dict(zip(SHARES, (6.0, 1.0, 1.0, 1.9), strict=True))
    counts = {share: len(found) for share, found in assign(costs_s, DEVICES[:8]).holders.items()}
    assert counts == dict(zip(SHARES, (4, 1, 1, 2), strict=True))


def test_two_devices_share_four_shares() -> None:
    """With too few devices, the largest share goes first, each to the one with least to do."""
    costs_s = dict(zip(SHARES, (4.0, 3.0, 2.0, 1.0), strict=True))
    table = assign(costs_s, DEVICES[:2])
    assert busiest_s(table, costs_s) == 5.0
    assert busiest_s(assign(costs_s, DEVICES[:1]), costs_s) == 10.0


def test_nobody_left_is_said_so() -> None:
    """A farm without a device is an error that says what to do."""
    with pytest.raises(FarmError, match="no device"):
        assign(dict.fromkeys(SHARES, 1.0), [])
