"""Brings the raw records of an entry's repetitions into the entry, so that a plain `ck zip` carries them.

The figures that CK keeps are sums over frames that nobody can look at again; a record holds every frame. Which record
belongs to which repetition is told by the figures themselves: `characteristics.run.iot_farm_record` is its name.
"""

import json
import os
import re
import shutil
from pathlib import Path

FOLDER = "iot-farm"  # sub-folder of the entry
RECORD_KEY = "##characteristics#run#iot_farm_record#all"
TRACE = ".power.csv"  # instead of ".json": the power trace of a record
RESULTS_VARIABLE = "IOT_FARM_RESULTS"

STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def results_folder(program):
    """Where the runs of a program entry file their records: $IOT_FARM_RESULTS, else `results` of its working folder."""
    work = Path(program) / "tmp"
    return work / (os.environ.get(RESULTS_VARIABLE) or "results")  # an absolute path takes the place of the whole


def copy_records(entry, results):
    """Copy every record that the points of an entry name and the entry has not got yet.

    Args:
        entry: folder of the experiment entry.
        results: folder of the records.

    Returns:
        Paths in the entry of all its records, and names of those that are nowhere.
    """
    there, missing = [], []
    for stem in _stems(Path(entry)):
        target = Path(entry) / FOLDER / (stem + ".json")
        source = Path(results) / target.name
        if not target.is_file():
            if not source.is_file():
                missing.append(stem)
                continue
            target.parent.mkdir(exist_ok=True)
            trace = source.with_name(stem + TRACE)
            # The trace first: a record that is there has what it refers to.
            for path in [trace] * trace.is_file() + [source]:
                _copy(path, target.with_name(path.name))
        there.append(target)
    return there, missing


def read(path):
    """One record as plain data."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _stems(entry):
    """Names of the records of all points, in the order of the points' files and repetitions, each once."""
    found = {}
    for path in sorted(entry.glob("ckp-*.flat.json")):
        names = read(path).get(RECORD_KEY, [])
        found.update((name, True) for name in names if isinstance(name, str) and STEM.fullmatch(name))
    return list(found)


def _copy(source, target):
    """Copy a file so that it appears whole or not at all."""
    temporary = target.with_name(".%s.%d" % (target.name, os.getpid()))
    try:
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        if temporary.exists():
            temporary.unlink()
