"""The cmd_keys: one table, and the program entry that must say the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from planning import pi_farm

from harness.ck.commands import options_of
from harness.ck.keys import KEYS, START_SERVER, benchmark_key, server_key
from harness.errors import BadInputError, TargetNotSpecifiedError
from harness.models.catalogue import model
from harness.partition.paper import partition
from harness.plan.farm_file import farm_document
from harness.plan.planner import plan_model

ROOT = Path(__file__).resolve().parents[2]
META = json.loads((ROOT / "ck-programs/program/request-iot-benchmark/.cm/meta.json").read_text())
GRAPH, SITE = model("alexnet"), pi_farm(4)
FARM_KEYS = [key for key in KEYS.values() if key.partition and not key.server]


def test_program_and_table_have_the_same_keys():
    """The program entry offers the keys of the table: four single devices, the paper's farms, planned ones, servers."""
    assert set(META["run_cmds"]) == set(KEYS)
    assert len(KEYS) == 14
    assert set(META["run_cmds"]) != set(KEYS) - {"benchmark-alexnet-farm-5-nodes"}  # the control: one less differs


@pytest.mark.parametrize("name", sorted(KEYS))
def test_every_command_is_thin(name):
    """A key's command calls the engine with the key's own name, and never hides its exit code from CK."""
    run_time = META["run_cmds"][name]["run_time"]
    verb = "start-server" if KEYS[name].server else "run"
    argument = name.removesuffix(START_SERVER)
    assert run_time["run_cmd_main"] == f"$<<CK_ENV_COMPILER_PYTHON_FILE>>$ -m harness ck {verb} {argument}"
    assert "ignore_return_code" not in json.dumps(META)


@pytest.mark.parametrize("name", sorted(KEYS))
def test_timer_file_and_gpu_of_a_key(name):
    """CK reads the timer file of the keys that measure, and hides the GPU from the -cpu keys alone."""
    run_time = META["run_cmds"][name]["run_time"]
    assert run_time.get("fine_grain_timer_file") == (None if KEYS[name].server else "tmp-ck-timer.json")
    assert ("run_set_env2" in run_time) == name.endswith("-cpu")
    if name.endswith("-cpu"):
        assert run_time["run_set_env2"] == {"CUDA_VISIBLE_DEVICES": ""}


@pytest.mark.parametrize("key", FARM_KEYS, ids=lambda key: key.name)
def test_a_farm_key_names_its_number_of_devices(key):
    """The partition of a farm key cuts the key's model for as many devices as the key says."""
    cut = partition(key.partition)
    assert cut.graph == model(key.model)
    assert f"-farm-{cut.devices}-nodes" in key.name


def test_dependencies_of_the_program():
    """CK resolves Python, TensorFlow and Keras by the tags of the original program."""
    assert {name: dependency["tags"] for name, dependency in META["run_deps"].items()} == {
        "python": "compiler,lang-python,python",
        "lib-keras": "lib,keras-request",
        "lib-tensorflow": "lib,tensorflow",
    }


def test_options_of_a_single_device_key():
    """A single-device key measures this machine; STAT_REPEAT and the share of GPU memory are read."""
    variables = {"STAT_REPEAT": "7", "CK_TF_GPU_MEMORY_PERCENT": "33"}
    options = options_of("benchmark-vgg16-single-device-gpu", variables)
    assert (options.model, options.device, options.farm_file) == ("vgg16", "gpu", None)
    assert (options.frames, options.gpu_memory_percent) == (7, 33.0)
    assert options_of("benchmark-alexnet-single-device-cpu", {}).frames == 50


def test_what_is_declared_and_how_long_a_window_lasts(tmp_path):
    """DECLARED names a file with prices, SECONDS_AT_LEAST the shortest window; a price without a source is refused."""
    declared = tmp_path / "prices.json"
    declared.write_text('{"price_usd": 35, "price_source": "shop"}')
    variables = {"DECLARED": str(declared), "SECONDS_AT_LEAST": "60"}
    options = options_of("benchmark-alexnet-single-device-cpu", variables)
    assert (options.declared["price_usd"], options.least_s) == (35.0, 60.0)
    plain = options_of("benchmark-alexnet-single-device-cpu", {})
    assert (plain.declared, plain.least_s) == (None, 0.0)
    declared.write_text('{"price_usd": 35}')
    with pytest.raises(BadInputError, match="price_usd has no price_source"):
        options_of("benchmark-alexnet-single-device-cpu", variables)


