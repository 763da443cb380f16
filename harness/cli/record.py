"""`iot-farm record`: check records, and the index of their folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option

if TYPE_CHECKING:
    from harness.errors import UserError
    from harness.records.check import Audit
    from harness.records.folder_check import FolderAudit

_LONGEST = 2000
_MARKS = {True: "[x]", False: "[ ]", None: "[?]"}


@click.group()
def record() -> None:
    """Check records of runs: may their figures be used?"""


@record.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--quiet", "-q", is_flag=True, help="Print one line for each record.")
@json_option
def check(paths: tuple[Path, ...], *, quiet: bool, as_json: bool) -> None:
    """Make every figure of a record again from its raw data, and say whether it may be used.

    PATHS are records and folders of records (default: $IOT_FARM_RESULTS, else ./results); of a folder the index and
    official series are checked too. A line begins with [x] where a rule is kept, [ ] where it is broken, [?] where
    nobody can know or it asks nothing. Exit code 1 means that a record is not VALID, 2 that one of PATHS cannot be
    read; the others are checked all the same.

    \b
    Examples:
      iot-farm record check
      iot-farm record check results/20261121T*-alexnet-*.json
      iot-farm record check results --quiet
    """
    from harness.errors import BadInputError, UserError

    files, folders = _judged(paths)
    errors = {name: found for name, found in files.items() if isinstance(found, UserError)}
    # One path alone is an error as everywhere; of several each has its line.
    alone = len(paths) <= 1 and bool(errors)
    if as_json:
        click.echo(json.dumps(_document(files, folders), indent=1))
    elif not alone:
        for name, judged in files.items():
            _print(name, judged, quiet=quiet)
        for name, folder in folders.items():
            for problem in folder.problems:
                click.echo(_plain(f"{name}: {problem}"))
    if alone:
        ((name, only),) = errors.items()
        raise type(only)(_plain(_problem(name, only)), only.hint or "name records, or folders of records")
    if errors:
        raise BadInputError(
            f"{len(errors)} of {len(paths)} paths cannot be read: {_plain(', '.join(errors))}",
            "take the originals again, or leave them out",
        )
    broken = any(found.problems for found in folders.values())
    if broken or any(_status(judged) != "VALID" for judged in files.values()):
        click.get_current_context().exit(1)


@record.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def index(folder: Path) -> None:
    """Make the index of a folder anew from its records; the index that was there is kept.

    Files that are no records are left out and named; exit code 1 then.

    \b
    Example:
      iot-farm record index results
    """
    from harness.errors import BadInputError
    from harness.records.index import INDEX_FILE, rebuild
    from harness.records.store import read_record

    found, left_out = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            document = read_record(path)
        except BadInputError as error:
            left_out.append(error.message)
        else:
            found.append((path.name, str((document["manifest"] or {}).get("record_sha256", ""))))
    kept = rebuild(folder, found)
    click.echo(f"{folder / INDEX_FILE}: {len(found)} records" + (f"; the former index is {kept}" if kept else ""))
    for message in left_out:
        click.echo(_plain(f"left out: {message}"), err=True)
    if left_out:
        click.get_current_context().exit(1)


@record.command()
def schema() -> None:
    """Print the JSON Schema of a record.

    \b
    Example:
      iot-farm record schema > run-record.schema.json
    """
    from harness.records.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=1, sort_keys=True))


def _judged(paths: tuple[Path, ...]) -> tuple[dict[str, Audit | UserError], dict[str, FolderAudit]]:
    """What is said of each record, in the order given, and of each folder; without paths, of the results."""
    from harness.errors import UserError
    from harness.records.check import check_file
    from harness.records.folder_check import check_folder
    from harness.records.store import results_folder

    files: dict[str, Audit | UserError] = {}
    folders: dict[str, FolderAudit] = {}
    for path in paths or (results_folder(),):
        try:
            if path.is_dir() or not paths:
                folders[str(path)] = found = check_folder(path)
                files |= {str(name): audit for name, audit in found.audits.items()}
            else:
                files[str(path)] = check_file(path)
        except UserError as error:
            files[str(path)] = error
    return files, folders


def _status(judged: Audit | UserError) -> str:
    from harness.errors import UserError

    return "UNREADABLE" if isinstance(judged, UserError) else judged.status.value


def _problem(name: str, error: UserError) -> str:
    """What is wrong, with the path as it was given."""
    return error.message if name in error.message else error.message.replace(Path(name).name, name, 1)


def _print(name: str, audit: Audit | UserError, *, quiet: bool) -> None:
    from harness.errors import UserError

    if isinstance(audit, UserError):
        click.echo(_plain(f"{_status(audit):<10} {_problem(name, audit)}"))
        return
    if quiet:
        click.echo(_plain(f"{audit.status:<10} {name}" + (f": {audit.reasons[0]}" if audit.reasons else "")))
        return
    click.echo(_plain(name))
    for finding in audit.findings:
        detail = f": {finding.detail}" if finding.detail else ""
        click.echo(_plain(f"  {_MARKS[finding.passed]} {finding.rule:<11} {finding.title}{detail}"))
    click.echo(_plain(f"  {audit.status}" + (f"({'; '.join(audit.reasons)})" if audit.reasons else "")))


def _plain(text: str) -> str:
    """One line for a terminal: what a record says may hold control characters, or be very long."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_LONGEST])
    return shown + ("…" if len(text) > _LONGEST else "")


def _document(files: dict[str, Audit | UserError], folders: dict[str, FolderAudit]) -> dict[str, object]:
    return {
        "records": [_entry(name, judged) for name, judged in files.items()],
        "folders": {name: list(found.problems) for name, found in folders.items()},
    }


def _entry(name: str, audit: Audit | UserError) -> dict[str, object]:
    from harness.errors import UserError

    if isinstance(audit, UserError):
        return {"path": name, "problem": _problem(name, audit)}
    return {
        "path": name,
        "status": audit.status.value,
        "reasons": list(audit.reasons),
        "notes": list(audit.notes),
        "figures": audit.figures,
        "findings": [
            {"rule": found.rule, "title": found.title, "passed": found.passed, "detail": found.detail}
            for found in audit.findings
        ],
    }
