"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from harness.bench.options import DEFAULT_SEED
from harness.cli.numbers import FiniteRange
from harness.farm.key_folder import INSECURE_VARIABLE
from harness.records.computing import PRECISIONS, RUNTIMES, WAYS

F = TypeVar("F", bound=Callable[..., Any])

WEIGHTS_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""Looked for at once: nodes and the reference would find out only after TensorFlow has loaded."""


def node_options(command: F) -> F:
    """Options that say which partition, weights, threads and cores nodes have."""
    command = emulate_option(runtime_options(command))
    for option in reversed(
        (
            click.option("--partition", metavar="NAME", help="The paper's name of the cut; else told by the roles."),
            click.option("--model", "model_name", metavar="NAME", help="alexnet or vgg16; else told by the roles."),
            click.option(
                "--seed", type=click.IntRange(0), default=DEFAULT_SEED, show_default=True, help="Seed of the weights."
            ),
            click.option(
                "--weights",
                type=WEIGHTS_FILE,
                metavar="FILE",
                help="A Keras weights file of the whole model, in place of the seeded weights.",
            ),
            click.option("--threads", type=click.IntRange(1), help="Threads per node [default: cores / nodes here]."),
            click.option(
                "--keep-cores/--no-keep-cores",
                default=True,
                show_default=True,
                help="Bind nodes with short blocks to one core each, when they share this machine's.",
            ),
            click.option(
                "--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True, help="Where to run."
            ),
        )
    ):
        command = option(command)
    return command


def apart_option(command: F) -> F:
    """`--apart`: nodes share no start."""
    return click.option(
        "--apart", is_flag=True, help="Start each node as a process of its own, which imports and draws for itself."
    )(command)


def runtime_options(command: F) -> F:
    """`--runtime`, `--precision`, `--way`: what computes a block; `harness.runtime.Wanted` checks how they fit."""
    for option in reversed(
        (
            click.option(
                "--runtime",
                type=click.Choice(RUNTIMES),
                default="keras",
                show_default=True,
                help="What computes; the others are extras.",
            ),
            click.option(
                "--precision",
                type=click.Choice(PRECISIONS),
                default="f32",
                show_default=True,
                help="Fewer bits where the runtime has them: other answers, told apart from f32 everywhere.",
            ),
            click.option(
                "--way",
                type=click.Choice(WAYS),
                default="auto",
                show_default=True,
                help="How Keras blocks are compiled; auto measures when a block is loaded.",
            ),
        )
    ):
        command = option(command)
    return command


def ready_timeout_option(command: F) -> F:
    """`--timeout`: how long nodes that were started may take until they are ready."""
    return click.option(
        "--timeout",
        "timeout_s",
        type=FiniteRange(min=0, min_open=True),
        default=180.0,
        show_default=True,
        help="Seconds to get ready.",
    )(command)


def insecure_lan_option(command: F) -> F:
    """`--insecure-lan`: kept in the environment, where the processes that this one starts find it too."""

    def keep(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            os.environ[INSECURE_VARIABLE] = "1"

    return click.option(
        "--insecure-lan",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Do without keys on a network: anybody there may read, send and stop.",
    )(command)


def emulate_option(command: F) -> F:
    """`--emulate`: what the processes of a farm imitate."""
    return click.option(
        "--emulate",
        callback=_named_emulation,
        metavar="DEVICE+NETWORK",
        help="Imitate another device and its network, as rpi3+wifi-n; run and nodes must say the same.",
    )(command)


def _named_emulation(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Read at once: nodes and the reference would find out only after TensorFlow has loaded."""
    if text is None:
        return None
    from harness.emulate.emulation import emulation_called

    return emulation_called(text).text


def typed_of(names: Iterable[str]) -> str | None:
    """The first of some options that was typed in this command, as it is typed; None where none was."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            return parameter.opts[0]
    return None


def json_option(command: F) -> F:
    """`--json`: one JSON document on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def profiles_option(command: F) -> F:
    """`--power-profile FILE`, repeatable: the user's own instruments, as `profiles`."""
    return click.option(
        "--power-profile",
        "profiles",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        metavar="FILE",
        help="An instrument of yours (TOML), in place of the shipped ones.",
    )(command)
