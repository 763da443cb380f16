"""What a run shows while it goes: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from harness.bench.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_LINE_EVERY_S = 10.0


@contextmanager
def progress_for(*, quiet: bool) -> Iterator[Progress]:
    """The progress that fits where the output goes; all of it goes to standard error."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        # Few redraws: drawing costs the machine that is being measured.
        with RichProgress(*columns, console=Console(stderr=True), refresh_per_second=2, transient=True) as bars:
            yield _Bars(bars)
    else:
        yield _Lines()


class _Bars:
    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(name, total=total)

    def frame(self) -> None:
        if self._task is not None:
            self._bars.advance(self._task)

    def note(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


class _Lines:
    def __init__(self) -> None:
        self._name = ""
        self._done = 0
        self._total: int | None = None
        self._said_s = 0.0

    def phase(self, name: str, total: int | None = None) -> None:
        self._name, self._done, self._total = name, 0, total
        self._said_s = time.monotonic()
        click.echo(f"{name} ..." if total is None else f"{name}: {total} frames ...", err=True)

    def frame(self) -> None:
        self._done += 1
        now_s = time.monotonic()
        if now_s - self._said_s >= _LINE_EVERY_S:
            self._said_s = now_s
            of_all = "" if self._total is None else f" of {self._total}"
            click.echo(f"{self._name}: {self._done}{of_all} frames", err=True)

    def note(self, text: str) -> None:
        click.echo(text, err=True)
