"""The index answers what a plain list of all rows would answer, page by page and on the frontier."""

from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from board.rows import card, key_of, row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.board.catalogue.catalogue import Catalogue
from harness.board.catalogue.query import SORTS, TEXTS, Query, read_mark
from harness.board.catalogue.tables import INDEXES, Card
from harness.board.pareto import frontier
from harness.board.row import Row
from harness.errors import BadInputError
from harness.metrics import Better

_FEW = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, 2.0, 40.0]), st.floats(0, 1e9))
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["alexnet", "vgg16", "", "Ünïcode", "a\0b"]),
            "devices": st.integers(1, 12),
            "verdict": st.sampled_from(["VALID", "VALID", "INVALID", "INCOMPLETE", "PUBLISHED"]),
            "marks": st.sampled_from([(), ("quick",), ("virtual", "quick"), ("emulated: rpi3",), ("emulated: a%b",)]),
            "ips": _FEW,
            "energy_total_j": _FEW,
        }
    ),
    max_size=25,
)


def _cards(described: list[dict[str, Any]]) -> list[Card]:
    found = []
    for number, one in enumerate(described):
        changes = dict(one)
        figures = {name: value for name in ("ips", "energy_total_j") if (value := changes.pop(name)) is not None}
        found.append(card(key_of(number), figures=figures, **changes))
    return found


@pytest.fixture
def catalogue(tmp_path: Path) -> Any:
    """An empty one."""
    made = Catalogue(f"sqlite:///{tmp_path / 'board.sqlite'}")
    yield made
    made.close()


def _all_pages(catalogue: Catalogue, query: Query, limit: int) -> list[str]:
    pages = [catalogue.page(query, None, limit)]
    while (mark := pages[-1].next) is not None:
        pages.append(catalogue.page(query, mark, limit))
        assert len(pages) < 1000, "pages without an end"
    assert all(len(page.rows) == limit for page in pages[:-1])
    # The same pages on the way back.
    for earlier, later in itertools.pairwise(pages):
        assert later.previous is not None
        back = catalogue.page(query, later.previous, limit, back=True)
        assert back.rows == earlier.rows
        assert (back.previous is None) == (earlier is pages[0])
        assert back.next is not None
        assert catalogue.page(query, back.next, limit).rows == later.rows
    assert pages[0].previous is None
    return [one.id for page in pages for one in page.rows]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(described=_ROWS, sort=st.sampled_from(SORTS), descending=st.booleans(), limit=st.integers(1, 7))
