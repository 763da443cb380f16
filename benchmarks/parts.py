"""The parts of the suite, in the order of the page."""

from __future__ import annotations

from benchmarks.ck_start import measure_ck
from benchmarks.command_start import BARE, HELP, command_start
from benchmarks.energy import energy_parts
from benchmarks.farms import farm_parts
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.runtimes import measure_runtimes
from benchmarks.samples import spread
from benchmarks.scaling.suite import LENGTHS, measure_scaling
from benchmarks.section import Part, Section, Setting
from benchmarks.start import measure_starts
from benchmarks.transport.contestants import TRANSPORTS
from benchmarks.transport.page import hop_section
from benchmarks.transport.suite import PLACEMENTS, SIZES, measure_hops
from benchmarks.transport.timing import Pace

_HELP_S = 0.1
_STARTS = 15
_QUICK_LENGTHS = (2, 3)


def all_parts() -> list[Part]:
    """Every part."""
    return [
        Part("hop", "one message, over every transport", _hop),
        *farm_parts(),
        Part("scaling", "chains of few and many nodes", _scaling),
        Part("start", "start of a farm's nodes, and their memory", _start),
        Part("ck", "what `ck run` adds to its program", _ck),
        Part("command", "start of the command line", _command),
        Part("runtimes", "every block in every runtime that is installed", measure_runtimes, usual=False),
        *energy_parts(),
    ]


def _hop(setting: Setting) -> Section:
    sizes, pace = (SIZES[:1], Pace(0.01, 4)) if setting.quick else (SIZES, Pace(0.15, 10))
    present = [one for one in TRANSPORTS if one.available]
    found = measure_hops(present, sizes, PLACEMENTS, setting.rounds, pace, setting.cores, setting.folder, setting.say)
    return hop_section(found, [one for one in TRANSPORTS if not one.available])


def _scaling(setting: Setting) -> Section:
    lengths, run_s = (_QUICK_LENGTHS, 0.1) if setting.quick else (LENGTHS, 1.2)
    found = measure_scaling(lengths, setting.rounds, run_s, setting.cores, setting.folder, setting.say)
    return Section.of(found)


def _start(setting: Setting) -> Section:
    name = "alexnet-5" if setting.quick else "vgg16-11"
    found = measure_starts(name, setting.rounds, setting.folder, setting.say)
    lines = [
        f"## Start of the nodes of {name}",
        "",
        "From the command to the moment when every node has answered, from one process and (in two rounds) each for",
        "itself, in turn.",
        "PSS is what the nodes take of the machine's memory together; it shares out what several of them map.",
        "",
        *found.to_lines(),
    ]
    return Section(lines, found.goals(), found.to_document())


def _ck(setting: Setting) -> Section:
    return Section.of(measure_ck(setting.rounds, setting.say))


def _command(setting: Setting) -> Section:
    found = command_start(2 if setting.quick else _STARTS)
    rows = [[f"`{name}`", spread(samples).quartiles(3), str(len(samples))] for name, samples in found.items()]
    lines = [
        "## Start of the command line",
        "",
        "Whole processes, both commands in turn, files in the page cache; medians with the quartiles in brackets.",
        "A first start after boot reads from disk and takes longer.",
        "",
        *table(["command", "wall time, s", "samples"], rows),
    ]
    assert set(found) == {HELP, BARE}
    goal = Goal.of(f"`{HELP}`", spread(found[HELP]), _HELP_S, at_least=False, unit=" s", digits=3)
    return Section(lines, [goal], {"start_s": found})
