"""`iot-farm record`: check records, and the index of their folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option

if TYPE_CHECKING:
    from harness.records.check import Audit
    from harness.records.folder_check import FolderAudit

_LONGEST = 2000
_MARKS = {True: "[x]", False: "[ ]", None: "[?]"}


@click.group()
def record() -> None:
    """Check records of runs: may their figures be used?"""


@record.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--quiet", "-q", is_flag=True, help="Print one line for each record.")
@json_option
def check(paths: tuple[Path, ...], *, quiet: bool, as_json: bool) -> None:
    """Make every figure of a record again from its raw data, and say whether it may be used.

    PATHS are records and folders of records; of a folder the index and official series are checked too. A line
    begins with [x] where a rule is kept, [ ] where it is broken, [?] where nobody can know or it asks nothing.
    Exit code 1 means that a record is not VALID.

    \b
    Examples:
      iot-farm record check results
      iot-farm record check results/20261121T*-alexnet-*.json
      iot-farm record check results --quiet
    """
    from harness.records.check import check_file
    from harness.records.folder_check import check_folder

    files: dict[str, Audit] = {}
    folders: dict[str, FolderAudit] = {}
    for path in paths:
        if path.is_dir():
            folders[str(path)] = found = check_folder(path)
            files |= {str(name): audit for name, audit in found.audits.items()}
        else:
            files[str(path)] = check_file(path)
    if as_json:
        click.echo(json.dumps(_document(files, folders), indent=1))
    else:
        for name, audit in files.items():
            _print(name, audit, quiet=quiet)
        for name, folder in folders.items():
            for problem in folder.problems:
                click.echo(_plain(f"{name}: {problem}"))
    if any(audit.status != "VALID" for audit in files.values()) or any(found.problems for found in folders.values()):
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


def _print(name: str, audit: Audit, *, quiet: bool) -> None:
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


def _document(files: dict[str, Audit], folders: dict[str, FolderAudit]) -> dict[str, object]:
    return {
        "records": [
            {
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
            for name, audit in files.items()
        ],
        "folders": {name: list(found.problems) for name, found in folders.items()},
    }
