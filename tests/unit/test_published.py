"""The published figures: as they were published, with the range that honest counting leaves, and nothing made up."""

import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInputError, MissingPackageError, NotFoundError
from harness.metrics import METRICS
from harness.records import published
from harness.records.published import FIGURES, published_folder, read_published

ROOT = Path(__file__).parents[2]
BY_ID = {row.id.removeprefix("published-2018-"): row for row in read_published()}

# Typed from the tables of the two publications: mean IPS; seconds per inference (mean); price; peak power.
CK_TABLE = {
    "ck-alexnet-farm-5": (5.417, 0.1850, 200, 25),
    "ck-alexnet-rpi-cpu": (1.903, 0.5255, 40, 5),
    "ck-alexnet-tx1-cpu": (5.422, 0.1844, 435, 15),
    "ck-alexnet-tx1-gpu": (49.53, 0.02019, 435, 15),
    "ck-alexnet-tx2-cpu": (4.974, 0.2010, 499, 15),
    "ck-vgg16-farm-9": (0.778, 1.2926, 360, 45),
    "ck-vgg16-farm-11": (2.542, 0.4083, 440, 55),
    "ck-vgg16-tx1-cpu": (0.513, 1.9506, 435, 15),
    "ck-vgg16-tx1-gpu": (3.566, 0.2804, 435, 15),
    "ck-vgg16-tx2-cpu": (0.519, 1.9274, 499, 15),
}
# IPS, dynamic, static and total energy in joules per inference.
PAPER_TABLE = {
    "paper-alexnet-tx2-gpu": (7.142, 0.741, 0.799, 1.541),
    "paper-alexnet-tx2-cpu": (5.550, 0.432, 1.026, 1.460),
    "paper-alexnet-farm-5": (4.352, 0.803, 1.494, 2.303),
    "paper-alexnet-farm-6": (5.708, 0.350, 1.752, 2.101),
    "paper-vgg16-tx2-gpu": (1.282, 4.136, 4.45, 8.59),
    "paper-vgg16-tx2-cpu": (0.519, 7.31, 10.98, 18.34),
    "paper-vgg16-farm-9": (0.477, 13.64, 26.26, 39.95),
    "paper-vgg16-farm-11": (1.111, 10.35, 16.62, 26.99),
}
CORRECTED_IPS = {
    "ck-alexnet-farm-5": (2.566, 2.851),
    "ck-vgg16-farm-9": (0.3684, 0.4093),
    "ck-vgg16-farm-11": (1.204, 1.338),
    "paper-alexnet-farm-5": (2.176, 4.352),
    "paper-alexnet-farm-6": (2.854, 5.708),
    "paper-vgg16-farm-9": (0.2386, 0.4771),
    "paper-vgg16-farm-11": (0.5555, 1.111),
}


def digits(text: float) -> float:
    """Half of the last digit of a number as it was typed."""
    return 0.5 * 10.0 ** -len(repr(text).partition(".")[2])


def test_every_published_system_is_there_and_no_other() -> None:
    """Ten results on CK and eight bars; another id would be a figure that nobody published."""
    assert set(BY_ID) == set(CK_TABLE) | set(PAPER_TABLE)
    assert len(read_published()) == 18


@pytest.mark.parametrize("name", CK_TABLE)
def test_figures_of_ck_are_those_of_the_table(name: str) -> None:
    """Mean speed, mean time, declared price and power equal the published table to its last digit."""
    row, (ips, seconds, price_usd, power_w) = BY_ID[name], CK_TABLE[name]
    assert row.figures["ips"] == pytest.approx(ips, abs=1.01 * digits(ips))
    assert row.figures["execution_time_classify"] == pytest.approx(seconds, abs=1.01 * digits(seconds))
    assert (row.declared.price_usd, row.declared.peak_power_w) == (price_usd, power_w)
    assert set(row.figures) == {"ips", "execution_time_classify"}
    assert {len(values) for values in row.samples.values()} == {3}