def test_pages_are_the_sorted_list(
    catalogue: Catalogue, described: list[dict[str, Any]], sort: str, descending: bool, limit: int
) -> None:
    """All pages of any size, one behind the other, are the sorted list: nothing twice, nothing missing."""
    cards = _cards(described)[::-1]  # of equal rows the one that came later is the larger, whatever its id
    catalogue.rebuild(cards)

    def value(one: Card) -> Any:
        if sort == "marks":
            return "".join(f"|{mark}|" for mark in one.row.marks)
        held = getattr(one.row, sort) if sort in (*TEXTS, "devices") else one.row.value(sort)
        return held.replace("\0", "\ufffd") if isinstance(held, str) else held

    shown = [one for one in cards if one.row.verdict in ("VALID", "PUBLISHED")]
    known = sorted((one for one in shown if value(one) is not None), key=value)
    unknown = [one for one in shown if value(one) is None]
    for part in (known, unknown):
        if descending:
            part.reverse()
    expected = [one.row.id for one in known + unknown]
    query = Query(sort=sort, descending=descending)
    assert _all_pages(catalogue, query, limit) == expected
    assert catalogue.count(query) == len(expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(described=_ROWS, x=st.sampled_from(["ips", "energy_total_j"]))
def test_frontier_is_what_nobody_beats(catalogue: Catalogue, described: list[dict[str, Any]], x: str) -> None:
    """The frontier over the table holds exactly the rows that no row of their basis beats."""
    y = "energy_total_j" if x == "ips" else "ips"
    cards = [one for one in _cards(described) if one.row.verdict in ("VALID", "PUBLISHED")]
    catalogue.rebuild(_cards(described))

    def gains(one: Card) -> tuple[float, float]:
        return one.row.figures["ips"], -one.row.figures["energy_total_j"]

    rivals = [one for one in cards if {"ips", "energy_total_j"} <= set(one.row.figures)]
    expected = {
        one.row.id
        for one in rivals
        if not any(
            (other.row.model, other.row.basis([x, y])) == (one.row.model, one.row.basis([x, y]))
            and gains(other) != gains(one)
            and all(theirs >= ours for theirs, ours in zip(gains(other), gains(one), strict=True))
            for other in rivals
        )
    }
    assert {one.id for one in catalogue.frontier(Query(), x, y)} == expected


@pytest.mark.parametrize("y", ["energy_total_j", "latency_p90_s", "price_usd"])
def test_the_frontier_of_a_large_table(catalogue: Catalogue, y: str) -> None:
    """Where rows are passed over by a sample first, the frontier is the same, ties on its edge included."""
    chance = random.Random(7)
    cards = []
    for _ in range(9000):
        figures = {
            "ips": chance.randrange(1, 400) / 4,
            "latency_p90_s": chance.random(),
            "energy_total_j": chance.random(),
        }
        declared = {"price_usd": float(chance.randrange(1, 50))}
        marks = chance.choice([(), ("virtual",), ("emulated: rpi3",)])
        key = f"{chance.getrandbits(64):016x}"
        model = chance.choice(["alexnet", "vgg16"])
        cards.append(card(key, figures=figures, declared=declared, marks=marks, model=model))
    catalogue.rebuild(cards)
    groups: dict[tuple[str, str], list[Row]] = {}
    for one in cards:
        groups.setdefault((one.row.model, one.row.basis(["ips", y])), []).append(one.row)
    expected = set()
    for rows in groups.values():
        x_values, y_values = ([one.value(name) for one in rows] for name in ("ips", y))
        kept = frontier(x_values, y_values, Better.HIGHER, Better.LOWER)
        expected |= {one.id for one, stands in zip(rows, kept, strict=True) if stands}
    found = [one.id for one in catalogue.frontier(Query(), "ips", y)]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_a_beaten_row_is_not_on_the_frontier(catalogue: Catalogue) -> None:
    """The control of the property above: one better row takes a row off the frontier, a missing figure does not."""
    good = card("a" * 16, figures={"ips": 10.0, "energy_total_j": 1.0})
    catalogue.rebuild([good])
    assert [one.id for one in catalogue.frontier(Query(), "ips", "energy_total_j")] == ["a" * 16]
    better = card("b" * 16, figures={"ips": 11.0, "energy_total_j": 1.0})
    half = card("c" * 16, figures={"ips": 99.0})
    catalogue.rebuild([good, better, half])
    assert [one.id for one in catalogue.frontier(Query(), "ips", "energy_total_j")] == ["b" * 16]


def test_published_and_emulated_rows_have_frontiers_of_their_own(catalogue: Catalogue) -> None:
    """A published figure never beats a verified one, nor an emulated device a real one."""
    figures = {"ips": 10.0, "price_usd": 1.0}
    catalogue.rebuild(
        [
            card("a" * 16, figures=figures, declared={"price_usd": 100.0}),
            card("b" * 16, figures={"ips": 99.0}, declared={"price_usd": 1.0}, marks=("emulated: rpi3",)),
            card(
                "paper",
                figures={"ips": 88.0},
                declared={"price_usd": 1.0},
                origin="published",
                verdict="PUBLISHED",
                marks=("published 2018",),
            ),
        ]
    )
    assert len(catalogue.frontier(Query(), "ips", "price_usd")) == 3


def test_filters(catalogue: Catalogue) -> None:
    """Each filter keeps what it names, and a percent sign in a mark is no wildcard."""
    catalogue.rebuild(
        [
            card(key_of(1), model="vgg16", marks=("virtual", "quick")),
            card(key_of(2), marks=("emulated: rpi3",), kind="host"),
            card(key_of(3), verdict="INVALID", marks=("emulated: a%b",)),
            card(key_of(4), system="other"),
        ]
    )

    def found(**query: Any) -> list[int]:
        return sorted(int(one.id, 16) for one in catalogue.page(Query(**query)).rows)

    assert found() == [1, 2, 4]
    assert found(verdict="any") == [1, 2, 3, 4]
    assert found(verdict="INVALID") == [3]
    assert found(model="vgg16") == [1]
    assert found(kind="host") == [2]
    assert found(system="other") == [4]
    assert found(mark="virtual") == [1]
    assert found(mark="emulated", verdict="any") == [2, 3]
    assert found(without="emulated") == [1, 4]
    assert found(mark="%", verdict="any") == []
    assert found(mark="none") == []
    assert found(text="EMUL") == [2]
    assert found(text="%") == []
    assert found(text="%", verdict="any") == [3]
    assert found(text=f"{4:016x}") == [4]
    assert found(model="no' OR 1=1 --") == []
    assert found(model="a\0") == []
    assert catalogue.values("model") == ("alexnet", "vgg16")


def test_withdrawn_rows_leave_every_list_and_keep_their_card(catalogue: Catalogue) -> None:
    """A tombstone is no deletion: the card says who took it back."""
    catalogue.rebuild([card(key_of(1)), card(key_of(2))])
    with catalogue.changing() as changes:
        changes.withdraw(key_of(1), {"by": "somebody"})
    assert [one.id for one in catalogue.page(Query()).rows] == [key_of(2)]
    assert catalogue.count(Query(verdict="any")) == 1
    kept = catalogue.card(key_of(1))
    assert kept is not None
    assert kept.withdrawn == {"by": "somebody"}
    assert catalogue.card(key_of(3)) is None


def test_changes_that_fail_change_nothing(catalogue: Catalogue) -> None:
    """All changes of a block are one transaction, with the note of how far the journal was read."""
    with catalogue.changing() as changes:
        changes.put([card(key_of(1))])
        changes.set_state("position", "7")

    def broken() -> None:
        with catalogue.changing() as changes:
            changes.put([card(key_of(2))])
            changes.set_state("position", "9")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    with catalogue.changing() as changes:
        assert changes.state("position") == "7"
    assert catalogue.count(Query()) == 1


def test_readers_see_the_old_rows_while_all_are_made_again(catalogue: Catalogue) -> None:
    """A rebuild is invisible until it is complete."""
    catalogue.rebuild([card(key_of(1))])
    seen: list[int] = []

    def slowly() -> Any:
        yield card(key_of(2))
        reader = threading.Thread(target=lambda: seen.append(catalogue.count(Query())))
        reader.start()
        reader.join()
        yield card(key_of(3))

    assert catalogue.rebuild(slowly()) == 2
    assert seen == [1]
    assert catalogue.count(Query()) == 2


def test_whatever_a_row_holds_is_kept(catalogue: Catalogue) -> None:
    """Texts and numbers that no column can hold stand in the row's JSON as they came."""
    odd = row(
        key_of(1),
        model="m" * 5000,
        system="\0\ud800</script>",
        devices=10**400,
        figures={"ips": 1e308, "latency_p90_s": 5e-324},
        notes=("'; DROP TABLE board_rows; --",),
    )
    with catalogue.changing() as changes:
        changes.put([Card.of(odd, {"by": "x"})])
    page = catalogue.page(Query(sort="devices"))
    assert page.rows == (odd,)
    kept = catalogue.card(key_of(1))
    assert kept is not None
    assert kept.more == {"by": "x"}


@pytest.mark.parametrize("mark", ["", "x", "AAAA", "W10", "é" * 10, "=" * 50, "W" * 3000, "bnVsbA", "\0"])
def test_marks_that_are_none(mark: str) -> None:
    """What is no mark of this order is refused in words."""
    with pytest.raises(BadInputError, match="mark of the next page"):
        read_mark(Query(), mark)


def test_a_mark_of_another_order_is_refused(catalogue: Catalogue) -> None:
    """A mark belongs to its order; the right one is taken."""
    catalogue.rebuild([card(key_of(number)) for number in range(3)])
    mark = catalogue.page(Query(sort="ips"), limit=1).next
    assert mark is not None
    assert len(catalogue.page(Query(sort="ips"), mark).rows) == 2
    with pytest.raises(BadInputError, match="mark of the next page"):
        catalogue.page(Query(sort="price_usd"), mark)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://x/y",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////nowhere/at/all.sqlite",
        "postgresql+pg8000://x/y",
    ],
)
def test_databases_that_cannot_be_opened(url: str) -> None:
    """Each is named in one line, with a way out."""
    with pytest.raises(BadInputError) as caught:
        Catalogue(url)
    assert caught.value.hint


def test_every_order_has_its_index() -> None:
    """No order of the table needs to sort a million rows."""
    assert {index.name for index in INDEXES} == {f"board_rows_by_{name}" for name in SORTS}
