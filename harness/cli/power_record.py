"""`iot-farm power record`: a trace of some seconds, or of any command with idle phases around it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, profiles_option

if TYPE_CHECKING:
    from power.phases import Markers
    from power.sampling import Sampling
    from power.trace import Trace


@click.command(short_help="Record power for some time, or around a command.")
@click.argument("resource")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="How long [default: 10].")
@click.option(
    "--idle", "idle_s", type=click.FloatRange(min=0, min_open=True), help="Idle seconds around COMMAND [default: 30]."
)
@click.option("--frames", type=click.IntRange(1), help="Inferences that COMMAND makes [default: 1].")
@click.option("--ranging/--no-ranging", default=True, help="Run COMMAND once before [default: ranging].")
@click.option("--rate", "rate_hz", type=float, metavar="HZ", help="Readings per second [default: 2 per update].")
@profiles_option
@json_option
def record(
    resource: str,
    file: Path,
    command: tuple[str, ...],
    seconds: float | None,
    idle_s: float | None,
    frames: int | None,
    rate_hz: float | None,
    ranging: bool,
    profiles: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Record the power that the instrument at RESOURCE shows into FILE (CSV).

    With a COMMAND, the trace has an idle phase, the command, and an idle phase, and `iot-farm power analyze FILE`
    makes static and dynamic energy from it. The COMMAND runs twice: once for the instrument to find its range,
    which is held from then on (--no-ranging leaves this run out). Exit code 1 when COMMAND fails; the trace is kept.

    \b
    Examples:
      iot-farm power record TCPIP::192.168.1.20::INSTR trace.csv --seconds 60
      iot-farm power record TCPIP::192.168.1.20::INSTR trace.csv --frames 100 -- python predict.py
      iot-farm power record virtual trace.csv --seconds 5
    """
    from functools import partial

    from harness.bench.energy import DEFAULT_IDLE_S, meter_errors
    from power.phases import Markers
    from power.sampling import start_sampling
    from power.source import open_source
    from power.trace_file import require_place, write_trace

    _check(resource, command, seconds=seconds, idle_s=idle_s, frames=frames)
    markers = Markers()
    with meter_errors(), ExitStack() as stack:
        require_place(file)
        sampling = start_sampling(partial(open_source, resource, profiles=profiles, pids=(os.getpid(),)), rate_hz)
        stack.callback(sampling.stop)
        sampling.require_reading(5.0)
        code = 0
        if command and ranging:
            click.echo("ranging ...", err=True)
            _run(command)
        sampling.fix_range()
        if command:
            code = _around(command, markers, DEFAULT_IDLE_S if idle_s is None else idle_s)
        else:
            _wait(seconds or 10.0, quiet=as_json)
        time.sleep(2 * sampling.trace().meter.update_s)  # the last marker has a sample on both sides
        sampling.stop()
        trace = sampling.trace()
        write_trace(file, trace, markers.phases, frames or 1 if command else 0)
    _tell(sampling, trace, file, code if command else None, as_json=as_json)
    if code:
        click.echo(f"error: {command[0]} ended with exit code {code}", err=True)
        click.get_current_context().exit(1)


def _check(
    resource: str, command: tuple[str, ...], *, seconds: float | None, idle_s: float | None, frames: int | None
) -> None:
    """Refuse what cannot be recorded, before a meter is opened."""
    from harness.errors import BadInputError, NotFoundError

    if command and seconds is not None:
        raise BadInputError("--seconds and a COMMAND exclude each other", "the command says how long it takes")
    for name, number in (("--seconds", seconds), ("--idle", idle_s)):
        if number is not None and not math.isfinite(number):
            raise BadInputError(f"{name} {number} is no number of seconds", f"for example {name} 30")
    if command and shutil.which(command[0]) is None:
        raise NotFoundError(f"{command[0]} cannot be run: there is no such program", "write it as in a shell")
    if command and resource == "virtual":
        raise BadInputError("the virtual analyzer does not see COMMAND", "it follows the nodes of `iot-farm run` alone")
    if not command and (idle_s is not None or frames is not None):
        raise BadInputError("--idle and --frames are for a COMMAND", "for example: … trace.csv -- python predict.py")


def _tell(sampling: Sampling, trace: Trace, file: Path, code: int | None, *, as_json: bool) -> None:
    """Say what was recorded; `code` is that of the command, None where there was none."""
    good = int(trace.good.sum())
    for problem in filter(None, (sampling.failure, f"{sampling.lost} samples were lost" if sampling.lost else "")):
        click.echo(f"note: {problem}", err=True)
    if as_json:
        document = {"path": str(file), "samples": len(trace), "good": good, "exit_code": code}
        click.echo(json.dumps(document, indent=1))
    else:
        mean = f", mean {trace.power_w[trace.good].mean():.4g} W" if good else ""
        click.echo(f"{good} good samples of {len(trace)}{mean}, written to {file}")
        if code is not None:
            click.echo(f"its energy: iot-farm power analyze {file}")


def _around(command: tuple[str, ...], markers: Markers, idle_s: float) -> int:
    """Idle, run the command, idle; returns its exit code."""
    from power.phases import PHASES

    code = 0
    for name in PHASES:
        click.echo(f"{name} ...", err=True)
        with markers.phase(name):
            if name == "run":
                code = _run(command)
            else:
                time.sleep(idle_s)
    return code


def _run(command: tuple[str, ...]) -> int:
    from harness.errors import NotFoundError

    try:
        # Its output goes where ours does not: --json prints one document.
        return subprocess.run(command, check=False, stdout=sys.stderr).returncode  # noqa: S603  the user's own command
    except OSError as error:
        raise NotFoundError(f"{command[0]} cannot be run: {error.strerror}", "write it as in a shell") from None


def _wait(seconds: float, *, quiet: bool) -> None:
    """Let the sampler work, and show how far it is."""
    with contextlib.suppress(KeyboardInterrupt):  # what was recorded until then is written
        _shown_wait(seconds, quiet=quiet)


def _shown_wait(seconds: float, *, quiet: bool) -> None:
    if quiet or not sys.stderr.isatty():
        time.sleep(seconds)
        return
    with click.progressbar(length=100, label="recording", file=sys.stderr) as bar:
        for _ in range(100):
            time.sleep(seconds / 100)
            bar.update(1)