@pytest.mark.parametrize("name", PAPER_TABLE)
def test_figures_of_the_paper_are_those_of_the_bars(name: str) -> None:
    """Speed and the three energies equal the heights of the bars, to the digits that were read."""
    row, typed = BY_ID[name], PAPER_TABLE[name]
    read = [row.figures[key] for key in ("ips", "energy_dynamic_j", "energy_static_j", "energy_total_j")]
    for value, expected in zip(read, typed, strict=True):
        assert value == pytest.approx(expected, abs=1.01 * digits(expected))
    assert row.samples == {}


def test_a_neighbouring_row_does_not_fit() -> None:
    """The control: the figures of one row are not those of another, so the comparison can tell rows apart."""
    assert BY_ID["ck-alexnet-farm-5"].figures["ips"] != pytest.approx(CK_TABLE["ck-alexnet-tx1-cpu"][0], abs=1e-3)


@pytest.mark.parametrize("name", BY_ID)
def test_only_farms_are_corrected(name: str) -> None:
    """Each farm has its corrected range with a reason; one device has neither."""
    row = BY_ID[name]
    if name in CORRECTED_IPS:
        assert row.corrected["ips"] == pytest.approx(CORRECTED_IPS[name], rel=5e-4)
        assert set(row.corrected) == set(row.figures)
        assert row.correction
        assert row.kind == "farm"
    else:
        assert (row.corrected, row.correction, row.counting, row.kind) == ({}, "", "once", "host")


def test_corrected_ranges_follow_from_the_published_samples() -> None:
    """9 and 10 frames over 19 published periods, averaged over the repetitions: the range on CK, both ways round."""
    for name in ("ck-alexnet-farm-5", "ck-vgg16-farm-9", "ck-vgg16-farm-11"):
        row = BY_ID[name]
        windows_s = [19 * period_s for period_s in row.samples["execution_time_classify"]]
        assert row.counting == "twice"
        for frames, (speed, period) in {9: (0, 1), 10: (1, 0)}.items():
            mean_ips = math.fsum(frames / window_s for window_s in windows_s) / 3
            assert row.corrected["ips"][speed] == pytest.approx(mean_ips, rel=1e-9)
            mean_s = math.fsum(window_s / frames for window_s in windows_s) / 3
            assert row.corrected["execution_time_classify"][period] == pytest.approx(mean_s, rel=1e-9)


def test_bars_of_farms_range_from_half_to_the_whole() -> None:
    """Unverified counting: the speed from half, the energies up to twice what was published."""
    for name in ("paper-alexnet-farm-5", "paper-alexnet-farm-6", "paper-vgg16-farm-9", "paper-vgg16-farm-11"):
        row = BY_ID[name]
        assert row.counting == "unverified"
        for metric, value in row.figures.items():
            expected = (value / 2, value) if metric == "ips" else (value, 2 * value)
            assert row.corrected[metric] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", BY_ID)
def test_figures_hold_together(name: str) -> None:
    """Static and dynamic make the total within what bars can be read to; half the speed lies in the range."""
    row = BY_ID[name]
    assert set(row.figures) <= set(FIGURES) <= set(METRICS)
    if "energy_total_j" in row.figures:
        static_j, dynamic_j, total_j = (row.figures[f"energy_{part}_j"] for part in ("static", "dynamic", "total"))
        assert abs(static_j + dynamic_j - total_j) < (0.01 if row.model == "alexnet" else 0.06)
        assert row.uncertainty.keys() == row.figures.keys()
    if row.corrected:
        low, high = row.corrected["ips"]
        assert low <= row.figures["ips"] / 2 * (1 + 1e-12) <= high
    assert row.devices == int(name.rpartition("-")[2]) if row.kind == "farm" else row.device.lower() in name
    assert row.source
    assert row.notes


