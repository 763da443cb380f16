"""Records, folders, CK entries and archives in; rows and what their pages show out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.board.detail import AuditedInFull, Detail, detail_of_published, detail_of_record
from harness.board.row import Row, good, row_of_published, row_of_record
from harness.board.words import plain
from harness.errors import NotFoundError, UserError
from harness.records.check import check_file
from harness.records.entries.entry import read_entry
from harness.records.entries.unpack import entries_in_zip
from harness.records.manifest import TRACE, beside
from harness.records.published import FILE as PUBLISHED_FILE
from harness.records.published import Published, read_published
from harness.records.store import read_record

_LINE = 400
_EXPERIMENTS = "experiment"
Check = Callable[[Path], AuditedInFull]


@dataclass(frozen=True)
class Found:
    """One row with what its page shows."""

    row: Row
    detail: Detail


@dataclass(frozen=True)
class Collection:
    """What the sources hold.

    Attributes:
        found: rows and details, in the order of the table, each record once.
        problems: what could not be read, one line each, without folders: pages show it to anybody.
        folders: where records lie, so that nothing is written among them.
        told: the same as `problems`, with paths as they were given: for whoever asked.
        barren: the sources that gave no row, as they were given.
    """

    found: tuple[Found, ...]
    problems: tuple[str, ...]
    folders: frozenset[Path]
    told: tuple[str, ...] = ()
    barren: tuple[Path, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """The rows alone."""
        return [one.row for one in self.found]


class _Problems:
    """What cannot be read: the page names files and not the folders of whoever made it, the terminal whole paths."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.told: list[str] = []
        self._archive: tuple[Path, Path] | None = None

    def inside(self, archive: Path, folder: Path) -> _Problems:
        """The same lists for an archive that is unpacked in a folder, which nobody gave."""
        within = _Problems()
        within.shown, within.told, within._archive = self.shown, self.told, (archive, folder)
        return within

    def note(self, path: Path, message: str) -> None:
        """Note in one line what is wrong with a path; the message calls it by its path or its name."""
        name = path.name or path.resolve().name
        short = message.replace(str(path.resolve()), name)
        if path.name:  # "." would be found in any message
            short = short.replace(str(path), name)
            if path.parent != Path():
                short = short.replace(f"{path.parent}/", "")
        self.shown.append(plain(short, _LINE))
        given = str(path)
        if self._archive is not None and path.is_relative_to(self._archive[1]):
            given = f"{self._archive[0]}: {path.relative_to(self._archive[1])}"
        told = short.replace(name, given, 1) if name in short else f"{given}: {short}"
        self.told.append(plain(told, _LINE))

    @contextmanager
    def noted(self, path: Path) -> Iterator[None]:
        """Note what cannot be read in this block."""
        try:
            yield
        except UserError as error:
            self.note(path, error.message)


def collect(paths: Sequence[Path], *, published: bool = True, check: Check = check_file) -> Collection:
    """Read and check everything that the sources hold.

    A file that cannot be read is a problem of the collection, a source without any row is named; the rest is read all
    the same.

    Args:
        paths: records, folders of records, CK entries, CK repositories and archives that `ck zip` made.
        published: the figures of 2018 that come with this package, too.
        check: the checker of records.

    Raises:
        NotFoundError: a path that does not exist.
        MissingPackageError: this installation has no published figures.
    """
    found: dict[str, Found] = {}
    problems = _Problems()
    folders: set[Path] = set()
    barren: list[Path] = []
    if published:
        _add(found, map(_published, read_published()))
    for path in paths:
        own: dict[str, Found] = {}
        if not path.exists():
            raise NotFoundError(f"there is no {path}", "name records, folders of them, CK entries or archives of those")
        if path.suffix == ".zip" and path.is_file():
            folders.add(path.resolve().parent)
            with tempfile.TemporaryDirectory() as folder, problems.noted(path):
                within = problems.inside(path, Path(folder))
                for entry in entries_in_zip(path, Path(folder)):
                    _add_runs(_records(entry, own, within), check, own, within)
        else:
            records = list(_records(path, own, problems))
            folders |= {record.resolve().parent for record in records}
            _add_runs(records, check, own, problems)
        if not own:
            barren.append(path)
        _add(found, own.values())
    ordered = sorted(found.values(), key=lambda one: good(one.row))
    return Collection(
        tuple(ordered), tuple(problems.shown), frozenset(folders), tuple(problems.told), tuple(dict.fromkeys(barren))
    )


def _records(path: Path, found: dict[str, Found], problems: _Problems) -> Iterator[Path]:
    """Files of records below a path; published figures below it are added at once."""
    if path.is_file():
        yield path
        return
    yield from sorted(one for one in path.glob("*.json") if not _is_part_of_entry(one))
    entries = sorted((path / _EXPERIMENTS).glob("*/")) if (path / _EXPERIMENTS).is_dir() else []
    if (path / ".cm").is_dir() and not entries:
        entries = [path]
    if any((entry / PUBLISHED_FILE).exists() for entry in entries):
        with problems.noted(path):
            _add(found, map(_published, read_published(path)))
    for entry in entries:
        if entry.name.startswith(".") or (entry / PUBLISHED_FILE).exists():
            continue
        records: tuple[Path, ...] = ()
        with problems.noted(entry):
            records = read_entry(entry).records
        if not records:
            problems.note(entry, f"{entry} holds no raw record of ours: its figures cannot be checked")
        yield from records


def _is_part_of_entry(path: Path) -> bool:
    """Whether CK keeps this file for itself: points and pipelines are no records."""
    return (path.parent / ".cm").is_dir()


def _add_runs(records: Iterable[Path], check: Check, found: dict[str, Found], problems: _Problems) -> None:
    for record in records:
        with problems.noted(record):
            _add(found, [_run(record, check)])


def _run(path: Path, check: Check) -> Found:
    audit, document = check(path), read_record(path)
    return Found(row_of_record(document, audit, path.stem), detail_of_record(document, audit, beside(path, TRACE)))


def _published(one: Published) -> Found:
    return Found(row_of_published(one), detail_of_published(one))


def _add(found: dict[str, Found], more: Iterable[Found]) -> None:
    for one in more:
        found.setdefault(one.row.id, one)
