"""`iot-farm plan`: cut a model over devices, and say why, how fast it will be and what it will take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option
from harness.cli.outputs import require_output, write_output

if TYPE_CHECKING:
    from harness.plan.explain import OneMore
    from harness.plan.objective import Planned
    from harness.plan.planner import PlanResult
    from harness.plan.site import Site

_ROWS = 16


@click.command()
@click.option("--model", "model_name", required=True, metavar="NAME", help="alexnet or vgg16.")
@click.option(
    "--devices",
    required=True,
    metavar="N|FILE",
    help="How many, the initial included, or a JSON list of objects with name, profile, address, memory_bytes.",
)
@click.option(
    "--device",
    default="rpi3",
    show_default=True,
    metavar="NAME|FILE",
    help="Profile of devices that name none: rpi3, tx2-cpu, ..., or a file that `iot-farm profile --out` wrote.",
)
@click.option(
    "--network",
    default="wifi-n",
    show_default=True,
    metavar="NAME|FILE",
    help="loopback, ethernet-100, wifi-n, or a JSON file of bandwidth_bytes_per_s, latency_s, message_s, shared.",
)
@click.option(
    "--objective", default="throughput", show_default=True, metavar="NAME", help="throughput, latency or energy."
)
@click.option("--max-latency", "max_latency_s", type=float, metavar="S", help="Longest time of a frame by itself.")
@click.option("--extrapolate", is_flag=True, help="Take fits where a profile has no figures of the model.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FARM.json", help="Write the farm file there."
)
@click.option(
    "--assignments",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the plans for every number of devices there.",
)
@json_option
def plan(
    model_name: str,
    devices: str,
    device: str,
    network: str,
    objective: str,
    max_latency_s: float | None,
    extrapolate: bool,
    out: Path | None,
    assignments: Path | None,
    as_json: bool,
) -> None:
    """Find the best way to put a model on devices, and explain it.

    The plan comes from layer times (`iot-farm profile`) and a model of costs; nothing is run. The file of --out is a
    farm file: `iot-farm farm up FARM.json` starts it, `ck add machine:NAME --access_type=avro --avro_config=FARM.json`
    registers it.

    \b
    Examples:
      iot-farm plan --model vgg16 --devices 11
      iot-farm plan --model alexnet --devices 5 --objective latency --max-latency 0.8
      iot-farm plan --model alexnet --devices devices.json --network ethernet-100 --out farm.json
    """
    from harness.models.catalogue import model
    from harness.plan.explain import explain, one_more
    from harness.plan.farm_file import assignments_document, farm_document, farm_text
    from harness.plan.planner import plan_model
    from harness.profile.coverage import EXTRAPOLATE, require_figures

    graph = model(model_name)
    _require_outputs(out, assignments)
    site = _site(devices, device, network)
    if not extrapolate:
        for profile in {id(one.profile): one.profile for one in site.devices}.values():
            require_figures(profile, graph, EXTRAPOLATE)
    result = plan_model(graph, site, objective=objective, max_latency_s=max_latency_s)
    best, lines, more = result.best, explain(result), one_more(result)
    farm = farm_document(result.graph, site, best.assignment)
    if out is not None:
        write_output(out, farm_text(farm))
    if assignments is not None:
        write_output(assignments, json.dumps(assignments_document(result), indent=1) + "\n")
    if as_json:
        click.echo(json.dumps(_document(result, lines, more, farm), indent=1))
        return
    _print(result, lines, more)
    for path, what in ((out, "farm file"), (assignments, "assignments")):
        if path is not None:
            click.echo(f"{what}: {path}")


def _site(devices: str, device: str, network: str) -> Site:
    """What to plan for.

    Raises:
        UserError: there is no such profile or network, or the devices are none.
    """
    from harness.errors import BadInputError
    from harness.plan.farm_file import alike, read_devices
    from harness.plan.network import network_called
    from harness.plan.site import Site
    from harness.profile.shipped import HOST, profile_called

    if device == HOST:
        raise BadInputError(
            "this machine is measured by another command",
            "iot-farm profile MODEL --out host.json, then plan with --device host.json",
        )
    profile, found = profile_called(device), network_called(network)
    number = devices.strip().replace("_", "")
    if not devices.strip():
        raise BadInputError("--devices is empty", "give a number, or a file that lists them")
    if re.fullmatch(r"[+-]?\d{1,18}", number):
        named = alike(int(number), profile)
    elif re.fullmatch(r"[+-]?\d+", number):
        raise BadInputError(f"a number of {len(number)} digits is no number of devices", "give 2 or more")
    else:
        named = read_devices(Path(devices), profile)
    # On loopback all nodes of a measured machine compute on its cores.
    measured = found.name == "loopback" and all(one.profile.name == HOST for one in named)
    return Site(named[0], tuple(named[1:]), found, named[0].profile.device.cores if measured else None)


def _farm_file(document: Any) -> bool:
    """A farm file that a person wrote has no cut, and stays."""
    return isinstance(document, dict) and set(document) == {"node", "partition"}


def _assignments_file(document: Any) -> bool:
    from harness.plan.farm_file import ASSIGNMENTS_FORMAT

    return isinstance(document, dict) and document.get("format") == ASSIGNMENTS_FORMAT


def _require_outputs(out: Path | None, assignments: Path | None) -> None:
    from harness.errors import BadInputError

    if out is not None and assignments is not None and out.absolute() == assignments.absolute():
        raise BadInputError("--out and --assignments name the same file", "each needs a file of its own")
    require_output(out, "planned farm file", _farm_file)
    require_output(assignments, "file of assignments", _assignments_file)


def _print(result: PlanResult, lines: list[str], more: OneMore) -> None:
    from rich import box
    from rich.table import Table

    from harness.cli.report import console
    from harness.plan.assignment import partition_of
    from harness.plan.explain import seconds

    site, best = result.site, result.best
    prediction = best.prediction
    roles = partition_of(best.assignment, result.graph)
    how = "exact" if best.exact else "bounded"
    click.echo(f"{result.graph.name} on {result.devices} devices, {site.network.name}, best {result.objective} ({how})")
    table = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("role", "layers", "parts", "replicas", "pace", "busy", "devices"):
        table.add_column(title, justify="right" if title in {"parts", "replicas", "pace", "busy"} else "left")
    for role, stage, pace_s in zip(roles.roles, best.assignment.stages, prediction.stage_periods_s, strict=True):
        names = [site.devices[number].name for replica in stage.replicas for number in replica]
        busy = max(prediction.busy[name] for name in names)
        layers = role.layers[0] if len(role.layers) == 1 else f"{role.layers[0]} .. {role.layers[-1]}"
        shown = ", ".join(names) if len(names) <= _ROWS else f"{names[0]} .. {names[-1]} ({len(names)})"
        parts = f"{stage.parts} {stage.split.replace('_', ' ')}" if stage.way.of_convolutions else str(stage.parts)
        table.add_row(role.name, layers, parts, str(len(stage.replicas)), seconds(pace_s), f"{busy:.0%}", shown)
    console().print(table)
    for line in lines:
        click.echo(f"* {line}")
    click.echo(f"predicted: {_figures(best)}")
    click.echo(f"  p50 latency {seconds(prediction.p50_latency_s)} with {prediction.in_flight} frames in flight")
    for link in prediction.links:
        click.echo(f"  {link.source} -> {link.target}: {link.frame_bytes:,} bytes in {link.messages} message(s)")
    for name, figures in _hand_made(result):
        click.echo(f"the paper's cut {name} on these devices: {figures}")
    click.echo(f"will one more device help? {more.text}")
    counts = sorted(result.by_devices)
    shown_counts = counts if len(counts) <= _ROWS else [n for n in counts if n & (n - 1) == 0 or n == counts[-1]]
    click.echo(
        "frames/s by devices: " + ", ".join(f"{n}: {result.by_devices[n].prediction.ips:.3g}" for n in shown_counts)
    )


def _figures(planned: Planned) -> str:
    from harness.plan.explain import seconds

    prediction = planned.prediction
    energy = prediction.energy
    joules = "energy unknown"
    if energy is not None:
        joules = f"{energy.total_j:.3g} J a frame ({energy.static_j:.3g} static, {energy.dynamic_j:.3g} dynamic)"
    return f"{prediction.ips:.3g} frames/s, {seconds(prediction.latency_s)} for a frame alone, {joules}"


def _hand_made(result: PlanResult) -> list[tuple[str, str]]:
    """The paper's cuts for so many devices, on the same site."""
    from harness.partition.paper import partition, partition_names
    from harness.plan.assignment import assignment_of
    from harness.plan.cost import predict
    from harness.plan.objective import Planned

    found = []
    for cut in map(partition, partition_names()):
        if cut.graph == result.graph and cut.devices == result.devices:
            assignment = assignment_of(cut)
            planned = Planned(assignment, predict(cut.graph, result.site, assignment), exact=False)
            same = " (this plan)" if assignment.stages == result.best.assignment.stages else ""
            fits = planned.prediction.feasible
            found.append((cut.name, f"{_figures(planned)}{same}" if fits else "a block does not fit"))
    return found


def _document(result: PlanResult, lines: list[str], more: OneMore, farm: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    best = result.best
    prediction = asdict(best.prediction)
    return {
        "model": result.graph.name,
        "devices": result.devices,
        "network": result.site.network.name,
        "objective": result.objective,
        "max_latency_s": result.max_latency_s,
        "exact": best.exact,
        "prediction": prediction,
        "explanation": lines,
        "one_more_device": {"helps": more.helps, "ips": more.planned.prediction.ips, "text": more.text},
        "by_devices": {
            str(count): {
                "ips": planned.prediction.ips,
                "latency_s": planned.prediction.latency_s,
                "energy_j": None if planned.prediction.energy is None else planned.prediction.energy.total_j,
                "exact": planned.exact,
            }
            for count, planned in sorted(result.by_devices.items())
        },
        "farm": farm,
    }
