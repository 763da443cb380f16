"""The IP table: ways through it, and its form on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.farm.config import Address
from harness.partition.paper import partition, partition_names
from harness.plan.assign import assign
from harness.plan.table import Share, Table, Way, shares_of

A, B, C = (Address("127.0.0.1", port) for port in (1, 2, 3))


def tables() -> st.SearchStrategy[tuple[str, Table]]:
    """A partition of the paper, and some table for it."""
    addresses = st.sets(st.builds(Address, st.just("127.0.0.9"), st.integers(1, 40)), min_size=1, max_size=20)

    def made(name: str, found: set[Address]) -> tuple[str, Table]:
        return name, assign(dict.fromkeys(shares_of(partition(name)), 1.0), found)

    return st.builds(made, st.sampled_from(partition_names()), addresses)


@given(tables(), st.data())
def test_every_part_is_computed_once_on_any_way(found: tuple[str, Table], data: st.DataObject) -> None:
    """On each way every share is computed by exactly one device, and a tensor goes to exactly those that need it."""
    name, table = found
    way: Way = tuple(data.draw(st.integers(0, len(table.holders[share]) - 1)) for share in table.shares)
    for role in partition(name).roles:
        stops = table.next_stops(role.name, way)
        assert len(stops) == len(set(stops))
        computed = [share for address in stops for share in table.mine(role.name, way, address)]
        assert sorted(computed) == [Share(role.name, part) for part in range(role.parts)]
        assert not any(table.mine(role.name, way, other) for other in table.devices - set(stops))


@given(tables(), st.integers(0, 2**63 - 1))
def test_ways_by_number_repeat_after_all_turns(found: tuple[str, Table], frame: int) -> None:
    """The way of a frame is that of its place in the turns, and no smaller number of turns would do."""
    _, table = found
    assert table.by_number(frame) == table.by_number(frame % table.turns)
    for fewer in range(1, table.turns):
        assert any(table.by_number(number) != table.by_number(number + fewer) for number in range(table.turns))


@given(tables())
def test_the_wire_keeps_a_table(found: tuple[str, Table]) -> None:
    """A table is read as it was written, for its own partition and no other."""
    name, table = found
    message = table.to_message()
    assert Table.from_message(message, partition(name), 12345) == table
    other = next(one for one in partition_names() if shares_of(partition(one)) != table.shares)
    with pytest.raises(BadInputError, match="none of partition"):
        Table.from_message(message, partition(other), 12345)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"epoch": 1, "holders": None},
        {"epoch": 1, "holders": [{}]},
        {"epoch": "x", "holders": []},
        {"epoch": 1, "holders": [{"role": "block1", "part": 0, "addresses": ["300.1.1.1"]}]},
    ],
)
def test_what_is_no_table_is_refused(message: dict[str, object]) -> None:
    """One line of refusal for whatever came instead."""
    with pytest.raises(BadInputError):
        Table.from_message(message, partition("alexnet-5"), 12345)


@pytest.mark.parametrize("way", [(), (0,), (0, 0, 0), (0, 2), (-1, 0)])
def test_a_way_of_another_table_is_refused(way: Way) -> None:
    """A way that names too few holders, too many, or one that is not there leads nowhere; a right one leads on."""
    table = Table(3, {Share("one", 0): (A,), Share("two", 0): (B, C)})
    with pytest.raises(ValueError, match="epoch 3"):
        table.stops(way)
    assert table.stops((0, 1)) == (A, C)


@pytest.mark.parametrize("addresses", [(), (A, A)])
def test_a_table_has_a_holder_for_each_share_once(addresses: tuple[Address, ...]) -> None:
    """A share that nobody holds, or somebody twice, makes no table."""
    with pytest.raises(ValueError, match="epoch 1"):
        Table(1, {Share("one", 0): addresses})


def test_who_computes_two_parts_gets_the_tensor_once() -> None:
    """A device that holds both halves takes one message and computes both; two devices take one each."""
    halves = [Share("fc1", 0), Share("fc1", 1)]
    both = Table(0, dict.fromkeys(halves, (A,)))
    assert both.next_stops("fc1", (0, 0)) == (A,)
    assert both.mine("fc1", (0, 0), A) == tuple(halves)
    apart = Table(1, {halves[0]: (A, B), halves[1]: (B,)})
    assert apart.next_stops("fc1", (0, 0)) == (A, B)
    assert apart.next_stops("fc1", (1, 0)) == (B,)