def test_no_published_figure_is_called_a_latency() -> None:
    """The period between replies stands under its own name; no latency metric exists in any entry."""
    assert not [key for row in BY_ID.values() for key in (*row.figures, *row.samples) if "latency" in key]


def test_doubtful_figures_are_told_as_such() -> None:
    """The GPU of the TX2 is called implausible and the static energy unsteady; the CPU, the control, is not."""
    for model in ("alexnet", "vgg16"):
        assert any("Implausible" in note for note in BY_ID[f"paper-{model}-tx2-gpu"].notes)
        assert not any("Implausible" in note for note in BY_ID[f"paper-{model}-tx2-cpu"].notes)
    assert any("1.67 W" in note and "0.74 J" in note for note in BY_ID["paper-alexnet-farm-6"].notes)


def test_a_published_system_cannot_be_changed() -> None:
    """The rows are frozen."""
    with pytest.raises(FrozenInstanceError):
        BY_ID["ck-alexnet-farm-5"].year = 2026  # type: ignore[misc]


Change = Callable[[dict[str, Any]], None]


def put(**changes: Any) -> Change:
    """Sets keys of a document; `...` removes one."""

    def change(document: dict[str, Any]) -> None:
        for key, value in changes.items():
            if value is ...:
                del document[key]
            else:
                document[key] = value

    return change


def inside(key: str, **changes: Any) -> Change:
    """Sets keys of an object inside of a document."""
    return lambda document: put(**changes)(document[key])


def entry(folder: Path, change: Change, name: str = "published-2018-ck-alexnet-farm-5") -> Path:
    """A repository with one entry in which something was changed."""
    target = folder / "experiment" / name
    shutil.copytree(published_folder() / "experiment" / name, target)
    document = json.loads((target / "published.json").read_text())
    change(document)
    (target / "published.json").write_text(json.dumps(document))
    return folder


def test_an_unchanged_copy_is_read(tmp_path: Path) -> None:
    """The control of the refusals below: written again without a change it is the same row."""
    (row,) = read_published(entry(tmp_path, put()))
    assert row == BY_ID["ck-alexnet-farm-5"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(format="ck-iot-farm run"), 'it needs "ck-iot-farm published"'),
        (put(version=2), "version 1"),
        (put(version=...), "version 1"),
        (put(notes=...), "notes"),
        (put(colour="red"), "colour"),
        (put(id="another-name"), "id is another-name"),
        (put(id="../../etc"), "lower-case words"),
        (put(model="resnet50"), "model"),
        (put(kind="host"), "kind, device and devices disagree"),
        (put(devices=0), "devices"),
        (put(devices=True), "devices"),
        (put(devices="5"), "devices"),
        (put(year="2018"), "year"),
        (put(title=""), "title"),
        (put(figures={}), "uncertainty|samples|corrected|figures"),
        (inside("figures", latency_p50_s=0.1), "figures has latency_p50_s"),
        (inside("figures", ips=0), "figures.ips"),
        (inside("figures", ips="5.4"), "figures.ips"),
        (inside("figures", ips=5.5), "not the mean of its samples"),
        (inside("figures", energy_total_j=2.0), "static, dynamic and total"),
        (inside("samples", ips=[]), "samples.ips is empty"),
        (inside("samples", ips=[1.0, -1.0]), "samples.ips"),
        (inside("samples", latency=[1.0]), "samples has latency"),
        (inside("corrected", ips=[2.85, 2.56]), "no range from low to high"),
        (inside("corrected", ips=[3.0, 4.0]), "does not hold"),
        (inside("corrected", energy_total_j=[1.0, 2.0]), "corrected has energy_total_j"),
        (put(corrected={}, correction=""), "not counted once"),
        (put(counting="once"), "not counted once"),
        (put(correction=""), "not counted once"),
        (inside("declared", price_usd=-1), "declared.price_usd"),
        (inside("declared", price_source=...), "declared.price_source"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, change: Change, says: str) -> None:
    """A file that is not well-formed is refused with one line that names the file and the field."""
    folder = entry(tmp_path, change)
    with pytest.raises(BadInputError, match=says) as caught:
        read_published(folder)
    assert "published.json" in caught.value.message
    assert "\n" not in str(caught.value)