@pytest.mark.parametrize("key", FARM_KEYS, ids=lambda key: key.name)
def test_options_of_a_farm_key(key, tmp_path):
    """A farm key measures its partition on the farm of CK_TARGET_PATH."""
    (tmp_path / "ip").write_text("{}")
    options = options_of(key.name, {"CK_TARGET_PATH": str(tmp_path)})
    assert (options.model, options.partition, options.farm_file) == (
        key.model,
        key.partition,
        tmp_path / "ip",
    )
    assert options.target_name == tmp_path.name
    assert options.wire == "f32"
    assert options_of(key.name, {"CK_TARGET_PATH": str(tmp_path), "WIRE": "fp16"}).wire == "fp16"


def test_emulation_of_a_farm_key(tmp_path):
    """EMULATE names device and network of a farm; what is none, and a single device, are refused."""
    (tmp_path / "ip").write_text("{}")
    farm, key = {"CK_TARGET_PATH": str(tmp_path)}, "benchmark-alexnet-farm-5-nodes"
    assert options_of(key, farm).emulate is None
    assert options_of(key, farm | {"EMULATE": "rpi3+wifi-n"}).emulate == "rpi3+wifi-n"
    with pytest.raises(BadInputError, match="is not DEVICE"):
        options_of(key, farm | {"EMULATE": "rpi3"})
    with pytest.raises(BadInputError, match="--emulate is for farms"):
        options_of("benchmark-alexnet-single-device-cpu", {"EMULATE": "rpi3+wifi-n"})


@pytest.mark.parametrize("value", ["", "FP16", "int8", "fp16 ", "0"])
def test_wrong_wire(value, tmp_path):
    """WIRE that names no encoding is refused with its value, and any rounding on a single device."""
    (tmp_path / "ip").write_text("{}")
    with pytest.raises(BadInputError, match=r"WIRE is '.*', which is no wire"):
        options_of("benchmark-alexnet-farm-5-nodes", {"CK_TARGET_PATH": str(tmp_path), "WIRE": value})
    with pytest.raises(BadInputError, match="--wire is for farms"):
        options_of("benchmark-alexnet-single-device-cpu", {"WIRE": "fp16"})


@pytest.mark.parametrize("value", ["0", "-1", "x", "", " 5", "5.0", "1e3", "\u0665", "9" * 30])
def test_wrong_stat_repeat(value):
    """STAT_REPEAT that is no positive whole number is refused with its name and value."""
    with pytest.raises(BadInputError, match="STAT_REPEAT is '"):
        options_of("benchmark-alexnet-single-device-cpu", {"STAT_REPEAT": value})


@pytest.mark.parametrize("value", ["0", "-3", "101", "x", "nan", "inf", ""])
def test_wrong_gpu_memory(value):
    """A share of GPU memory that is no percentage is refused with its name and value."""
    with pytest.raises(BadInputError, match="CK_TF_GPU_MEMORY_PERCENT is '"):
        options_of("benchmark-alexnet-single-device-gpu", {"CK_TF_GPU_MEMORY_PERCENT": value})


def test_options_of_the_key_of_planned_farms(tmp_path):
    """The farm's file names the model, and without a plan in it the key is refused; no partition is asked for."""
    (tmp_path / "ip").write_text(json.dumps(farm_document(GRAPH, SITE, plan_model(GRAPH, SITE).best.assignment)))
    options = options_of("benchmark-planned-farm-nodes", {"CK_TARGET_PATH": str(tmp_path)})
    assert (options.model, options.partition, options.farm_file) == ("alexnet", None, tmp_path / "ip")
    (tmp_path / "ip").write_text(json.dumps({"node": {"initial": ["127.0.0.1"], "block1": ["127.0.0.2"]}}))
    with pytest.raises(BadInputError, match="holds no plan"):
        options_of("benchmark-planned-farm-nodes", {"CK_TARGET_PATH": str(tmp_path)})


def test_a_farm_key_without_target():
    """A farm key without CK_TARGET_PATH is refused in the words and with the code of the artifact."""
    with pytest.raises(TargetNotSpecifiedError, match="CK target is not specified") as caught:
        options_of("benchmark-alexnet-farm-5-nodes", {})
    assert caught.value.exit_code == 1


def test_unknown_keys():
    """An unknown key is refused with the list of keys; a server key is no measurement, and the reverse."""
    with pytest.raises(BadInputError, match="benchmark-alexnet-single-device-cpu"):
        benchmark_key("nope")
    with pytest.raises(BadInputError):
        benchmark_key("benchmark-alexnet-farm-5-nodes-start-server")
    with pytest.raises(BadInputError, match="benchmark-vgg16-farm-11-nodes-start-server"):
        server_key("benchmark-alexnet-single-device-cpu")
    assert server_key("benchmark-alexnet-farm-5-nodes") is server_key("benchmark-alexnet-farm-5-nodes-start-server")
