"""The figures of the hop as Markdown, and the goals that they speak of."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.samples import Spread
from benchmarks.section import Section
from benchmarks.transport.contestants import (
    GRPC,
    GRPC_AIO,
    INSTALLED_BY,
    OURS,
    RAW,
    STOCK,
    TRANSPORTS,
    ZMQ,
    Transport,
)
from benchmarks.transport.suite import Hops

_LARGE_BYTES = 3_211_264
_OF_RAW = {25_088: 0.65, 150_528: 0.8, 401_408: 0.85, _LARGE_BYTES: 0.9}
_OF_STOCK, _OF_STOCK_LARGE = 15.0, 22.0
_OF_ZMQ, _OF_GRPC = 1.2, 5.0

_METHOD = (
    "One message from a client to a server and its acknowledgement, one after the other (but for the row that says",
    "otherwise), in two placements: **two cores**, server and client tied to one each, where a message costs two",
    "wake-ups across cores whatever it is made of; and **one core** for both, where it costs the processor time of",
    "both sides and no more, as in a farm whose cores are busy. Either way servers and clients that need further",
    "threads (gRPC, ZeroMQ, `http.server`) have no idle core for them, and would gain from one. Slots are short and",
    "interleaved, each round begins with another contestant; figures are medians over the rounds with the quartiles",
    "in brackets, ratios are taken round by round. Every slot sends four different payloads in turn; the receiver",
    "looks at first, middle and last byte of each message before it is acknowledged, keeps it until the next one, and",
    "every byte of a slot's last one is compared. Avro messages carry role and tag beside the payload, as in a farm;",
    "the others carry the payload alone, and need not turn tensors into `bytes` first. Loopback has no latency and no",
    "loss: what a network adds is not shown.",
)


def hop_section(found: Sequence[Hops], missing: Sequence[Transport]) -> Section:
    """What the hops leave on the page and in the document.

    Args:
        found: one for each size.
        missing: transports whose package is not installed.
    """
    return Section(_lines(found, missing), hop_goals(found), {"hops": [hops.to_document() for hops in found]})


def _lines(found: Sequence[Hops], missing: Sequence[Transport]) -> list[str]:
    known = {name for hops in found for name in hops.names}
    lines = ["## The hop", "", *_METHOD, ""]
    lines += table(
        ["contestant", "what it is", "where the receiver has the message"],
        [[one.name, one.meaning, one.memory] for one in TRANSPORTS if one.name in known],
    )
    for hops in found:
        lines += ["", f"### {hops.size_bytes:,} bytes, {hops.placement}", "", *_size_table(hops), ""]
        lines.append(f"Other processes took {hops.foreign:.0%} of what was used.")
    lines += [
        "",
        *(f"Not measured: {one.name}, because {INSTALLED_BY[one.package]} is not installed." for one in missing),
    ]
    return lines if missing else lines[:-1]


def _size_table(hops: Hops) -> list[str]:
    rows = []
    for name in (one.name for one in TRANSPORTS if one.name in hops.names):
        rate = hops.rate(name)
        sides = " + ".join(f"{hops.cpu_us(name, side).median:.1f}" for side in ("client_cpu_s", "server_cpu_s"))
        rows.append(
            [
                name,
                rate.quartiles(0),
                f"{rate.median * hops.size_bytes / 1e6:.0f}",
                *(_shown(hops.ratio(name, other)) for other in (RAW, STOCK)),
                _shown(hops.ratio(OURS, name)),
                sides,
            ]
        )
    headings = ["contestant", "messages/s", "MB/s", "x of raw", "x of stock", "ours is x of it"]
    return table([*headings, "CPU per message, client + server, µs"], rows)


def _shown(ratio: Spread | None) -> str:
    return "not measured" if ratio is None else ratio.quartiles(2)


def hop_goals(found: Sequence[Hops]) -> list[Goal]:
    """The issue's lines that these figures speak of."""
    goals = []
    for hops in found:
        size = f"{hops.size_bytes:,} B, {hops.placement}"
        large = hops.size_bytes >= _LARGE_BYTES
        goals.append(_goal(f"hop, {size}: ours / stock", hops, STOCK, _OF_STOCK_LARGE if large else _OF_STOCK))
        if hops.size_bytes in _OF_RAW:
            goals.append(_goal(f"hop, {size}: ours / raw sockets", hops, RAW, _OF_RAW[hops.size_bytes]))
        goals.append(_goal(f"hop, {size}: ours / ZeroMQ", hops, ZMQ, _OF_ZMQ))
        better = max(
            (name for name in (GRPC, GRPC_AIO) if name in hops.names),
            key=lambda name: hops.rate(name).median,
            default=GRPC,
        )
        goals.append(_goal(f"hop, {size}: ours / the better gRPC ({better})", hops, better, _OF_GRPC))
    return goals


def _goal(text: str, hops: Hops, other: str, bound: float) -> Goal:
    return Goal.of(text, hops.ratio(OURS, other), bound, at_least=True)
