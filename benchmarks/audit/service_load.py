"""A scoreboard service under mixed good and bad requests: wrong answers, lost records, growth of its memory.

`python -m benchmarks.audit.service_load` starts a service of its own on a loopback address, sends 50 requests a second
for 60 s whether or not earlier ones were answered, and prints one table. The records are synthetic, one for each
upload, and pass or fail the checks on purpose.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from benchmarks.audit.service_requests import Requests
from benchmarks.goal import Goal
from benchmarks.markdown import table
from harness.board.service.store import Store
from harness.board.service.tokens import Tokens

_GROWTH_MB = 32.0
_TRIES = 40
_WARM_S = 15.0


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--database", help="default: a new SQLite file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        tokens = Tokens(Store(data).folder / "tokens")
        names = {name: tokens.issue(name) for name in ("alice", "bob")}
        command = [sys.executable, "-m", "harness", "scoreboard", "serve", "--data", str(data), "--port", "0"]
        if chosen.database:
            command += ["--database", chosen.database]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service:
            try:
                assert service.stdout is not None
                found = (re.fullmatch(r"scoreboard: (http://\S+)\n", line) for line in service.stdout)
                url = next(match[1] for match in found if match)
                asyncio.run(_load(url, names, psutil.Process(service.pid), chosen.seconds, chosen.rate))
            finally:
                service.terminate()


async def _load(url: str, names: dict[str, str], service: psutil.Process, seconds: float, rate: float) -> None:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
    async with httpx.AsyncClient(base_url=url, timeout=60.0, limits=limits, trust_env=False) as client:
        requests = Requests(client, names, random.Random(7), int((seconds + _WARM_S) * rate * 0.4))  # noqa: S311  a mix that is the same each time
        warm = _Tally()
        await _send(requests, warm, _WARM_S, rate)
        base, cpu_s = service.memory_info().rss, sum(service.cpu_times()[:2])
        tally = _Tally()
        watch = asyncio.create_task(_watch(service, tally))
        await _send(requests, tally, seconds, rate)
        watch.cancel()
        cpu_s = sum(service.cpu_times()[:2]) - cpu_s
        growth_mb = (max(*tally.course, service.memory_info().rss) - base) / 1e6
        missing = await requests.missing()
    wrong = tally.wrong + warm.wrong
    goals = [
        Goal("wrong answers", float(len(wrong)), 0, at_least=False, digits=0),
        Goal("acknowledged records lost", float(len(missing)), 0, at_least=False, digits=0),
        Goal("growth of its memory, at its peak", growth_mb, _GROWTH_MB, at_least=False, unit=" MB", digits=1),
        Goal("requests sent per second", tally.sent / seconds, rate * 0.98, at_least=True, digits=1),
    ]
    print(f"{seconds:g} s at {rate:g} requests/s, {tally.sent} requests, {len(requests.stored)} records kept")
    print("\n".join(table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])))
    print()
    rows = []
    for kind, took in sorted(tally.took_s.items()):
        ordered = sorted(took)
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        rows.append([kind, str(len(took)), f"{statistics.median(took) * 1e3:.0f} ms", f"{p99 * 1e3:.0f} ms"])
    print("\n".join(table(["request", "count", "median", "p99"], rows)))
    print(f"processor time of the service: {cpu_s / seconds:.2f} s per second")
    print(f"asked to come again (503, then answered): {tally.busy}")
    course = tally.course[:: max(1, len(tally.course) // 6)]
    print(f"memory in MB: {base / 1e6:.0f} before, then {', '.join(f'{rss / 1e6:.0f}' for rss in course)}")
    print(f"load average {os.getloadavg()[0]:.1f}")
    for line in wrong[:10]:
        print(f"wrong: {line}")
    sys.exit(0 if all(goal.met for goal in goals) else 1)


class _Tally:
    """What was seen of one stretch of requests."""

    def __init__(self) -> None:
        self.sent = self.busy = 0
        self.course: list[int] = []
        self.wrong: list[str] = []
        self.took_s: dict[str, list[float]] = collections.defaultdict(list)


async def _send(requests: Requests, tally: _Tally, seconds: float, rate: float) -> None:
    """Open loop: each request goes at its time, whatever became of the others."""
    begin = time.perf_counter()
    under_way = set()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        task = asyncio.create_task(_one(requests, tally))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        tally.sent += 1
    await asyncio.gather(*under_way)


async def _one(requests: Requests, tally: _Tally) -> None:
    kind, ask = requests.draw()
    begin = time.perf_counter()
    for _ in range(_TRIES):
        try:
            problem = await ask()
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__}: {error}"
        if problem != "busy":
            break
        tally.busy += 1
        await asyncio.sleep(0.25)
    tally.took_s[kind].append(time.perf_counter() - begin)
    if problem:
        tally.wrong.append(f"{kind}: {problem}")


async def _watch(service: psutil.Process, tally: _Tally) -> None:
    while True:
        tally.course.append(service.memory_info().rss)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    main()
