"""`iot-farm ck`: Collective Knowledge (CK), and what its program entry calls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.bench.energy import RunMeter
    from harness.records.record import Record


@click.group()
def ck() -> None:
    """Set up Collective Knowledge for the commands of the paper's appendix A.7; docs/ck.md explains each.

    \b
    Examples:
      iot-farm ck install
      ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-single-device-cpu
      ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-farm-5-nodes --target=farm-5-local
    """


@ck.command()
def install() -> None:
    """Install and register our CK entries in $CK_REPOS (default ~/CK), offline.

    Takes the place of `ck pull repo:ck-request-asplos18-iot-farm`. May be called again at any time; what you
    changed or registered yourself is kept. Asks nothing.

    \b
    Examples:
      iot-farm ck install
      CK_REPOS=$PWD/.ck iot-farm ck install      # leaves your own CK alone
    """
    from harness.ck.install import install as install_entries

    install_entries(click.echo)


@ck.command(hidden=True)
@click.argument("cmd_key")
def run(cmd_key: str) -> None:
    """Measure what CMD_KEY says; `ck run program:request-iot-benchmark --cmd_key=CMD_KEY` calls this.

    Reads STAT_REPEAT (frames, default 50), CK_TARGET_PATH (set by --target), CK_TF_GPU_MEMORY_PERCENT, POWER (as
    --power of `iot-farm run`, default none) and POWER_IDLE_S (default 30), and writes tmp-ck-timer.json when, and
    only when, the run is valid.
    """
    from harness.ck.commands import run_key
    from harness.cli.progress import progress_for

    with _words_of_the_artifact(), progress_for(quiet=False) as progress:
        run_key(cmd_key, os.environ, folder=Path.cwd(), progress=progress, file_record=_file)


@ck.command("start-server", hidden=True)
@click.argument("cmd_key")
def start_server(cmd_key: str) -> None:
    """Run this machine's nodes until Ctrl-C; the ...-start-server keys call this."""
    from harness.ck.commands import start_server as start

    with _words_of_the_artifact():
        start(cmd_key, os.environ, click.echo)


@contextmanager
def _words_of_the_artifact() -> Iterator[None]:
    """A missing target is told in the words of the published artifact."""
    from harness.errors import TargetNotSpecifiedError

    try:
        yield
    except TargetNotSpecifiedError as error:
        click.echo(f"ERROR: {error.message}", err=True)
        click.echo(f"  hint: {error.hint}", err=True)
        click.get_current_context().exit(error.exit_code)


def _file(record: Record, meter: RunMeter | None) -> None:
    from harness.bench.filing import file_run
    from harness.cli.report import print_places, print_record
    from harness.records.store import results_folder

    path, trace = file_run(record, meter, results_folder())
    print_record(record.to_document())
    print_places(path, trace)