def test_an_energy_that_does_not_add_up_is_refused(tmp_path: Path) -> None:
    """Static and dynamic bars that differ from the total by more than bars can be read to are a typing error."""
    change = inside("figures", energy_dynamic_j=0.9)
    folder = entry(tmp_path, change, "published-2018-paper-alexnet-tx2-cpu")
    with pytest.raises(BadInputError, match="differ from the total"):
        read_published(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"ips": NaN}', '{"id": 1, "id": 2}', "[" * 200, '"\\ud800"'])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    """Files that are no JSON object, or one that JSON leaves open, end with one line."""
    (entry(tmp_path, put()) / "experiment/published-2018-ck-alexnet-farm-5/published.json").write_text(text)
    with pytest.raises(BadInputError, match=r"published\.json"):
        read_published(tmp_path)


def test_an_empty_folder_and_an_incomplete_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without figures is not found; a package without its folder says that it is incomplete."""
    with pytest.raises(NotFoundError, match="no published figures"):
        read_published(tmp_path)
    monkeypatch.setattr(published.harness, "__file__", str(tmp_path / "harness" / "__init__.py"))
    with pytest.raises(MissingPackageError, match="experiments"):
        published_folder()
    installed = tmp_path / "harness" / "_repositories" / "experiments"
    installed.mkdir(parents=True)
    (installed / ".ckr.json").write_text("{}")
    assert published_folder() == installed


def test_files_of_the_repository_are_those_of_collective_knowledge() -> None:
    """Each entry has its alias both ways, a UID that nothing else has, and its meta.json."""
    folder = published_folder()
    uids = {json.loads((folder / ".ckr.json").read_text())["data_uid"]}
    for row in BY_ID.values():
        uid = (folder / "experiment/.cm" / f"alias-a-{row.id}").read_text().strip()
        assert re.fullmatch("[0-9a-f]{16}", uid)
        assert uid not in uids
        uids.add(uid)
        assert (folder / "experiment/.cm" / f"alias-u-{uid}").read_text().strip() == row.id
        assert json.loads((folder / "experiment" / row.id / ".cm/info.json").read_text())["backup_data_uid"] == uid
        assert "published-2018" in json.loads((folder / "experiment" / row.id / ".cm/meta.json").read_text())["tags"]
    entries = [path.name for path in (folder / "experiment").iterdir() if path.name != ".cm"]
    assert sorted(entries) == sorted(row.id for row in BY_ID.values())
    assert len(list((folder / "experiment/.cm").iterdir())) == 2 * len(entries)


def test_real_ck_lists_them(tmp_path: Path) -> None:
    """Registered, `ck ls` names all eighteen and a search by tags some; before, the control, it knows none."""
    if importlib.util.find_spec("ck") is None:
        pytest.skip("ck is not installed: Python 3.11 and `pip install ck==2.6.4` have it")
    copy = tmp_path / "copy"
    shutil.copytree(published_folder(), copy)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CK_")}
    environ |= {"CK_REPOS": str(tmp_path / "CK"), "CK_TOOLS": str(tmp_path / "tools"), "HOME": str(tmp_path / "home")}

    def ck(*arguments: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "ck", *arguments],
            env=environ,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.split()

    assert not [line for line in ck("ls", "experiment") if line.startswith("published-")]
    ck("import", "repo", f"--path={copy}", "--quiet")
    assert sorted(ck("ls", "ck-iot-farm-experiments:experiment:*")) == sorted(row.id for row in BY_ID.values())
    found = ck("search", "experiment", "--tags=published-2018,vgg16,farm")
    assert sorted(line.rpartition(":")[2] for line in found) == sorted(
        row.id for row in BY_ID.values() if row.model == "vgg16" and row.kind == "farm"
    )
