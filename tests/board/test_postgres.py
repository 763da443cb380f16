"""The same index on a real PostgreSQL: the same answers in the same order, and a service that runs on it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board.archives import archive_of
from board.rows import card, key_of, row
from board.serving import served
from run_records import run_record

from harness.board.catalogue.catalogue import Catalogue
from harness.board.catalogue.query import SORTS, Query
from harness.board.catalogue.tables import Card
from harness.errors import BadInputError
from harness.records.manifest import seal

_SERVER = "postgres"


def _binaries() -> Path | None:
    """Debian keeps them outside the path."""
    places = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        Path("/usr/local/bin"),
        Path("/usr/bin"),
    ]
    return next((place for place in places if (place / "initdb").exists() and (place / _SERVER).exists()), None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a PostgreSQL of its own, in a temporary folder, on a socket in it only."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql", allow_module_level=True)
    # A short name: the path of a socket has a hundred letters at most.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # PostgreSQL refuses to run as root; Debian's package brings the user.
    user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    if user:
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError:
            folder.rmdir()
            pytest.skip("root, and no user postgres to run PostgreSQL as: apt-get install postgresql")
    data = folder / "data"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "board", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment, **user)
    command = [
        str(binaries / _SERVER),
        "-D",
        str(data),
        "-k",
        str(folder),
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=folder, env=environment, **user
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "ready to accept connections" in line:
            break
    else:
        pytest.fail(f"PostgreSQL did not start: {process.wait()}")
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    try:
        yield f"postgresql://board@/postgres?host={folder}"
    finally:
        process.send_signal(signal.SIGINT)  # its fast end, whoever is still connected
        process.wait(60)
        drain.join(30)
        process.stderr.close()
        shutil.rmtree(folder)


@pytest.fixture
def catalogue(server: str) -> Iterator[Catalogue]:
    """An empty one."""
    made = Catalogue(server)
    made.rebuild([])
    yield made
    made.close()


def _many(count: int) -> list[Card]:
    chance = random.Random(3)
    cards = []
    for number in range(count):
        figures = {"ips": chance.randrange(50) / 2, "energy_total_j": chance.random(), "latency_p90_s": chance.random()}
        for name in list(figures):
            if chance.random() < 0.2:
                del figures[name]
        cards.append(
            card(
                key_of(number * 7919 % 10_000),
                figures=figures,
                model=chance.choice(["alexnet", "vgg16", "Älex", "a-b", "a b", "A", "a\0b", "\U0001f600"]),
                system=chance.choice(["x", "X", "é", "e", "z%", "_", "'"]),
                verdict=chance.choice(["VALID", "VALID", "INVALID"]),
                marks=chance.choice([(), ("virtual",), ("emulated: a%b", "quick")]),
                declared={"price_usd": float(chance.randrange(1, 9))} if chance.random() < 0.5 else {},
            )
        )
    return cards


def test_both_databases_give_the_same_answers(catalogue: Catalogue, tmp_path: Path) -> None:
    """Every order in both directions page by page, every filter, count, values and frontier are equal."""
    other = Catalogue(f"sqlite:///{tmp_path / 'board.sqlite'}")
    cards = _many(700)
    for one in (catalogue, other):
        assert one.rebuild(cards) == 700
    queries = [Query(sort=sort, descending=turn) for sort in SORTS for turn in (False, True)]
    queries += [
        Query(mark="virtual"),
        Query(mark="emulated", sort="ips"),
        Query(without="virtual", verdict="any"),
        Query(text="%"),
        Query(text="ä"),
        Query(model="a\0b"),
        Query(system="'"),
        Query(verdict="INVALID", sort="energy_total_j", descending=False),
    ]
    for query in queries:
        mark = None
        pages = 0
        while True:
            mine, theirs = (one.page(query, mark, 90) for one in (catalogue, other))
            assert mine == theirs, query
            mark, pages = mine.next, pages + 1
            if mark is None:
                break
        assert catalogue.count(query) == other.count(query)
    for x, y in (("ips", "energy_total_j"), ("latency_p90_s", "price_usd")):
        assert catalogue.frontier(Query(), x, y) == other.frontier(Query(), x, y)
        assert catalogue.frontier(Query(), x, y)
    for column in ("model", "system"):
        assert catalogue.values(column) == other.values(column)
    other.close()


def test_a_row_more_is_another_answer(catalogue: Catalogue) -> None:
    """The control of the test above: answers differ where rows do."""
    catalogue.rebuild(_many(50))
    before = catalogue.page(Query(verdict="any"))
    with catalogue.changing() as changes:
        changes.put([card("f" * 16)])
    assert catalogue.page(Query(verdict="any")) != before


def test_texts_that_postgresql_refuses(catalogue: Catalogue) -> None:
    """NUL, half surrogates and texts too long for an index stand in the row's JSON as they came."""
    odd = row(key_of(1), model="m" * 5000, system="\0\ud800", devices=10**400, notes=("\0",))
    with catalogue.changing() as changes:
        changes.put([Card.of(odd)])
    assert catalogue.page(Query(sort="devices")).rows == (odd,)
    assert catalogue.card("\0") is None


def test_writers_wait_for_each_other(catalogue: Catalogue, server: str) -> None:
    """Eight writers with connections of their own: nothing is lost, and the last note holds."""

    def write(writer: int) -> None:
        mine = Catalogue(server)
        for number in range(10):
            with mine.changing() as changes:
                changes.put([card(key_of(writer * 100 + number))])
                changes.set_state("count", str(int(changes.state("count") or 0) + 1))
        mine.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalogue.count(Query()) == 80
    with catalogue.changing() as changes:
        assert changes.state("count") == "80"


def test_the_service_runs_on_it(server: str, tmp_path: Path) -> None:
    """Uploads, lists and restarts; a database of another scoreboard is made anew from this one's files."""
    other = Catalogue(server)
    other.rebuild(_many(20), journal="another", position="5")
    other.close()
    content = archive_of(*(seal(run_record(run=f"{number:016x}").to_document()) for number in range(12)))
    for stored in (12, 0):
        with served(tmp_path / "data", "--database", server) as service, service.client() as client:
            assert client.post("/api/uploads", content=content).json()["stored"] == stored
            assert client.get("/api/rows?origin=run&count=true&verdict=any").json()["count"] == 12
            assert client.get("/api/rows?model=%00").json()["rows"] == []
            assert client.get("/").status_code == 200


def test_an_address_where_nobody_is(tmp_path: Path) -> None:
    """One line that holds no password."""
    with pytest.raises(BadInputError) as caught:
        Catalogue(f"postgresql://board:secret@/postgres?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert "\n" not in caught.value.message
