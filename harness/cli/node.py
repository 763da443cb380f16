"""`iot-farm node`: this machine's nodes in the foreground (on a Pi that is exactly one)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import apart_option, insecure_lan_option, node_options

if TYPE_CHECKING:
    from harness.records.computing import Precision, RuntimeName, Way
    from harness.runtime.device import Device


@click.command()
@click.option("--target", required=True, metavar="NAME|FILE", help="The farm: a registered target or a JSON file.")
@click.option("--address", metavar="HOST[:PORT]", help="Run only the node at this address.")
@click.option("--core", type=click.IntRange(0), help="With --address: the core that the node computes on.")
@click.option("--spare", is_flag=True, help="With --address: a device that the farm file does not name; see farm join.")
@click.option("--stop-on-eof", is_flag=True, hidden=True)
@click.option("--fork-server", hidden=True)
@node_options
@apart_option
@insecure_lan_option
def node(
    target: str,
    address: str | None,
    core: int | None,
    spare: bool,
    stop_on_eof: bool,
    fork_server: str | None,
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
    """Run every node of TARGET whose address belongs to this machine, until Ctrl-C.

    A node takes its port, builds its block, and only then says ready and answers.

    \b
    Examples:
      iot-farm node --target farm-11.json
      iot-farm node --target farm-5-local --address 127.0.0.51
      iot-farm node --target farm-5-local --address 127.0.0.59 --spare
    """
    from harness.cli.targets import farm_plan, find_farm
    from harness.errors import BadInputError
    from harness.farm.config import NODE_PORT, SPARE, Address
    from harness.node.blocks import NodeOptions
    from harness.node.launch import run_foreground
    from harness.node.serve import serve
    from harness.plan.plan import Placement
    from harness.records.computing import Wanted

    farm_file = find_farm(target)
    plan = farm_plan(farm_file, model_name=model_name, partition=partition)
    if spare and address is None:
        raise BadInputError("--spare is for one node", "say which with --address HOST")
    if core is not None and address is None:
        raise BadInputError("--core is for one node", "say which with --address HOST")
    options = NodeOptions(
        seed=seed,
        weights=weights,
        threads=threads,
        device=device,
        wanted=Wanted(runtime, precision, way),
        core=core,
        keep_cores=keep_cores,
        stop_on_eof=stop_on_eof,
        emulate=emulate,
    )
    if fork_server is not None:
        from harness.node.births import Request
        from harness.node.fork_server import run_fork_server

        run_fork_server(plan, options, Request.from_line(fork_server))
    elif address is not None:
        try:
            where = Address.parse(address, NODE_PORT)
        except ValueError as error:
            raise BadInputError(f"--address: {error}", "write HOST or HOST:PORT") from None
        serve(plan, Placement(where, SPARE, 0, 1, 0, 1) if spare else plan.at(where), options)
    else:
        run_foreground(farm_file, plan, options, click.echo, apart=apart)
