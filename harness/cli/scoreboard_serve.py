"""`iot-farm scoreboard serve`, `token`, `push` and `withdraw`: a scoreboard for many, and how records get there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option

if TYPE_CHECKING:
    from harness.board.push import Shipment

TOKEN_VARIABLE = "IOT_FARM_TOKEN"  # noqa: S105  a name, not a token
_DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("scoreboard-data"),
    show_default=True,
    metavar="FOLDER",
    help="Where the scoreboard keeps its files.",
)
_TOKEN = click.option("--token", envvar=TOKEN_VARIABLE, show_envvar=True, help="What the scoreboard's keeper gave you.")


@click.command()
@_DATA
@click.option(
    "--database",
    metavar="URL",
    envvar="IOT_FARM_DATABASE",
    show_envvar=True,
    help="postgresql://user@host/name for many users  [default: an SQLite file in --data]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--allow-remote", is_flag=True, help="Let --host be an address that other machines reach.")
@click.option("--published/--no-published", default=True, show_default=True, help="The figures of 2018 beside ours.")
@click.option("--rebuild", is_flag=True, help="Make the database anew from the files before serving.")
@click.option("--recheck", is_flag=True, help="Check every record again with the checks of today before serving.")
def serve(
    data: Path,
    database: str | None,
    host: str,
    port: int,
    allow_remote: bool,
    published: bool,
    rebuild: bool,
    recheck: bool,
) -> None:
    """Serve the scoreboard, and take uploads with a token; Ctrl-C ends it.

    Every record is checked again when it comes. The files in --data are the scoreboard; the database is made of them
    and can be made again at any time.

    \b
    Examples:
      iot-farm scoreboard token alice
      iot-farm scoreboard serve
      iot-farm scoreboard serve --database postgresql://board@db/board --data /srv/board
    """
    from harness.board.service.address import is_loopback, listen
    from harness.errors import BadInputError

    if not is_loopback(host) and not allow_remote:
        raise BadInputError(
            f"{host} can be reached by other machines, and tokens would travel there unencrypted",
            "put a server with TLS before 127.0.0.1, or accept it with --allow-remote",
        )
    listener = listen(host, port)
    from harness.board.catalogue.catalogue import Catalogue
    from harness.board.service.app import create_app
    from harness.board.service.archive import Archive
    from harness.board.service.run import serve as run
    from harness.board.service.store import Store
    from harness.records.published import read_published

    store = Store(data)
    archive = Archive(store, Catalogue(database or f"sqlite:///{(data / 'board.sqlite').absolute()}"))
    if rebuild:
        click.echo(f"{archive.rebuild()} records are in the database again")
    app = create_app(archive, published=read_published() if published else ())
    if recheck:
        click.echo(f"{archive.recheck()} records are judged differently today")
    if not is_loopback(host):
        click.echo(f"warning: {host} is served without TLS: tokens and records can be read on the way", err=True)
    name = f"[{host}]" if ":" in host else host
    click.echo(f"scoreboard: http://{name}:{listener.getsockname()[1]}/")
    try:
        run(app, listener)
    finally:
        archive.catalogue.close()


@click.command()
@click.argument("name")
@_DATA
@click.option("--renew", is_flag=True, help="Replace the token that NAME has; its records stay its own.")
@click.option("--revoke", is_flag=True, help="Take the token of NAME away.")
def token(name: str, data: Path, renew: bool, revoke: bool) -> None:
    """Make a token with which NAME may upload to the scoreboard in --data; it is printed once, and only its hash kept.

    \b
    Examples:
      iot-farm scoreboard token alice
      iot-farm scoreboard token alice --renew
    """
    from harness.board.service.store import Store
    from harness.board.service.tokens import Tokens

    tokens = Tokens(Store(data).folder / "tokens")
    if revoke:
        tokens.revoke(name)
        click.echo(f"{name} may upload no more")
    else:
        click.echo(tokens.issue(name, renew=renew))


@click.command()
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECORD.json|ENTRY|ckr-local.zip..."
)
@click.option("--to", "url", required=True, metavar="URL", help="Address of the scoreboard.")
@_TOKEN
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option("--with-addresses", is_flag=True, help="Leave absolute paths and addresses of machines in.")
@json_option
@click.pass_context
def push(
    context: click.Context,
    sources: tuple[Path, ...],
    url: str,
    token: str | None,
    yes: bool,
    with_addresses: bool,
    as_json: bool,
) -> None:
    """Send records to a scoreboard, after a look at what leaves this machine.

    Only raw records leave, without absolute paths and addresses of machines. A cut costs nothing: the same command
    goes on where it ended, and what has arrived already is not kept twice. Exit code 1: a record was not taken, is not
    VALID there, or you said no.

    \b
    Examples:
      iot-farm scoreboard push ckr-local.zip --to http://127.0.0.1:8000
      iot-farm scoreboard push results/*.json --to https://board.example --yes
    """
    from harness.board.push import address_of, collect, send
    from harness.errors import BadInputError

    address_of(url)
    token = _needed(token)
    shipment = collect(sources, with_addresses=with_addresses)
    _show(shipment, url, with_addresses=with_addresses)
    if not yes:
        if not sys.stdin.isatty():
            raise BadInputError("nobody is there to be asked whether this may leave", "--yes sends it")
        if not click.confirm("Send this?", err=True):
            click.echo("nothing was sent", err=True)
            context.exit(1)
    answer = send(shipment, url, token, _told if sys.stderr.isatty() else None)
    if as_json:
        click.echo(json.dumps(answer, indent=1))
    else:
        _print_answers(answer["records"])
    good = all(isinstance(one, dict) and _taken(one) for one in answer["records"])
    context.exit(0 if good else 1)


@click.command()
@click.argument("record", metavar="ID")
@click.option("--from", "url", required=True, metavar="URL", help="Address of the scoreboard.")
@_TOKEN
@click.option("--why", default="", metavar="TEXT", help="Shown to whoever asks for the record.")
def withdraw(record: str, url: str, token: str | None, why: str) -> None:
    """Take a record back that was sent with the same token; a note of it stays.

    \b
    Example:
      iot-farm scoreboard withdraw 0123456789abcdef --from http://127.0.0.1:8000
    """
    from harness.board.push import withdraw as take_back

    take_back(record, url, _needed(token), why)
    click.echo(f"{record} is withdrawn")


def _needed(token: str | None) -> str:
    from harness.errors import BadInputError

    if not token:
        raise BadInputError("a scoreboard wants a token", f"--token, or better the variable {TOKEN_VARIABLE}")
    return token


def _show(shipment: Shipment, url: str, *, with_addresses: bool) -> None:
    """What leaves, on standard error: standard output is for the answer."""
    from urllib.parse import urlsplit

    from harness.board.service.address import is_loopback
    from harness.board.words import plain

    def say(text: str) -> None:
        click.echo(text, err=True)

    say(f"To {url} go {len(shipment.archive):,} bytes (packed), SHA-256 {shipment.digest[:16]}…:")
    fields: dict[str, None] = {}
    removed: dict[str, str] = {}
    for parcel in shipment.parcels:
        say(f"  {parcel.entry}: {parcel.name} ({parcel.verdict} here)")
        for name, content in parcel.files.items():
            say(f"    {name}  {len(content):,} bytes")
        fields |= dict.fromkeys(parcel.fields)
        removed |= parcel.removed
    say(f"  fields: {', '.join(fields)}")
    if with_addresses:
        say("  absolute paths and addresses of machines stay in (--with-addresses)")
    else:
        say(f"  taken out: {len(removed)} addresses and absolute paths" + (":" if removed else ""))
        for text, stand_in in removed.items():
            say(f"    {plain(text)} → {stand_in}")
    for entry in shipment.without:
        say(f"  not sent: {entry} holds no raw record, so there is nothing to check")
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        say("  warning: http:// is not encrypted; the token and the records can be read on the way")


def _told(done: int, total: int) -> None:
    click.echo(f"\r{done:,} of {total:,} bytes", nl=done == total, err=True)


def _print_answers(answers: list[Any]) -> None:
    from harness.board.words import text_of

    for one in answers:
        if not isinstance(one, dict):
            continue
        words = {key: text_of(one.get(key)) for key in ("entry", "name", "answer", "id", "verdict")}
        known = f"  {words['id']}  {words['verdict']}" if one.get("id") else ""
        click.echo(f"{words['entry']} {words['name']}: {words['answer']}{known}")
        for key in ("reasons", "notes"):
            lines = one.get(key)
            for line in lines if isinstance(lines, list) else ():
                click.echo(f"  {'-' if key == 'reasons' else 'note:'} {text_of(line, 400)}")


def _taken(answer: dict[str, Any]) -> bool:
    return answer.get("answer") in ("stored", "already here") and answer.get("verdict") == "VALID"
