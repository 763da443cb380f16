"""`iot-farm run`: one measured run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.bench.options import DEFAULT_FRAMES, DEFAULT_SEED
from harness.cli.options import (
    WEIGHTS_FILE,
    emulate_option,
    insecure_lan_option,
    json_option,
    profiles_option,
    runtime_options,
)
from harness.emulate.published import DEFAULT_BURST, HONEST, PROTOCOLS, PUBLISHED
from harness.partition.wire import Wire

if TYPE_CHECKING:
    from harness.bench.energy import RunMeter
    from harness.bench.options import RunOptions
    from harness.records.record import Record

DECLARED_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--target", required=True, metavar="NAME|FILE|host", help="A farm, or `host` for this machine.")
@click.option("--model", "model_name", metavar="NAME", help="alexnet or vgg16; a farm's roles tell it too.")
@click.option("--partition", metavar="NAME", help="The paper's name of the cut: alexnet-5, alexnet-6, vgg16-9, ...")
@click.option(
    "--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True, help="Device of target host."
)
@click.option(
    "--frames",
    type=int,
    help=f"Frames of the measured window [default: {DEFAULT_FRAMES}; {DEFAULT_BURST} by the protocol of 2018].",
)
@click.option(
    "--seconds", "least_s", type=float, default=0.0, metavar="S", help="Let the window last so long at least."
)
@click.option("--official", is_flag=True, help="For publication: three runs of 60 seconds or more each.")
@click.option("--declared", type=DECLARED_FILE, metavar="FILE", help="JSON: price and peak power, with sources.")
@click.option("--warmup", type=int, help="Frames before the window [default: twice the frames in flight].")
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Seed of weights and images.")
@click.option("--weights", type=WEIGHTS_FILE, metavar="FILE", help="A Keras weights file instead.")
@click.option("--in-flight", type=int, metavar="K", help="Closed loop with K frames under way [default: 2 per node].")
@click.option("--rate", "rate_fps", type=float, metavar="FPS", help="Open loop: so many frames due per second.")
@runtime_options
@click.option("--threads", type=int, help="Threads of target host [default: all cores].")
@click.option(
    "--wire",
    type=click.Choice([wire.value for wire in Wire]),
    default=Wire.F32.value,
    show_default=True,
    help="How tensors travel between blocks: as they are, as half floats, or as bytes.",
)
@emulate_option
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default=HONEST,
    show_default=True,
    help="Of emulated farms: send as the artifact did (requests-2018), or join and count so, too; that is no IPS.",
)
@click.option("--adapt", is_flag=True, help="Go on when devices of the farm fail, leave or join.")
@click.option("--stall", "stall_s", type=float, default=60.0, show_default=True, help="Give up after so long silence.")
@click.option(
    "--power",
    "power_source",
    metavar="SOURCE",
    help="Measure energy: virtual, a VISA resource, replay:FILE.csv, rapl or ina3221.",
)
@click.option("--idle", "idle_s", type=float, help="Seconds of idling before and after, with --power [default: 30].")
@click.option(
    "--power-rate",
    "power_rate_hz",
    type=float,
    metavar="HZ",
    help="Readings per second [default: 2 per update of the meter, 1.1 in the run].",
)
@profiles_option
@insecure_lan_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the record [default: ./results].")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop; opens no socket.")
@json_option
def run(
    target: str,
    model_name: str | None,
    power_source: str | None,
    idle_s: float | None,
    power_rate_hz: float | None,
    profiles: tuple[Path, ...],
    out: Path | None,
    dry_run: bool,
    as_json: bool,
    declared: Path | None,
    frames: int | None,
    **options: Any,
) -> None:
    """Measure a farm or this machine, check every result, and file a record.

    The nodes of a farm must be up (`iot-farm farm up TARGET`). Exit code 1 means that the run was measured and
    its figures must not be used; the reasons are printed.

    \b
    Examples:
      iot-farm run --model alexnet --target host
      iot-farm run --target farm-5-local --frames 200
      iot-farm run --target farm.json --rate 2.5 --frames 100
      iot-farm run --target farm-5-local --power virtual --idle 10
      iot-farm run --target farm-5-local --official --declared prices.json
      iot-farm run --target farm-11 --dry-run
      iot-farm run --target farm-5-local --seconds 60 --adapt
      iot-farm run --target farm-9-local --wire fp16
      iot-farm run --target farm-5-local --emulate rpi3+wifi-n
      iot-farm run --target farm-5-local --emulate rpi3+wifi-n --protocol published-2018
    """
    from harness.bench.filing import file_run
    from harness.bench.options import RunOptions
    from harness.bench.session import run_benchmark
    from harness.cli.progress import progress_for
    from harness.cli.report import print_places, print_record
    from harness.cli.targets import find_farm, target_name
    from harness.errors import BadInputError
    from harness.records.declared import read_declared
    from harness.records.store import read_record, require_writable, results_folder

    farm_file = None if target == "host" else find_farm(target)
    checked = RunOptions(
        model=model_name,
        target_name=target_name(target),
        farm_file=farm_file,
        declared=read_declared(declared) if declared else None,
        frames=frames if frames is not None else _frames(options["protocol"]),
        **options,
    )
    if checked.adapt and power_source not in (None, "none"):
        raise BadInputError("--adapt and --power exclude each other", "an energy is of a farm that stays as it is")
    if checked.protocol == PUBLISHED and power_source not in (None, "none"):
        raise BadInputError(f"--protocol {PUBLISHED} and --power exclude each other", "measure the honest run's energy")
    if dry_run:
        _show_plan(checked, as_json=as_json)
        return
    folder = out or results_folder()
    require_writable(folder)
    filed = []
    with progress_for(quiet=as_json) as progress:
        for series in checked.runs():
            meter = _meter(power_source, idle_s, power_rate_hz, profiles)
            record = run_benchmark(
                series, progress=progress, meter=meter, broken_off=lambda record: _file_broken_off(record, folder)
            )
            filed.append((*file_run(record, meter, folder), record))
    documents = [{"path": str(path), **read_record(path)} for path, _, _ in filed]
    if as_json:
        click.echo(json.dumps(documents if checked.official else documents[0], indent=1, allow_nan=False))
    else:
        for (path, trace, _), document in zip(filed, documents, strict=True):
            print_record(document)
            print_places(path, trace)
    if not all(record.verdict.valid for _, _, record in filed):
        # A run by the published protocol, too: its figure must not be used as one of this project.
        click.get_current_context().exit(1)


def _frames(protocol: str) -> int:
    return DEFAULT_BURST if protocol == PUBLISHED else DEFAULT_FRAMES


def _file_broken_off(record: Record, folder: Path) -> None:
    from harness.bench.filing import file_run

    path, _ = file_run(record, None, folder)
    click.echo(f"the run was broken off; what it measured: {path}", err=True)


def _meter(
    source: str | None, idle_s: float | None, rate_hz: float | None, profiles: tuple[Path, ...]
) -> RunMeter | None:
    from harness.bench.energy import DEFAULT_IDLE_S, PowerOptions, RunMeter, require_meter
    from harness.errors import BadInputError

    if source is None or source == "none":
        if idle_s is not None or rate_hz is not None or profiles:
            raise BadInputError(
                "--idle, --power-rate and --power-profile are for --power", "for example --power virtual"
            )
        return None
    require_meter(source, profiles)
    return RunMeter(PowerOptions(source, DEFAULT_IDLE_S if idle_s is None else idle_s, profiles, rate_hz))


def _show_plan(options: RunOptions, *, as_json: bool) -> None:
    from harness.bench.session import plan_of
    from harness.cli.report import print_host_plan, print_plan
    from harness.models.catalogue import model

    plan = plan_of(options) if options.farm_file else None
    graph = plan.partition.graph if plan else model(str(options.model))
    if as_json:
        document = {
            "target": options.target_name,
            "model": graph.name,
            "options": options.describe(),
            "plan": plan.describe() if plan else None,
        }
        click.echo(json.dumps(document, indent=1))
    elif plan:
        print_plan(plan)
    else:
        print_host_plan(graph, options)
