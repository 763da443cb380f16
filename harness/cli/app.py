"""`iot-farm`: the commands, each loaded when it is used."""

from __future__ import annotations

import sys
from typing import Any

import click

import harness
from harness.cli.lazy_group import LazyGroup
from harness.ending import ends_with, watch_for_the_end
from harness.errors import UserError
from harness.rpc.cipher_order import prefer_chacha

_COMMANDS = {
    "run": ("harness.cli.run:run", "Measure a farm or this machine."),
    "farm": ("harness.cli.farm:farm", "Start, look at and stop the nodes of a farm."),
    "node": ("harness.cli.node:node", "Run this machine's nodes of a farm in the foreground."),
    "chaos": ("harness.cli.chaos:chaos", "Run a farm while its devices are killed and frozen."),
    "doctor": ("harness.cli.doctor:doctor", "Check this machine and a farm, and say how to mend what is wrong."),
    "model": ("harness.cli.model:model", "Show a model's layers, or how a partition cuts it."),
    "profile": ("harness.cli.profile:profile", "Layer times of a kind of device: of this machine, or published."),
    "plan": ("harness.cli.plan:plan", "Cut a model over devices, and say why and how fast that will be."),
    "reproduce": ("harness.cli.reproduce:reproduce", "Audit the 2018 paper: its farms imitated, both protocols."),
    "simulate": ("harness.cli.simulate:simulate", "Let farms run under a simulated clock, and predict measured ones."),
    "record": ("harness.cli.record:record", "Check records: may their figures be used?"),
    "compare": ("harness.cli.compare:compare", "Compare two systems or more, with confidence intervals."),
    "scoreboard": ("harness.cli.scoreboard:scoreboard", "Build, serve and upload to a scoreboard."),
    "results": ("harness.cli.results:results", "Show the records of earlier runs."),
    "power": ("harness.cli.power:power", "Power analyzers: list, probe, record, analyze."),
    "ck": ("harness.cli.ck:ck", "Collective Knowledge: install our entries, and what they call."),
}


@click.group(
    cls=LazyGroup,
    commands=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 the run is not valid, 2 bad input, 3 a node failed, 5 something is not "
    "installed, 16 not found.",
)
@click.version_option(harness.__version__, prog_name="iot-farm")
def cli() -> None:
    """Benchmark neural networks that are cut over a farm of small devices, and count honestly.

    \b
    A first look, with five nodes on this machine:
      iot-farm farm up farm-5-local
      iot-farm run --target farm-5-local
      iot-farm farm down farm-5-local
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a `UserError` becomes one line and its exit code.

    Args:
        arguments: those of this process, which then ends with the command; others where it is more than that.
    """
    if arguments is None:
        watch_for_the_end()
    prefer_chacha()  # before any command imports what loads OpenSSL
    code = _exit_code(arguments)
    ends_with(code)
    sys.exit(code)


def _exit_code(arguments: list[str] | None) -> int:
    try:
        code: Any = cli.main(args=arguments, prog_name="iot-farm", standalone_mode=False)
    except UserError as error:
        _tell(error.message, error.hint)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "iot-farm"
        _tell(error.format_message(), f"`{command} --help` shows what it takes")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    return code if isinstance(code, int) else 0


def _tell(message: str, hint: str) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"  hint: {hint}", err=True)
