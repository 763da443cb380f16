"""`iot-farm scoreboard`: records as pages, on disk or from a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness.cli.lazy_group import LazyGroup
from harness.cli.options import json_option
from harness.errors import BadInputError

_COMMANDS = {
    "build": ("harness.cli.scoreboard:build", "Write the scoreboard as a folder that opens from disk, offline."),
    "serve": ("harness.cli.scoreboard_serve:serve", "Serve the scoreboard, and take uploads with a token."),
    "token": ("harness.cli.scoreboard_serve:token", "Make a token with which somebody may upload."),
    "push": ("harness.cli.scoreboard_serve:push", "Send records to a scoreboard, after a look at what leaves."),
    "withdraw": ("harness.cli.scoreboard_serve:withdraw", "Take a record back from a scoreboard."),
}


class _NamedPath(click.Path):
    """A path with a name: an empty one, as of a variable that is not set, would mean the folder one stands in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            named = "--out" if param is not None and param.name == "out" else "a source"
            raise BadInputError(f"{named} is empty", "name a path; . is the folder you stand in")
        return super().convert(value, param, ctx)


@click.group(cls=LazyGroup, commands=_COMMANDS)
def scoreboard() -> None:
    """Show records beside the published figures: a table, Pareto plots, a page for each record.

    \b
    Examples:
      iot-farm scoreboard build
      iot-farm scoreboard build results ckr-local.zip --out /tmp/scoreboard
    """


@click.command()
@click.argument("sources", nargs=-1, type=_NamedPath(path_type=Path), metavar="[RECORD.json|FOLDER|ENTRY|ZIP]...")
@click.option("--out", type=_NamedPath(file_okay=False, path_type=Path), metavar="FOLDER", help="Where to write.")
@click.option("--title", metavar="TEXT", help="Title of the pages.")
@click.option("--all", "show_all", is_flag=True, help="Show rows that are not VALID from the start.")
@click.option("--published/--no-published", default=True, show_default=True, help="The figures of 2018 beside ours.")
@json_option
def build(
    sources: tuple[Path, ...], out: Path | None, title: str | None, show_all: bool, published: bool, as_json: bool
) -> None:
    """Check the records of SOURCES (default: $IOT_FARM_RESULTS, else ./results) and write the scoreboard.

    Every figure is made again from raw samples before it is shown. A file that cannot be read is named on the page
    and here; the rest is shown all the same. The folder opens from disk and asks nobody for anything. Exit code 1: none
    of the sources that were named gave a row.

    \b
    Examples:
      iot-farm scoreboard build
      iot-farm scoreboard build results experiments --out /tmp/scoreboard --all
      iot-farm scoreboard build ckr-local.zip --json
    """
    from harness.board.build import DEFAULT_TITLE, write_board
    from harness.board.sources import collect
    from harness.board.words import plain
    from harness.records.store import results_folder

    places = sources or ((results_folder(),) if results_folder().exists() else ())
    collection = collect(places, published=published)
    made = write_board(
        collection,
        out or Path("scoreboard"),
        title=title or DEFAULT_TITLE,
        show_all=show_all,
    )
    if as_json:
        document = {
            "page": str(made.page),
            "rows": {verdict: made.count(verdict) for verdict in ("VALID", "PUBLISHED", "INCOMPLETE", "INVALID")},
            "problems": list(collection.told),
            "without_record": [str(path) for path in collection.barren],
            "files": list(made.files),
        }
        click.echo(json.dumps(document, indent=1))
    else:
        for problem in collection.told:
            click.echo(f"not read: {problem}", err=True)
        refused = made.count("INVALID") + made.count("INCOMPLETE")
        click.echo(f"{made.count('VALID')} verified, {made.count('PUBLISHED')} published, {refused} not valid")
        click.echo(f"scoreboard: {made.page}")
    if sources:
        for path in collection.barren:
            click.echo(f"no record that can be shown: {plain(str(path), 400)}", err=True)
        if set(sources) <= set(collection.barren):
            click.get_current_context().exit(1)
