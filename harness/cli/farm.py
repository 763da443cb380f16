"""`iot-farm farm`: the nodes of a farm on this machine, in the background; the group of all commands of a farm."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.farm_keys import keys
from harness.cli.farm_live import join, leave, watch
from harness.cli.options import apart_option, insecure_lan_option, json_option, node_options, ready_timeout_option
from harness.cli.targets import farm_plan, find_farm

if TYPE_CHECKING:
    from harness.bench.preflight import NodeReport
    from harness.node.background import Start
    from harness.plan.plan import Plan
    from harness.records.computing import Precision, RuntimeName, Way
    from harness.runtime.device import Device

_LOOK_S = 0.3


@click.group()
def farm() -> None:
    """Start, look at and stop the nodes of a farm on this machine; join and leave while a run is at work.

    \b
    Examples:
      iot-farm farm up farm-11-local
      iot-farm farm status farm-11-local
      iot-farm farm watch farm-11-local
      iot-farm farm down farm-11-local
    """


for _command in (keys, watch, join, leave):
    farm.add_command(_command)


@farm.command(short_help="Start the nodes of this machine, and wait until they are ready.")
@click.argument("target")
@ready_timeout_option
@node_options
@apart_option
@insecure_lan_option
def up(
    target: str,
    timeout_s: float,
    partition: str | None,
    model_name: str | None,
    seed: int,
    weights: Path | None,
    threads: int | None,
    keep_cores: bool,
    device: Device,
    apart: bool,
    runtime: RuntimeName,
    precision: Precision,
    way: Way,
    emulate: str | None,
) -> None:
    """Start every node of TARGET whose address belongs to this machine, and wait until all are ready.

    TARGET is a registered machine (farm-5-local, farm-11, ...) or a JSON file. When a node cannot start, those
    already started are stopped again.

    \b
    Examples:
      iot-farm farm up farm-5-local
      iot-farm farm up farm.json --seed 7 --threads 1
      iot-farm farm up farm-5-local --emulate rpi3+wifi-n
    """
    from harness.node.forked_start import fork_server, may_fork

    # The server imports while the farm is looked up.
    with nullcontext() if apart or not may_fork(device, runtime) else fork_server(background=True) as server:
        from harness.errors import FarmError, UserError
        from harness.node.background import start_nodes
        from harness.node.blocks import NodeOptions
        from harness.node.processes import forget, started_nodes
        from harness.node.startable import only_start, require_startable
        from harness.records.computing import Wanted

        farm_file = find_farm(target)
        plan = farm_plan(farm_file, model_name=model_name, partition=partition)
        options = NodeOptions(
            seed=seed,
            weights=weights,
            threads=threads,
            device=device,
            wanted=Wanted(runtime, precision, way),
            keep_cores=keep_cores,
            emulate=emulate,
        )
        require_startable(plan, options)
        with only_start(target):
            if any(node.process() for node in started_nodes(target)):
                hint = f"iot-farm farm status {target}, or farm down {target}"
                raise UserError(f"nodes of {target} are up already", hint)
            start = start_nodes(target, farm_file, plan, options, server)
            try:
                with start:
                    _wait_until_ready(plan, start, timeout_s)
            except BaseException as error:
                forget(target)
                if isinstance(error, FarmError):
                    stopped = f"the {len(start.nodes)} nodes that this command started are stopped"
                    error.hint = f"{error.hint}; {stopped}" if error.hint else stopped
                raise


@farm.command(short_help="Ask every node who it is.")
@click.argument("target")
@click.option("--partition", metavar="NAME", help="The paper's name of the cut.")
@json_option
def status(target: str, partition: str | None, as_json: bool) -> None:
    """Ask every node of TARGET who it is; exit code 3 when one is down or not what the farm file says.

    \b
    Example:
      iot-farm farm status farm-5-local
    """
    from harness.bench.preflight import ask_nodes

    plan = farm_plan(find_farm(target), model_name=None, partition=partition)
    reports = asyncio.run(ask_nodes(plan))
    if as_json:
        click.echo(json.dumps([_report_document(report) for report in reports], indent=1))
    else:
        for report in reports:
            click.echo(_report_line(report))
    if any(report.problem for report in reports):
        click.get_current_context().exit(3)


@farm.command(short_help="Stop the nodes of this machine.")
@click.argument("target")
def down(target: str) -> None:
    """Stop every node of TARGET on this machine; a farm that is down already is no error.

    \b
    Example:
      iot-farm farm down farm-5-local
    """
    from harness.node.launch import stop_remaining
    from harness.node.processes import forget, started_nodes, stop_started

    started = started_nodes(target)
    stopped = stop_started(started)
    try:
        plan = farm_plan(find_farm(target), model_name=None, partition=None)
    except Exception:
        if not started:
            raise
    else:
        stopped += asyncio.run(stop_remaining(plan))
    forget(target)
    click.echo(f"{stopped} nodes stopped" if stopped else f"no node of {target} was running on this machine")


def _wait_until_ready(plan: Plan, start: Start, timeout_s: float) -> None:
    import harness.bench.preflight  # noqa: F401  while the nodes start, not when they are ready
    from harness.errors import FarmError

    begun_s = time.monotonic()
    names = {str(placement.address): str(placement) for placement in plan.placements}
    told: set[str] = set()
    while True:
        start.wait(_LOOK_S)
        ready = _answering(plan, start.addresses) if start.said_ready is None else start.said_ready
        for address in sorted(ready - told):
            told.add(address)
            elapsed_s = time.monotonic() - begun_s
            click.echo(f"[{len(told)}/{len(start.addresses)}] {names[address]} is ready after {elapsed_s:.1f} s")
        # What a node says of itself is not taken for granted: in the end all of them are asked.
        if told == start.addresses and _answering(plan, start.addresses) == start.addresses:
            return
        if time.monotonic() - begun_s > timeout_s:
            missing = ", ".join(sorted(start.addresses - told))
            raise FarmError(f"not ready after {timeout_s:.0f} s: {missing}", "a slow machine needs a longer --timeout")


def _answering(plan: Plan, addresses: set[str]) -> set[str]:
    """Those of the addresses where a node answers; raises FarmError where one is not what the plan says."""
    from harness.bench.preflight import ask_nodes

    found = {str(report.placement.address): report for report in asyncio.run(ask_nodes(plan))}
    answering = {address for address in addresses if found[address].description is not None}
    for address in answering:
        if problem := found[address].problem:
            raise problem
    return answering


def _report_line(report: NodeReport) -> str:
    if report.problem:
        return f"[ ] {report.placement}: {report.problem.message}"
    assert report.description is not None
    assert report.round_trip_s is not None
    weights, threads, core = (report.description[key] for key in ("weights", "threads", "core"))
    where = f"{threads} thread(s)" if core < 0 else f"core {core}"
    trip_ms = report.round_trip_s * 1000
    return f"[x] {report.placement}: ready, weights {weights}, {where}, answers in {trip_ms:.1f} ms"


def _report_document(report: NodeReport) -> dict[str, object]:
    return {
        "node": str(report.placement),
        "address": str(report.placement.address),
        "description": report.description,
        "round_trip_s": report.round_trip_s,
        "problem": report.problem.message if report.problem else None,
    }
