"""What the energy meter costs a farm and what it says of it, as parts of the suite."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial

from benchmarks.avro_farm import AvroFarm
from benchmarks.dynamic_energy import DynamicEnergy, measure_dynamic
from benchmarks.farms import SEED, write_farm
from benchmarks.foreign_load import ForeignLoad
from benchmarks.meter_overhead import FRAMES, MeterOverhead, measure_overhead
from benchmarks.metered_farm import MeteredFarm
from benchmarks.section import Part, Section, Setting
from harness.partition.paper import partition

METER, DYNAMIC = "meter", "dynamic"
_METERED = "alexnet-5"
"""The partition whose energy is measured."""


def energy_parts() -> list[Part]:
    """Both take minutes, so neither is measured unless it is named."""
    return [
        Part(METER, "what the energy meter costs a farm", partial(_measure, METER), usual=False),
        Part(DYNAMIC, "dynamic energy against the load model", partial(_measure, DYNAMIC), usual=False),
    ]


def _measure(name: str, setting: Setting) -> Section:
    """Start a farm with its meter, and end it whatever happens."""
    cut = partition(_METERED)
    farm_file = write_farm(cut, 64 + os.getpid() % 64, setting.folder)
    nodes = AvroFarm(
        model=cut.graph.name, partition=cut.name, farm_file=farm_file, seed=SEED, frames=FRAMES, folder=setting.folder
    )
    farm = MeteredFarm(farm=nodes, farm_file=farm_file, partition=cut.name, seed=SEED, logs=setting.folder)
    where = f"{cut.graph.title} on {cut.devices} devices"
    with ExitStack() as ends:
        setting.say(f"  starting the farm: {nodes.meaning}")
        ends.callback(farm.stop)
        farm.start()
        found: MeterOverhead | DynamicEnergy
        if name == METER:
            load = ForeignLoad(setting.cores, nodes.marker)
            found = measure_overhead(f"Energy meter on and off, {where}", farm, setting.rounds, load, setting.say)
        else:
            found = measure_dynamic(f"Dynamic energy against the load model, {where}", farm, setting.say)
    return Section.of(found)
