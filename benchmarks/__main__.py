"""`make bench`: measure, print a Markdown page, and write it beside the raw figures.

Everything runs on the same few cores: this process is tied to them, and its children with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from benchmarks.contestant import BenchmarkError
from benchmarks.parts import all_parts
from benchmarks.report import Results
from benchmarks.section import Part, Section, Setting
from harness.errors import UserError
from harness.records.environment import environment

_BROKEN_OFF = "broken off"


def say(line: str) -> None:
    """Print a line of progress where it does not mix with the page."""
    print(line, file=sys.stderr, flush=True)


def measure_all(
    parts: Sequence[Part], rounds: int, cores: tuple[int, ...], output: Path, *, quick: bool
) -> tuple[dict[str, Section], dict[str, float], dict[str, str]]:
    """Measure one part after the other; one that fails does not take the others with it.

    Returns:
        Sections, seconds that each part took, and why a part has no section.
    """
    sections, took_s, failed = {}, {}, {}
    for part in parts:
        say(f"{part.name}: {part.meaning}")
        folder = (output / part.name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        begin_s = time.monotonic()
        try:
            sections[part.name] = part.measure(Setting(rounds, cores, folder, quick, say))
        except (BenchmarkError, UserError) as error:
            failed[part.name] = str(error)
            say(f"  {part.name} failed: {error}")
        except KeyboardInterrupt:
            failed[part.name] = _BROKEN_OFF
            say(f"  {_BROKEN_OFF}: what was measured before is kept")
            break
        took_s[part.name] = time.monotonic() - begin_s
    return sections, took_s, failed


def tied_cores(wanted: int) -> tuple[int, ...]:
    """The first cores that this process may use.

    Raises:
        click.ClickException: there are fewer.
    """
    usable = sorted(os.sched_getaffinity(0))
    if wanted > len(usable):
        raise click.ClickException(f"--cores {wanted} is more than this process may use: give 1 to {len(usable)}")
    return tuple(usable[:wanted])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Slots of each contestant.")
@click.option(
    "--only",
    type=click.Choice([part.name for part in all_parts()]),
    multiple=True,
    help="Measure this part alone; may be given again. Energy is measured only so.",
)
@click.option("--cores", type=click.IntRange(1), default=2, show_default=True, help="Cores that everything shares.")
@click.option("--quick", is_flag=True, help="Only see that everything works: one round of tiny slots.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("results/bench"), show_default=True
)
def main(*, rounds: int, only: tuple[str, ...], cores: int, quick: bool, output: Path) -> None:
    """Compare this checkout with the alternatives on this machine."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # or nodes would outlive what started them
    typed = click.get_current_context().get_parameter_source("cores") is ParameterSource.COMMANDLINE
    # The default is for machines that have so many; what was typed is kept to.
    tied = tied_cores(cores if typed else min(cores, len(os.sched_getaffinity(0))))
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"--output {output} cannot be made: {error.strerror}: name another folder") from None
    os.sched_setaffinity(0, tied)
    started = datetime.now(UTC)
    surroundings = environment()
    parts = [part for part in all_parts() if part.name in only or (part.usual and not only)]
    sections, took_s, failed = measure_all(parts, 1 if quick else rounds, tied, output, quick=quick)
    results = Results(
        started_utc=started.isoformat(timespec="seconds"),
        environment=surroundings,
        options={"rounds": rounds, "only": list(only), "cores": cores, "quick": quick},
        cores=tied,
        sections=sections,
        took_s=took_s,
        failed=failed,
    )
    (output / "bench.json").write_text(json.dumps(results.to_document(), indent=1) + "\n", encoding="utf-8")
    (output / "bench.md").write_text(results.to_markdown(), encoding="utf-8")
    print(results.to_markdown(), end="")
    say(f"written: {output / 'bench.md'} and {output / 'bench.json'}")
    if failed:
        raise SystemExit(130 if _BROKEN_OFF in failed.values() else 1)


if __name__ == "__main__":
    main()
