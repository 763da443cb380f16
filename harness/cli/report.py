"""Records and plans as tables that people read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.metrics import METRICS, show
from harness.records.computing import asked_computing
from harness.records.rules_wire import wire_of

if TYPE_CHECKING:
    from harness.bench.options import RunOptions
    from harness.models.graph import ModelGraph
    from harness.plan.plan import Plan

_LOG_COLUMNS = 120
_MOST_DIGITS = 12


def console() -> Console:
    """Standard output; a log gets lines that do not break a table."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=_LOG_COLUMNS)


def print_record(document: dict[str, Any]) -> None:
    """Print one record: verdict, metrics, roles."""
    out = console()
    model, target, verdict = document["model"], document["target"], document["verdict"]
    out.print(
        f"[bold]{model['name']}[/bold] on [bold]{escape(target['name'])}[/bold] ({_devices(document)}), "
        f"weights {model['weights']}, model {model['fingerprint']}",
        highlight=False,
    )
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for metric_id, metric in METRICS.items():
        if metric_id in document["metrics"]:
            table.add_row(metric.label, show(metric_id, document["metrics"][metric_id]), metric.meaning)
    out.print(table)
    if document.get("emulated"):
        out.print(f"emulated: {escape(document['emulated'])}: devices and network are imitated", highlight=False)
    if document.get("protocol"):
        print_protocol(document["protocol"])
    if document["plan"].get("roles"):  # a run that was broken off has none
        out.print(_roles(document["plan"]["roles"], int(document["metrics"]["frames_sent"])))
    if document.get("energy"):
        print_energy(document["energy"])
    style = "green" if verdict["status"] == "VALID" else "bold red"
    out.print(f"[{style}]{verdict['status']}[/{style}]")
    if verdict.get("broken_off"):
        out.print(f"  - broken off: {verdict['broken_off']}", highlight=False, markup=False)
    for reason in verdict["reasons"]:
        out.print(f"  - {reason}", highlight=False, markup=False)
    for note in verdict["notes"]:
        out.print(f"  note: {note}", highlight=False, markup=False)


def print_protocol(protocol: dict[str, Any]) -> None:
    """Print what the protocol of the 2018 artifact gives, as what it is."""
    low, high = protocol["counted_ips"]
    frames, replies = protocol["burst"], len(protocol["replies"])
    out = console()
    out.print(
        f"protocol {protocol['name']}: a burst of {frames} frames, {replies} replies, "
        f"{protocol['right_share']:.0%} of them right",
        highlight=False,
    )
    out.print(
        f"  as published: {protocol['as_published_ips']:.3f} replies per second over {protocol['window_s']:.2f} s "
        "from the first reply on; this is no IPS",
        highlight=False,
    )
    out.print(
        f"  counted: {low:.2f} to {high:.2f} distinct frames per second in that time; from the first send on "
        f"{frames / protocol['makespan_s']:.2f}",
        highlight=False,
    )


def print_places(record: Path, trace: Path | None) -> None:
    """Print where a run was filed."""
    out = console()
    out.print(f"record: {record}", highlight=False, markup=False, soft_wrap=True)
    if trace is not None:
        again = f"the same figures again: iot-farm power analyze {trace}"
        out.print(f"power trace: {trace} ({again})", highlight=False, markup=False, soft_wrap=True)


def print_energy(energy: dict[str, Any]) -> None:
    """Print where an energy comes from, and whether it may be used."""
    out = console()
    meter = energy["meter"]
    kind = "measured" if meter["measured"] else "[bold]virtual, not measured[/bold]"
    out.print(f"energy: {kind}, {escape(meter['name'])} ({escape(meter['identity'])}), scope {meter['scope']}")
    check, product = energy["check"], energy.get("arithmetic")
    if check is not None:
        off = f"{check['difference_j']:+.3g} J of {energy['total_j']:.4g} J, allowed {check['bound_j']:.2g} J"
        out.print(f"  the meter's own integrator: {off}", highlight=False)
    if product is not None:
        off = f"{product['difference_j']:+.2g} J, allowed {product['bound_j']:.2g} J"
        out.print(f"  power x time per frame: {product['period_j']:.4g} J ({off})", highlight=False)
        latency = f"power x latency: {product['latency_j']:.4g} J" if product["latency_j"] else product["refused"]
        out.print(f"  {latency}", highlight=False)
    style = "green" if energy["status"] == "VALID" else "bold red"
    out.print(f"energy [{style}]{energy['status']}[/{style}]")
    for reason in energy["reasons"]:
        out.print(f"  - {reason}", highlight=False, markup=False)
    for note in energy["notes"]:
        out.print(f"  note: {note}", highlight=False, markup=False)


def print_records(documents: Sequence[dict[str, Any]]) -> None:
    """Print one line for each record."""
    table = Table(box=box.MARKDOWN)
    for title in ("model", "target", "devices"):
        table.add_column(title)
    for title in ("IPS", "latency p50", "latency p90", "sent = returned = verified", "largest error", "verdict"):
        table.add_column(title, justify="right")
    for document in documents:
        metrics = document["metrics"]
        table.add_row(
            document["model"]["name"],
            escape(document["target"]["name"]),
            _devices(document),
            _figure(metrics, "ips"),
            _figure(metrics, "latency_p50_s"),
            _figure(metrics, "latency_p90_s"),
            " = ".join(_figure(metrics, f"frames_{what}") for what in ("sent", "returned", "verified")),
            _figure(metrics, "largest_error"),
            document["verdict"]["status"],
        )
    console().print(table)


