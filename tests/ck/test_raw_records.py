"""How benchmarking.py brings raw records into an entry, and what it tells the scoreboard of them; without CK."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
from run_records import environment, run_record

from harness.records.entries.writer import NewPoint, write_point

PROGRAMS = Path(__file__).resolve().parents[2] / "ck-programs"


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


raw_records = _load(PROGRAMS / "script/benchmark-request-iot-farm/raw_records.py")
system = _load(PROGRAMS / "module/request.asplos18/scoreboard/system.py")


@pytest.fixture
def entry(tmp_path):
    """An entry whose repetitions name three records, and one name that is none."""
    names = ("one", "two", "three", "../../evil")
    runs = [{"run": {"execution_time": 1.0, "iot_farm_record": name}} for name in names]
    return write_point(tmp_path / "local", "name", NewPoint(runs), meta={})[0]


def _file(results, *names):
    results.mkdir(exist_ok=True)
    for name in names:
        (results / f"{name}.json").write_text(json.dumps({"run": name}))
        (results / f"{name}.power.csv").write_text(name)


def test_records_are_copied(entry, tmp_path):
    """Records of the repetitions come with their traces, those of other runs do not; what is gone is told."""
    results = tmp_path / "results"
    _file(results, "one", "two", "other")
    (results / "two.power.csv").unlink()
    there, missing = raw_records.copy_records(entry, results)
    assert [path.name for path in there] == ["one.json", "two.json"]
    assert missing == ["three"]
    names = sorted(path.name for path in (entry / "iot-farm").iterdir())
    assert names == ["one.json", "one.power.csv", "two.json"]
    assert (entry / "iot-farm/one.power.csv").read_text() == "one"


def test_copying_again(entry, tmp_path):
    """A second call takes what is new and leaves what is there, even where the results are gone by now."""
    results = tmp_path / "results"
    _file(results, "one")
    raw_records.copy_records(entry, results)
    (results / "one.json").write_text("changed since")
    _file(results, "three")
    there, missing = raw_records.copy_records(entry, results)
    assert [path.name for path in there] == ["one.json", "three.json"]
    assert missing == ["two"]
    assert json.loads((entry / "iot-farm/one.json").read_text()) == {"run": "one"}


def test_where_the_results_are(monkeypatch):
    """A relative $IOT_FARM_RESULTS, and the default, are folders of the place in which CK runs the program."""
    monkeypatch.delenv("IOT_FARM_RESULTS", raising=False)
    assert raw_records.results_folder("/program") == Path("/program/tmp/results")
    monkeypatch.setenv("IOT_FARM_RESULTS", "mine")
    assert raw_records.results_folder("/program") == Path("/program/tmp/mine")
    monkeypatch.setenv("IOT_FARM_RESULTS", "/mine")
    assert raw_records.results_folder("/program") == Path("/mine")


DEPENDENCIES = {"lib-tensorflow": {"data_name": "TensorFlow library", "version": "2.21.0"}}


def test_meta_of_one_device():
    """One device keeps what CK found out about it; nothing is said that nobody declared or measured."""
    meta = system.meta_of(run_record(model="vgg16", target="host", device="cpu").to_document(), DEPENDENCIES)
    assert meta == {
        "algorithm_species": "f4f75a0a6b65e4cd",
        "model_species": "a3fcac86d42bdbc4",
        "model_design_name": "VGG16",
        "model_precision": "fp32",
        "batch_size": 1,
        "library_name": "TensorFlow library 2.21.0",
        "processed": "yes",
    }


def test_meta_of_a_farm():
    """A farm is what its nodes are, not the machine that measured; unknown parts stay empty."""
    record = run_record(devices=5).to_document()
    for device, cpu in zip(
        record["devices"], ("the source", "Cortex-A53", "Cortex-A53", "unknown", "Cortex-A72"), strict=True
    ):
        device["before"] = environment(cpu=cpu)
    meta = system.meta_of(record, {})
    assert meta["farm"] == "farm-5-local: 5 devices (Avro)"
    assert meta["cpu_name"] == "Cortex-A53 ; Cortex-A72"
    assert (meta["plat_name"], meta["library_name"]) == ("", "")


def test_prices_only_where_declared():
    """Price and peak power come from a declaration, with date and source; a part that is missing stays missing."""
    declared = {"price_usd": 200, "price_date": "2026-01-02", "price_source": "a shop", "peak_power_w": None}
    record = dataclasses.replace(run_record(), declared=declared)
    meta = system.meta_of(record.to_document(), {})
    assert {key: value for key, value in meta.items() if key.startswith("platform_")} == {
        "platform_price": 200,
        "platform_price_date": "2026-01-02",
        "platform_price_source": "a shop",
    }
