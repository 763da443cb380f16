"""What mutual TLS costs a call: plain and TLS in turns, so that a machine that changes its pace meets both alike.

`python -m benchmarks.audit tls` starts one server with and one without keys, in a process of its own on a loopback
address, and sends it `forward` calls from this one, one after the other over a kept connection, as a node does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.goal import Goal
from benchmarks.markdown import table
from harness.farm.config import FarmConfig
from harness.farm.keys import make_keys
from harness.rpc.cipher_order import has_aes
from harness.rpc.client import RpcClient
from harness.rpc.limits import Limits
from harness.rpc.security import Security
from harness.rpc.server import RpcServer

SERVER, CLIENT = "127.0.0.61", "127.0.0.62"
GOALS: Final = {25_088: 500.0, 150_528: 300.0}
"""Bytes of a call -> calls per second: what AlexNet's first role sends, and a frame of 224 x 224 x 3."""
_WARM_CALLS: Final = 50
_HANDSHAKES: Final = 30
_TIMEOUT_S: Final = 30.0


def main() -> int:
    """Print one table; 0 where every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(_serve(Security.load(Path(chosen.serve))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        farm = FarmConfig.from_document({"node": {"initial": [CLIENT], "block1": [SERVER]}}, "measured.json")
        folders = make_keys(farm, root=Path(folder)).devices
        command = [sys.executable, "-m", "benchmarks.audit.tls", "--serve", str(folders[SERVER])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                ports = [int(port) for port in server.stdout.readline().split()]
                measure = _measure(ports, psutil.Process(server.pid), Security.load(folders[CLIENT]), chosen)
                goals = asyncio.run(measure)
            finally:
                server.terminate()
    print("\n".join(["", *table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])]))
    return 0 if all(goal.met for goal in goals) else 1


class _Taker:
    """Takes whatever comes."""

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002  the protocol's names
        """Take a tensor."""


async def _serve(security: Security) -> None:
    limits = Limits.for_input(max(GOALS))
    found = [await RpcServer(_Taker(), limits, keys).start((SERVER, 0)) for keys in (None, security)]  # type: ignore[arg-type]  # answers `forward` alone
    print(*(port for _, port in found), flush=True)
    await asyncio.Event().wait()


async def _measure(
    ports: list[int], server: psutil.Process, security: Security, chosen: argparse.Namespace
) -> list[Goal]:
    ways = {"plain": RpcClient(SERVER, ports[0]), "TLS": RpcClient(SERVER, ports[1], security=security)}
    rows, goals = [], []
    for size, least in GOALS.items():
        payload = os.urandom(size)
        turns: dict[str, list[_Turn]] = {way: [] for way in ways}
        for client in ways.values():
            for _ in range(_WARM_CALLS):
                await client.forward(payload, "fc1", "warm", _TIMEOUT_S)
        for number in range(chosen.rounds):
            order = list(ways) if number % 2 else list(ways)[::-1]
            for way in order:
                turns[way].append(await _turn(ways[way], server, payload, chosen.seconds))
        pairs = list(zip(turns["plain"], turns["TLS"], strict=True))
        rates = {way: [turn.calls_per_s for turn in found] for way, found in turns.items()}
        ratios = [tls.calls_per_s / plain.calls_per_s for plain, tls in pairs]
        added_ms = [(1 / tls.calls_per_s - 1 / plain.calls_per_s) * 1e3 for plain, tls in pairs]
        cpu_ms = [tls.cpu_ms - plain.cpu_ms for plain, tls in pairs]
        rows.append([f"{size:,}", *(_spread(rates[way], 0) for way in ways)])
        rows[-1] += [_spread(ratios, 2), _spread(added_ms, 2), _spread(cpu_ms, 2)]
        goals.append(
            Goal(
                f"mutual TLS, {size:,} bytes, calls/s", statistics.median(rates["TLS"]), least, at_least=True, digits=0
            )
        )
    for client in ways.values():
        await client.close()
    opening = [await _first_call_ms(ports[number], keys) for number, keys in ((0, None), (1, security))]
    print(f"{ssl.OPENSSL_VERSION}, {os.cpu_count()} cores, AES instructions: {'yes' if has_aes() else 'no'}; ", end="")
    print(f"{chosen.rounds} rounds of {chosen.seconds:g} s each way, in turns: median (least to most)")
    headings = ["bytes", "plain calls/s", "TLS calls/s", "TLS / plain", "TLS adds, ms", "of CPU at both ends, ms"]
    print("\n".join(["", *table(headings, rows)]))
    print(f"\nfirst call with its connection: plain {opening[0]} ms, TLS {opening[1]} ms")
    return goals


@dataclass(frozen=True)
class _Turn:
    """Calls one after the other: how many a second, and what each took of both processes' CPU time."""

    calls_per_s: float
    cpu_ms: float


async def _turn(client: RpcClient, server: psutil.Process, payload: bytes, seconds: float) -> _Turn:
    calls, begun_s, cpu_s = 0, time.perf_counter(), _cpu_s(server)
    while time.perf_counter() - begun_s < seconds:
        await client.forward(payload, "fc1", str(calls), _TIMEOUT_S)
        calls += 1
    return _Turn(calls / (time.perf_counter() - begun_s), (_cpu_s(server) - cpu_s) / calls * 1e3)


def _cpu_s(server: psutil.Process) -> float:
    return time.process_time() + sum(server.cpu_times()[:2])


async def _first_call_ms(port: int, security: Security | None) -> str:
    took_ms = []
    for _ in range(_HANDSHAKES):
        client = RpcClient(SERVER, port, security=security)
        begun_s = time.perf_counter()
        await client.forward(b"", "fc1", "first", _TIMEOUT_S)
        took_ms.append((time.perf_counter() - begun_s) * 1e3)
        await client.close()
    return _spread(took_ms, 1)


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    raise SystemExit(main())
