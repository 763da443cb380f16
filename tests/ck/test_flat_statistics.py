"""Statistics and flat keys of ours against those that real ck computes when it adds the same repetitions."""

from __future__ import annotations

import json
import math
import random

import pytest

from harness.records.entries.entry import read_entry
from harness.records.entries.flat import flatten
from harness.records.entries.statistics import OPTIONAL, analyse
from harness.records.entries.writer import NewPoint, write_point

CASES = 60

# Adds every case as an entry of its own, in the given goes, with CK's own module.
ADDER = """
import json, sys
import ck.kernel as ck
for number, case in enumerate(json.load(open(sys.argv[1]))):
    for runs in case["goes"]:
        added = ck.access({
            "action": "add", "module_uoa": "experiment", "repo_uoa": "local", "experiment_uoa": "case-%03d" % number,
            "force_new_entry": "yes", "search_point_by_features": "yes", "sort_keys": "yes", "ignore_update": "yes",
            "dict": {"meta": {"m": 1}, "characteristics_list": runs, **case["rest"]},
        })
        if added["return"] > 0:
            sys.exit(added["error"])
"""


def _value(chance):
    kinds = (
        lambda: chance.uniform(-1e3, 1e3),
        lambda: chance.uniform(0, 1e-6),
        lambda: chance.randint(-5, 5),
        lambda: 0.0,
        lambda: chance.choice(["", "yes", "no", "\u00e4 b"]),
        lambda: chance.random() < 0.5,
        lambda: "@@" + ",".join(str(chance.uniform(1, 2)) for _ in range(chance.randint(1, 4))),
    )
    return chance.choice(kinds)


def _case(seed):
    """One entry: one to three goes of repetitions, nested figures, features and choices."""
    chance = random.Random(seed)
    figures = {f"k{number}": _value(chance) for number in range(chance.randint(1, 6))}

    def run():
        measured = {name: draw() for name, draw in figures.items() if chance.random() < 0.95}
        return {"run": {**measured, "deep": {"list": [1, {"x": chance.random()}], "none": {}}}}

    return {
        "goes": [[run() for _ in range(chance.randint(1, 5))] for _ in range(chance.randint(1, 3))],
        "rest": {
            "features": {"f": {"a": chance.randint(0, 3), "b": ["x", "y"]}, "empty": {}, "void": ""},
            "choices": {"c": chance.choice(["", "x"]), "n": chance.random()},
            "pipeline_state": {"fail": "no", "fail_bool": False, "repetitions": 3},
        },
    }


@pytest.fixture(scope="module")
def cases():
    """Cases by number."""
    return [_case(seed) for seed in range(CASES)]


@pytest.fixture(scope="module")
def added(new_home, cases):
    """The same cases, added by real ck."""
    home = new_home()
    path = home.work / "cases.json"
    path.write_text(json.dumps(cases))
    done = home.python("-W", "ignore", "-c", ADDER, str(path))
    assert done.returncode == 0, done.stdout
    return home.repos / "local" / "experiment"


def _same(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=0.0)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def _difference(ours, theirs):
    """Keys in which two flat dictionaries differ; peaks of a density, which need scipy, are left out."""
    theirs = {key: value for key, value in theirs.items() if not key.endswith(OPTIONAL)}
    return [key for key in ours.keys() | theirs.keys() if key not in ours or not _same(ours[key], theirs.get(key))]


def test_statistics_equal_those_of_ck(added, cases):
    """Numbers, texts, truth and packed values, in one go and in several: each key to 1e-12; control: not 1e-11."""
    for number, case in enumerate(cases):
        (point,) = read_entry(added / f"case-{number:03}").points
        flat = {}
        for runs in case["goes"]:
            flat = analyse(flat, runs, case["rest"]).flat
        assert _difference(flat, point.flat) == [], number
        key = next(key for key, value in flat.items() if isinstance(value, float) and value)
        assert _difference({**flat, key: flat[key] * (1 + 1e-11)}, point.flat) == [key]


def test_flat_keys_equal_those_of_ck(added, cases):
    """Features and choices have the same flat keys and values, by which CK finds a point again."""
    for number, case in enumerate(cases):
        (point,) = read_entry(added / f"case-{number:03}").points
        place = {key: case["rest"][key] for key in ("features", "choices")}
        assert flatten({**place, "choices_order": []}, ["##features#*", "##choices#*"]) == point.features_flat


def test_files_equal_those_of_ck(added, cases, tmp_path):
    """What we write has the files that CK's writer leaves, with the same content but for UIDs and times."""
    for number, case in enumerate(cases):
        name = f"case-{number:03}"
        for runs in case["goes"]:
            point = NewPoint(runs, **case["rest"])
            folder, _ = write_point(tmp_path, name, point, meta={"m": 1})
        ours, theirs = read_entry(folder), read_entry(added / name)
        assert _names(folder) == _names(added / name)
        assert ours.document["points"] == theirs.document["points"] == "1"
        assert ours.meta == theirs.meta
        (mine,), (other,) = ours.points, theirs.points
        assert _difference(mine.flat, other.flat) == []
        assert (mine.features, mine.features_flat) == (other.features, other.features_flat)
        assert mine.sub_points == other.sub_points


def _names(folder):
    return sorted(
        path.name.replace(path.name[4:20], "UID") if path.name.startswith("ckp-") else path.name
        for path in folder.rglob("*")
        if path.is_file() and path.name != "updates.json"  # CK's log of updates
    )
