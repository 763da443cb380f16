"""`python -m benchmarks.transport`: the hop alone, as a page on standard output."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.contestant import BenchmarkError
from benchmarks.goal import goal_lines
from benchmarks.transport.contestants import TRANSPORTS
from benchmarks.transport.page import hop_section
from benchmarks.transport.suite import PLACEMENTS, SIZES, measure_hops
from benchmarks.transport.timing import Pace


@click.command()
@click.option("--placement", type=click.Choice(PLACEMENTS), multiple=True, help="Cores of the two; both without it.")
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Slots of each contestant.")
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, help="Bytes of a payload, by commas.")
@click.option("--only", default="", help="Names of contestants, by commas; all without it.")
@click.option("--slot-s", type=click.FloatRange(0.001), default=0.15, show_default=True, help="Length of a slot.")
@click.option("--least", type=click.IntRange(1), default=12, show_default=True, help="Messages of a slot, at least.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for transport.md and transport.json.")
def main(
    *,
    placement: tuple[str, ...],
    rounds: int,
    sizes: str,
    only: str,
    slot_s: float,
    least: int,
    output: Path | None,
) -> None:
    """Compare ways to hand a tensor to another process."""
    try:
        wanted_sizes = [int(size) for size in sizes.split(",")]
    except ValueError:
        raise click.BadParameter(f"'{sizes}' is no list of numbers", param_hint="--sizes") from None
    names = [name for name in only.split(",") if name]
    unknown = sorted(set(names) - {one.name for one in TRANSPORTS})
    if unknown:
        known = ", ".join(one.name for one in TRANSPORTS)
        raise click.BadParameter(f"{', '.join(unknown)} is unknown; known are {known}", param_hint="--only")
    wanted = [one for one in TRANSPORTS if not names or one.name in names]
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as logs:
        try:
            found = measure_hops(
                [one for one in wanted if one.available],
                wanted_sizes,
                placement or PLACEMENTS,
                rounds,
                Pace(slot_s, least),
                cores,
                Path(logs),
                lambda line: print(line, file=sys.stderr, flush=True),
            )
        except BenchmarkError as error:
            raise click.ClickException(str(error)) from error
    section = hop_section(found, [one for one in wanted if not one.available])
    page = "\n".join([*section.lines, "", *goal_lines(section.goals)]) + "\n"
    print(page, end="")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "transport.md").write_text(page, encoding="utf-8")
        document = {"cores": cores, **section.document}
        (output / "transport.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
