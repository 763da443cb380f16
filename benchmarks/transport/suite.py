"""The pairs, measured in turn: every round has a slot of each, and begins with another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.child import Child
from benchmarks.contestant import BenchmarkError
from benchmarks.foreign_load import ForeignLoad
from benchmarks.samples import Spread, ratios, spread
from benchmarks.transport.contestants import Transport
from benchmarks.transport.payloads import check
from benchmarks.transport.timing import Pace, Timing

SIZES = (25_088, 100_352, 150_528, 401_408, 3_211_264)
"""Bytes of the tensors between the paper's blocks, and of VGG16's largest."""

TWO_CORES, ONE_CORE = "two cores", "one core"
PLACEMENTS = (TWO_CORES, ONE_CORE)
"""Server and client on a core each, or both on the same."""

_START_S = 60.0
_SLOT_S = 120.0


@dataclass(frozen=True)
class HopSlot:
    """One slot of one pair.

    Attributes:
        messages: acknowledged while the clock ran.
        elapsed_s: of the clock.
        client_cpu_s: processor time of the client's process for one message.
        server_cpu_s: that of the server's.
    """

    messages: int
    elapsed_s: float
    client_cpu_s: float
    server_cpu_s: float

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.elapsed_s

    @property
    def cpu_s(self) -> float:
        """Processor time of both processes for one message."""
        return self.client_cpu_s + self.server_cpu_s


@dataclass(frozen=True)
class Hops:
    """Everything measured about one size and placement.

    Attributes:
        size_bytes: of a payload.
        placement: one of `PLACEMENTS`.
        foreign: share of the cores' time that other processes took, 0 to 1.
        rounds: in each the slots by name, in the order in which they were measured.
    """

    size_bytes: int
    placement: str
    foreign: float
    rounds: tuple[dict[str, HopSlot], ...]

    @property
    def names(self) -> list[str]:
        """Who was measured."""
        return sorted(self.rounds[0])

    def rate(self, name: str) -> Spread:
        """Messages per second over all rounds."""
        return spread(self._rates(name))

    def cpu_us(self, name: str, side: str = "cpu_s") -> Spread:
        """Processor time for one message in microseconds; of both sides, or `client_cpu_s` or `server_cpu_s`."""
        return spread([getattr(found[name], side) * 1e6 for found in self.rounds])

    def ratio(self, above: str, below: str) -> Spread | None:
        """How many times as fast one is as another, round by round; None where one was not measured."""
        if above not in self.rounds[0] or below not in self.rounds[0]:
            return None
        return ratios(self._rates(above), self._rates(below))

    def to_document(self) -> dict[str, Any]:
        """The raw figures as plain data for JSON."""
        return asdict(self)

    def _rates(self, name: str) -> list[float]:
        return [found[name].rate for found in self.rounds]


class Pair:
    """A server and a client, each a process tied to one core at a time; between slots both wait.

    Args:
        transport: what they speak.
        cores: of the server, and of the client where it has one of its own.
        logs: folder for what they write.
    """

    def __init__(self, transport: Transport, cores: tuple[int, int], logs: Path) -> None:
        self.name = transport.name
        self._transport = transport
        self._cores = cores
        self._logs = logs
        self._server: Child | None = None
        self._client: Child | None = None

    def start_server(self) -> None:
        """Start the server; it is not waited for."""
        self._server = self._side("server", self._transport.server, self._cores[0])

    def start_client(self) -> None:
        """Start the client of a server that listens by now, or soon; it is not waited for."""
        assert self._server is not None
        port = str(self._server.answer(_START_S)["port"])
        self._client = self._side("client", self._transport.client, self._cores[1], "--port", port)

    def connect(self) -> None:
        """Wait until both are connected."""
        assert self._client is not None
        self._client.answer(_START_S)

    def slot(self, size: int, pace: Pace, placement: str) -> HopSlot:
        """Measure once, and see that what arrived is what was sent.

        Raises:
            BenchmarkError: something else arrived, or a process has ended.
        """
        assert self._server is not None
        assert self._client is not None
        server_core, own_core = self._cores
        client_core = own_core if placement == TWO_CORES else server_core
        self._server.tell({"ask": "begin", "core": server_core})
        self._server.answer(_SLOT_S)
        self._client.tell({"size": size, "run_s": pace.run_s, "least": pace.least, "core": client_core})
        timing = Timing(**self._client.answer(_SLOT_S))
        self._server.tell({"ask": "end"})
        end = self._server.answer(_SLOT_S)
        check(self.name, size, timing.sent, end["arrived"])
        return HopSlot(
            messages=timing.messages,
            elapsed_s=timing.elapsed_s,
            client_cpu_s=timing.cpu_s / timing.messages,
            server_cpu_s=end["cpu_s"] / timing.sent,
        )

    def stop(self) -> None:
        """End both."""
        for child in (self._client, self._server):
            if child is not None:
                child.close()
        self._client = self._server = None

    def _side(self, side: str, speaker: str, core: int, *more: str) -> Child:
        arguments = [side, speaker, "--core", str(core), *more]
        return Child("benchmarks.transport.side", arguments, self._logs / f"{self.name}-{side}.log")


def measure_hops(
    transports: Sequence[Transport],
    sizes: Sequence[int],
    placements: Sequence[str],
    rounds: int,
    pace: Pace,
    cores: Sequence[int],
    logs: Path,
    say: Callable[[str], None],
) -> list[Hops]:
    """Start all pairs, measure each size in turn, and end the pairs whatever happens.

    Args:
        transports: who takes part.
        sizes: bytes of a payload.
        placements: some of `PLACEMENTS`; the other sizes of one come before the next.
        rounds: slots of each.
        pace: length of a slot.
        cores: the first is the servers', the last the clients'.
        logs: folder for what the processes write.
        say: takes lines of progress.

    Raises:
        BenchmarkError: a pair could not be started, or something else arrived than was sent.
    """
    if not transports:
        raise BenchmarkError("no transport is left to be measured")
    pairs = [Pair(transport, (cores[0], cores[-1]), logs) for transport in transports]
    with ExitStack() as ends:
        for pair in pairs:
            ends.callback(pair.stop)
            pair.start_server()
        for pair in pairs:
            pair.start_client()
        for pair in pairs:
            pair.connect()
        both = sorted({cores[0], cores[-1]})
        found = []
        for placement, size in product(placements, sizes):
            load = ForeignLoad(both if placement == TWO_CORES else both[:1], ("IOT_FARM_BENCH", "transport"))
            for pair in pairs:
                pair.slot(size, pace, placement)  # memory is touched for the first time; not counted
            load.begin()
            measured = tuple(_round(pairs, number, size, pace, placement) for number in range(rounds))
            found.append(Hops(size, placement, load.share(), measured))
            rates = ", ".join(f"{name} {found[-1].rate(name).median:.0f}" for name in found[-1].names)
            say(f"  {placement}, {size} bytes, messages per second: {rates}")
    return found


def _round(pairs: Sequence[Pair], number: int, size: int, pace: Pace, placement: str) -> dict[str, HopSlot]:
    first = number % len(pairs)
    return {pair.name: pair.slot(size, pace, placement) for pair in [*pairs[first:], *pairs[:first]]}
