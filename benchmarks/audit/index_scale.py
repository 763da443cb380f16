"""How long a scoreboard of a million rows takes: to make its index from the files, for a page, for a frontier.

The rows are synthetic: a journal as the service writes it, with figures drawn at random; no run stands behind them.
`python -m benchmarks.audit.index_scale` prints the table; `--database URL` takes another database than SQLite.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.goal import Goal
from benchmarks.markdown import table
from harness.board.catalogue.catalogue import Catalogue
from harness.board.catalogue.query import ANY, SORTS, Query
from harness.board.row import Row
from harness.board.service.archive import Archive
from harness.board.service.store import Store
from harness.records.canonical import canonical

_BUILD_S, _PAGE_MS, _FRONTIER_S = 60.0, 50.0, 2.0
_PAIRS = (
    ("ips", "energy_total_j"),
    ("ips", "latency_p90_s"),
    ("latency_p99_s", "price_usd"),
    ("energy_dynamic_j", "peak_power_w"),
)
_REPEATS = 5


def main() -> int:
    """Print one table; 0 where every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", help="default: a new SQLite file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(chosen.database or f"sqlite:///{folder}/board.sqlite")
        archive = Archive(Store(Path(folder) / "data"), catalogue)
        archive.start()
        _write_journal(archive.store.folder / "journal.jsonl", chosen.rows)
        print(f"{chosen.rows:,} synthetic rows, journal of {archive.store.size / 1e6:,.0f} MB", flush=True)
        build_s, _ = _timed(archive.rebuild)
        pages = {name: _milliseconds(ask) for name, ask in _pages(catalogue).items()}
        frontiers = {f"{x} / {y}": _timed(partial(catalogue.frontier, Query(), x, y)) for x, y in _PAIRS}
        slowest_page, slowest_frontier = (
            max(pages, key=pages.__getitem__),
            max(frontiers, key=lambda one: frontiers[one][0]),
        )
        goals = [
            Goal("index made from the files", build_s, _BUILD_S, at_least=False, unit=" s", digits=1),
            Goal(
                f"page of 100, slowest: {slowest_page}",
                pages[slowest_page],
                _PAGE_MS,
                at_least=False,
                unit=" ms",
                digits=1,
            ),
            Goal(
                f"frontier, slowest: {slowest_frontier}",
                frontiers[slowest_frontier][0],
                _FRONTIER_S,
                at_least=False,
                unit=" s",
            ),
        ]
        print("\n".join(table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])))
        print()
        rows = [[f"page: {name}", f"{value:.1f} ms", ""] for name, value in pages.items()]
        rows += [
            [f"frontier: {name}", f"{took_s:.2f} s", f"{len(found)} rows"]
            for name, (took_s, found) in frontiers.items()
        ]
        count_s, count = _timed(lambda: catalogue.count(Query()))
        rows.append(["count of all rows", f"{count_s * 1e3:.0f} ms", f"{count:,}"])
        print("\n".join(table(["what", "median, warm", "found"], rows)))
        print(f"{os.cpu_count()} cores; SQLite" if not chosen.database else f"{os.cpu_count()} cores; PostgreSQL")
        catalogue.close()
    return 0 if all(goal.met for goal in goals) else 1


def _pages(catalogue: Catalogue) -> dict[str, Callable[[], Any]]:
    """First pages in every order, pages far behind, filters of many and of few rows."""
    asked: dict[str, Callable[[], Any]] = {}
    for sort in SORTS:
        for descending in (False, True):
            query = Query(sort=sort, descending=descending)
            asked[f"by {sort}, {'falling' if descending else 'rising'}"] = partial(catalogue.page, query)
    middle = Query(sort="ips", model="vgg16")
    mark = catalogue.page(middle).next
    for _ in range(20):
        mark = catalogue.page(middle, mark, 500).next
    asked["10,000 rows on, one model, by ips"] = partial(catalogue.page, middle, mark)
    asked["back from there"] = partial(catalogue.page, middle, mark, back=True)
    for name, query in {
        "one system of a thousand, by ips": Query(sort="ips", system="farm-0777"),
        "one model, farms, virtual, by energy": Query(
            sort="energy_total_j", model="alexnet", kind="farm", mark="virtual", descending=False
        ),
        "INVALID ones, by time": Query(verdict="INVALID"),
        "all verdicts, by time": Query(verdict=ANY),
        "without virtual, by latency": Query(without="virtual", sort="latency_p90_s", descending=False),
        "emulated ones (1 in 100), by ips": Query(mark="emulated", sort="ips"),
    }.items():
        asked[name] = partial(catalogue.page, query)
    return asked


def _write_journal(path: Path, count: int) -> None:
    chance = random.Random(2018)  # noqa: S311  synthetic rows
    with path.open("ab") as journal:
        for number in range(count):
            journal.write(canonical(_event(number, chance)))


def _event(number: int, chance: random.Random) -> dict[str, Any]:
    ips = chance.lognormvariate(2, 1)
    total_j = chance.lognormvariate(1, 1)
    farm = chance.random() < 0.7
    marks = [
        *(["emulated: rpi3"] if chance.random() < 0.01 else []),
        *(["virtual"] if chance.random() < 0.5 else []),
        "quick",
    ]
    figures = {
        "ips": ips,
        "latency_p50_s": chance.lognormvariate(-1, 0.5),
        "latency_p90_s": chance.lognormvariate(-0.8, 0.5),
        "latency_p99_s": chance.lognormvariate(-0.5, 0.5),
        "energy_total_j": total_j,
        "energy_static_j": total_j * 0.6,
        "energy_dynamic_j": total_j * 0.4,
        "frames_verified": chance.randrange(100, 10_000),
    }
    if chance.random() < 0.2:
        figures = {name: value for name, value in figures.items() if not name.startswith("energy")}
    day = f"2026-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    row = Row(
        id=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        origin="run",
        model=chance.choice(["alexnet", "vgg16"]),
        system=f"farm-{chance.randrange(1000):04}" if farm else f"host-{chance.randrange(1000):04}",
        kind="farm" if farm else "host",
        device="" if farm else "CPU",
        devices=chance.randrange(2, 12) if farm else 1,
        started_utc=f"{day}T{number % 24:02}:00:00.{number % 1000:03}Z",
        figures=figures,
        verdict="VALID" if chance.random() < 0.95 else "INVALID",
        declared={"price_usd": float(chance.randrange(40, 2000)), "peak_power_w": float(chance.randrange(5, 200))},
        marks=tuple(marks),
        name=f"run-{number}",
    )
    files = {"record.json": {"sha256": f"{number:064x}", "bytes": 400_000}}
    return {
        "event": "stored",
        "id": row.id,
        "entry": "synthetic",
        "files": files,
        "by": "nobody",
        "utc": row.started_utc,
        "row": row.to_document(),
        "findings": [],
    }


def _timed(ask: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    found = ask()
    return time.perf_counter() - begin, found


def _milliseconds(ask: Callable[[], Any]) -> float:
    """Median of some repeats, in milliseconds; the first one, which reads from disk, is left out."""
    ask()
    return 1e3 * statistics.median(_timed(ask)[0] for _ in range(_REPEATS))


if __name__ == "__main__":
    raise SystemExit(main())
