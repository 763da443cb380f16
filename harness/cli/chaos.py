"""`iot-farm chaos`: a run while devices of the farm are killed and frozen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.bench.options import DEFAULT_SEED
from harness.cli.numbers import FiniteRange
from harness.cli.options import insecure_lan_option, json_option, ready_timeout_option

if TYPE_CHECKING:
    from harness.bench.chaos import ChaosOutcome


@click.command()
@click.argument("target")
@click.option("--seconds", type=FiniteRange(5, 7200), default=60.0, show_default=True, help="Length of the run.")
@click.option("--kills", type=click.IntRange(0), default=16, show_default=True, help="Devices killed, and restarted.")
@click.option("--stops", type=click.IntRange(0), default=12, show_default=True, help="Devices frozen for 1.5 s.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the schedule of faults.")
@click.option("--weights-seed", type=click.IntRange(0), default=DEFAULT_SEED, show_default=True, help="Of the model.")
@click.option("--in-flight", type=click.IntRange(1), metavar="K", help="Frames under way [default: 2 per node].")
@ready_timeout_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the record [default: ./results].")
@insecure_lan_option
@json_option
def chaos(
    target: str,
    seconds: float,
    kills: int,
    stops: int,
    seed: int,
    weights_seed: int,
    in_flight: int | None,
    timeout_s: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run TARGET while its devices are killed and frozen, and say whether a frame was lost or wrong.

    The nodes are started for the run and stopped after it; all of them must be of this machine. The same seed gives
    the same faults at the same times again; one whose device is not serving just then strikes the next that is, so that
    the victims depend on the machine too. Exit code 1 means that a frame was lost, wrong, or counted twice.

    \b
    Examples:
      iot-farm chaos farm-5-local
      iot-farm chaos farm.json --seconds 30 --kills 5 --stops 5 --seed 7
    """
    from harness.bench.chaos import run_under_fire, start_all
    from harness.bench.faults import schedule
    from harness.bench.filing import file_run
    from harness.bench.options import RunOptions
    from harness.cli.progress import progress_for
    from harness.cli.targets import farm_plan, find_farm, target_name
    from harness.errors import BadInputError
    from harness.farm.key_folder import require_trust
    from harness.node.blocks import NodeOptions, local_placements
    from harness.node.commands import node_command
    from harness.node.fleet import Fleet
    from harness.node.processes import state_folder
    from harness.node.serve import refuse_taken_port
    from harness.records.store import require_writable, results_folder

    farm_file = find_farm(target)
    plan = farm_plan(farm_file, model_name=None, partition=None)
    if len(local_placements(plan)) < len(plan.placements):
        raise BadInputError(f"not every node of {target} is of this machine", "chaos kills and starts processes here")
    require_trust(plan.farm)
    for placement in plan.placements:
        refuse_taken_port(placement.address)
    folder = out or results_folder()
    require_writable(folder)
    faults = schedule(seed, seconds=seconds, kills=kills, freezes=stops, devices=len(plan.placements))
    options = RunOptions(
        model=None,
        target_name=target_name(target),
        farm_file=farm_file,
        seed=weights_seed,
        in_flight=in_flight,
        least_s=seconds,
        adapt=True,
    )
    node = NodeOptions(seed=weights_seed, threads=1)
    fleet = Fleet(lambda placement: node_command(farm_file, plan, placement, node), state_folder(target) / "chaos")
    with progress_for(quiet=as_json) as progress, fleet:
        start_all(fleet, plan, timeout_s, progress.note)
        outcome = run_under_fire(options, fleet, faults, progress)
    path, _ = file_run(outcome.record, None, folder)
    document = _document(outcome, seed, path)
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        _show(document)
    if not outcome.held:
        click.get_current_context().exit(1)


def _document(outcome: ChaosOutcome, seed: int, path: Path) -> dict[str, Any]:
    adapted = outcome.record.adapted or {}
    return {
        "seed": seed,
        "kills": sum(one.kind == "kill" for one in outcome.struck),
        "stops": sum(one.kind == "freeze" for one in outcome.struck),
        "frames_sent": outcome.sent,
        "lost": outcome.lost,
        "wrong": outcome.wrong,
        "repeated": outcome.repeated,
        "longest_gap_s": outcome.longest_gap_s,
        "sent_again": adapted.get("sent_again"),
        "late": adapted.get("late"),
        "tables": len(adapted.get("changes", [])),
        "ips": outcome.record.metrics.get("ips"),
        "verdict": outcome.record.verdict.status.value,
        "reasons": list(outcome.record.verdict.reasons),
        "record": str(path),
    }


def _show(document: dict[str, Any]) -> None:
    rows = {
        "frames sent, each checked": document["frames_sent"],
        "lost": document["lost"],
        "wrongly joined or otherwise wrong": document["wrong"],
        "counted more than once": document["repeated"],
        "longest gap between results": f"{document['longest_gap_s']:.2f} s",
        "sent again": document["sent_again"],
        "late results dropped": document["late"],
        "tables of addresses": document["tables"],
    }
    click.echo(f"seed {document['seed']}: {document['kills']} killed, {document['stops']} frozen")
    for name, value in rows.items():
        click.echo(f"  {name:34} {value}")
    click.echo(document["verdict"])
    for reason in document["reasons"]:
        click.echo(f"  {reason}")
    click.echo(f"record: {document['record']}")
