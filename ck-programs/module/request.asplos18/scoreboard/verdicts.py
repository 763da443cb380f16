"""Whether the figures of a point may be shown: they are made again from the raw records in the entry.

The engine does the checking. Where it cannot be imported, or an entry has no raw records (those of 2018 have none),
a row says that nobody checked it.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from .dimensions import RUN

RECORD_KEY = RUN + "iot_farm_record#all"
FOLDER = "iot-farm"
VALID, INVALID, INCOMPLETE, UNCHECKED = "VALID", "INVALID", "INCOMPLETE", "not checked"
TOLERANCE = 1e-9
STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# CK's name of a figure -> the metric that it is.
METRICS = {
    "execution_time": "execution_time_classify",
    "prediction_time_avg_s": "execution_time_classify",
    "inference_throughput": "ips",
    "inference_latency": "latency_mean_s",
}


@dataclass(frozen=True)
class Judgement:
    """What is to be thought of a point.

    Attributes:
        verdict: one of the four above.
        reasons: why.
        confirmed: figures that were made again from the raw records; None where nobody could look.
        record: the first raw record of a VALID point, as plain data.
    """

    verdict: str
    reasons: list = field(default_factory=list)
    confirmed: frozenset | None = frozenset()
    record: dict | None = None


def judge(folder, flat):
    """Look at one point.

    Args:
        folder: of the entry.
        flat: CK's statistics of the point.
    """
    stems = flat.get(RECORD_KEY)
    if not isinstance(stems, list) or not stems:
        return Judgement(UNCHECKED, ["it has no raw samples"], None)
    try:
        from harness.errors import UserError
        from harness.records.check import check_file
        from harness.records.entries.statistics import disagreements
        from harness.records.store import read_record
    except ImportError:
        return Judgement(UNCHECKED, ["the package ck-iot-farm is not installed here"], None)
    if not all(isinstance(stem, str) and STEM.fullmatch(stem) for stem in stems) or len(set(stems)) != len(stems):
        return Judgement(INVALID, ["one run stands for several repetitions, or has no name"])
    paths = [Path(folder) / FOLDER / (stem + ".json") for stem in stems]
    there = [path for path in paths if path.is_file() and not path.is_symlink()]
    repetitions = len(flat[RUN + "execution_time#all"])
    if len(there) != repetitions:
        return Judgement(INCOMPLETE, ["%d raw records for %d repetitions" % (len(there), repetitions)])
    try:
        wrong = disagreements(flat)
        if wrong:
            return Judgement(INVALID, ["statistics do not follow from their samples: " + ", ".join(wrong[:3])])
        audits = [check_file(path) for path in paths]
    except UserError as error:
        return Judgement(INVALID, [str(error)])
    for status in (INVALID, INCOMPLETE):
        reasons = [reason for audit in audits if audit.status == status for reason in audit.reasons]
        if any(audit.status == status for audit in audits):
            return Judgement(status, list(dict.fromkeys(reasons)) or ["a raw record is " + status])
    same = dict(_compared(flat, audits))
    differing = sorted(name for name, equal in same.items() if not equal)
    if differing:
        return Judgement(INVALID, ["other than in the raw records: " + ", ".join(differing[:3])])
    return Judgement(VALID, [], frozenset(same), read_record(paths[0]))


def _compared(flat, audits):
    """Figures that follow from the raw records, each with whether CK's samples of it are the same."""
    for key, samples in flat.items():
        if not (key.startswith(RUN) and key.endswith("#all")):
            continue
        name = key[len(RUN) : -len("#all")]
        figures = [audit.figures.get(METRICS.get(name, name)) for audit in audits]
        if any(figure is not None for figure in figures):
            yield name, len(samples) == len(figures) and all(map(_same, samples, figures))


def _same(sample, figure):
    return (
        isinstance(sample, (int, float))
        and isinstance(figure, (int, float))
        and math.isclose(sample, figure, rel_tol=TOLERANCE, abs_tol=0.0)
    )
