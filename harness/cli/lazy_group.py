"""A group of commands, each loaded when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Imports a command only when it is needed, so that --help starts in a tenth of a second.

    Args:
        commands: name -> where it is (``package.module:function``), and its line in the help.
        rest: what `click.Group` takes.
    """

    def __init__(self, *, commands: Mapping[str, tuple[str, str]], **rest: Any) -> None:
        super().__init__(**rest)
        self._places = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in their order."""
        del ctx
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None where there is none of the name."""
        del ctx
        if cmd_name not in self._places:
            return None
        module, _, name = self._places[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Their lines in the help, without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._places.items()])