def print_energies(documents: Sequence[dict[str, Any]]) -> None:
    """Print what an inference costs, one line for each record that has an energy; nothing where none has."""
    table = Table(box=box.MARKDOWN)
    for title in ("model", "target", "power is"):
        table.add_column(title)
    for title in ("static J", "dynamic J", "total J", "1/J", "verdict"):
        table.add_column(title, justify="right", no_wrap=True)
    for document in documents:
        energy = document.get("energy")
        if energy is None:
            continue
        metrics = document["metrics"]
        table.add_row(
            document["model"]["name"],
            escape(document["target"]["name"]),
            "measured" if energy["meter"]["measured"] else "virtual",
            *(_with_uncertainty(metrics, part) for part in ("static", "dynamic", "total")),
            _figure(metrics, "inferences_per_j"),
            energy["status"],
        )
    if table.row_count:
        console().print("energy per inference, ± its uncertainty at k=2")
        console().print(table)


def print_host_plan(graph: ModelGraph, options: RunOptions) -> None:
    """Print what a run on this machine would compute."""
    layers = [layer.name for layer in graph.layers]
    parameters, macs = sum(map(graph.parameters, layers)), sum(map(graph.macs, layers))
    console().print(
        f"[bold]{graph.title}[/bold] on this machine ({options.device}), {options.frames} frames: "
        f"{parameters:,} parameters, {parameters * 4 / 1e6:.1f} MB, {macs / 1e6:,.1f} M MAC per frame",
        highlight=False,
    )


def print_plan(plan: Plan) -> None:
    """Print what a run on a farm would do."""
    out = console()
    out.print(
        f"[bold]{plan.partition.name}[/bold]: {plan.partition.graph.title} on {plan.farm.devices} devices, "
        f"results come back to {plan.farm.initial}",
        highlight=False,
    )
    nodes = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("address", "role", "part", "replica"):
        nodes.add_column(title)
    for title in ("parameters", "weights", "MAC per frame"):
        nodes.add_column(title, justify="right")
    for node in plan.placements:
        block = None if node.spare else plan.partition.block(node.role, node.part)
        parameters, macs = (block.parameters, block.macs) if block else (0, 0)
        split = f", {block.split.replace('_', ' ')}" if block and block.parts > 1 else ""
        nodes.add_row(
            str(node.address),
            node.role,
            f"{node.part + 1} of {node.parts}{split}",
            f"{node.replica + 1} of {node.replicas}",
            f"{parameters:,}",
            f"{parameters * 4 / 1e6:.1f} MB",
            f"{macs / 1e6:,.1f} M",
        )
    out.print(nodes)
    print_edges(plan)


def print_edges(plan: Plan) -> None:
    """Print what travels between the roles for one frame."""
    edges = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("from", "to", "tensor"):
        edges.add_column(title)
    for title in ("messages", "bytes each"):
        edges.add_column(title, justify="right")
    for edge in plan.partition.edges:
        edges.add_row(edge.source, edge.target, edge.tensor, str(edge.parts * edge.copies), f"{edge.message_bytes:,}")
    out = console()
    out.print(edges)
    wire = "" if plan.partition.wire == "f32" else f", {plan.partition.wire} between blocks"
    out.print(f"{plan.partition.frame_bytes:,} payload bytes per frame{wire}", highlight=False)


def _roles(roles: Sequence[dict[str, Any]], frames: int) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("role")
    for title in ("nodes", "compute p50", "queue p50", "in / frame", "out / frame", "CPU", "memory"):
        table.add_column(title, justify="right")
    for role in roles:
        table.add_row(
            role["role"],
            str(role["nodes"]),
            _milliseconds(role["compute_p50_s"]),
            _milliseconds(role["queue_p50_s"]),
            f"{role['bytes_in'] // frames:,} B" if frames else "unknown",
            f"{role['bytes_out'] // frames:,} B" if frames else "unknown",
            f"{role['cpu_s']:.2f} s",
            f"{role['rss_bytes'] / 1e6:,.0f} MB",
        )
    return table


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value * 1000:.1f} ms"


def _devices(document: dict[str, Any]) -> str:
    target, wire, computed = document["target"], wire_of(document), asked_computing(document["options"])
    farm = target["kind"] == "farm"
    words = [f"{target['devices']} devices" if farm else f"1 {target['device'].upper()}"]
    emulated = document.get("emulated")
    words += [f"{wire} wire"] * (wire != "f32") + [computed] * bool(computed)
    words += [f"emulated: {escape(str(emulated))}"] * bool(emulated)
    return ", ".join(words)


def _with_uncertainty(metrics: dict[str, float], part: str) -> str:
    """An energy per inference in joules, to the digits that its uncertainty leaves."""
    value, u_j = metrics.get(f"energy_{part}_j"), metrics.get(f"energy_{part}_u_j")
    if value is None:
        return "-"
    if u_j is None:
        return f"{value:.4f} ± unknown"
    digits = min(_MOST_DIGITS, max(0, 1 - math.floor(math.log10(u_j)))) if u_j > 0 else _MOST_DIGITS
    return f"{value:.{digits}f} ± {u_j:.{digits}f}"


def _figure(metrics: dict[str, float], metric_id: str) -> str:
    return show(metric_id, metrics[metric_id]) if metric_id in metrics else "-"
