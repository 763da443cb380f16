"""The scoreboard as a folder of files that opens from disk, offline."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import harness
from harness.board.exports import FORMAT, csv_text, json_document, markdown_text
from harness.board.pages import ASSETS, PLOTLY, Site, asset, plotly_script, render_figures, render_index, render_record
from harness.board.row import Row
from harness.board.sources import Collection
from harness.errors import BadInputError

DEFAULT_TITLE = "Collaborative inference on farms of small devices"
MOST_ROWS = 2000
"""Rows of one page that a browser still sorts at once; more are for the service."""
_OURS = re.compile(r"(?:records/)?[\w-]+\.(?:html|csv|json|md)|assets/[\w.-]+", re.ASCII)
_HINT = "choose another --out"


@dataclass(frozen=True)
class Board:
    """What was written.

    Attributes:
        folder: where.
        page: the first page in it.
        rows: in the order of the table.
        files: paths in the folder.
        problems: what could not be read, one line each.
    """

    folder: Path
    page: Path
    rows: tuple[Row, ...]
    files: tuple[str, ...]
    problems: tuple[str, ...]

    def count(self, verdict: str) -> int:
        """How many rows have this verdict."""
        return sum(row.verdict == verdict for row in self.rows)


def write_board(
    collection: Collection,
    out: Path,
    *,
    title: str = DEFAULT_TITLE,
    show_all: bool = False,
    now: datetime | None = None,
) -> Board:
    """Draw every page and write it; the first page comes last, so that it never links to what is not there.

    Args:
        collection: the rows and details.
        out: folder to write into, made where it is missing; pages of an earlier scoreboard in it are replaced.
        title: of the pages.
        show_all: rows that are not VALID are shown from the start.
        now: when it is made; tests put their own.

    Raises:
        BadInputError: there are too many rows for a page, or the folder cannot be written, holds records, or holds
            other pages.
    """
    rows = collection.rows
    if len(rows) > MOST_ROWS:
        raise BadInputError(
            f"{len(rows):,} rows are too many for one page", "iot-farm scoreboard serve shows them in pages"
        )
    if out.resolve() in collection.folders:
        raise BadInputError(f"{out} holds the records: the scoreboard would lie among them", _HINT)
    earlier = _earlier(out)
    stamp = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    site = Site(title, f"iot-farm {harness.__version__}", stamp)
    pages = {site.record_of(one.row): render_record(one.row, one.detail, site) for one in collection.found}
    files = {f"{site.assets}/{name}": asset(name) for name in ASSETS}
    files |= {f"{site.assets}/{PLOTLY}": plotly_script(), **pages}
    files["scoreboard.csv"] = csv_text(rows)
    files["scoreboard.md"] = markdown_text(rows, title)
    files[site.figures] = render_figures(rows, site)
    names = [*files, "scoreboard.json", site.index]
    document = json_document(rows, program=site.program, generated_utc=stamp, files=names)
    files["scoreboard.json"] = json.dumps(document, indent=1, allow_nan=False) + "\n"
    files[site.index] = render_index(rows, site, show_all=show_all, problems=collection.problems)
    try:
        for name, text in files.items():
            _write(out / name, text)
        for name in earlier - set(names):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise BadInputError(f"{out} cannot be written: {error.strerror}", _HINT) from None
    return Board(out, out / site.index, tuple(rows), tuple(names), collection.problems)


def _earlier(out: Path) -> set[str]:
    """Files of the scoreboard that lies there already: those that it lists itself, by their form.

    Raises:
        BadInputError: something else lies there, which the first page would replace.
    """
    if out.exists() and not out.is_dir():
        raise BadInputError(f"{out} is no folder", _HINT)
    try:
        known = json.loads((out / "scoreboard.json").read_text(encoding="utf-8"))
        if known["format"] == FORMAT:
            return {name for name in known["files"] if isinstance(name, str) and _OURS.fullmatch(name)}
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        pass
    if (out / "index.html").exists():
        raise BadInputError(f"{out} holds another index.html, which is not ours", _HINT)
    return set()


def _write(path: Path, text: str) -> None:
    """Write a page whole, or leave the earlier one; it can be made again, so the disk need not be waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
