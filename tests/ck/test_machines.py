"""`ck add machine`, `ck show machine`: A.7's commands against the entries that come with this package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FARM_5 = ROOT / "ck-machines/farms/farm-5.json"


def _add(home, name, config, *, answers="1\n", arguments=()):
    return home.ck(
        "add", f"machine:{name}", "--access_type=avro", f"--avro_config={config}", *arguments, answers=answers
    )


def _meta(home, name):
    return json.loads((home.repos / "local/machine" / name / ".cm/meta.json").read_text())


def test_the_menu_of_the_appendix(home):
    """Exactly two systems are offered, as in A.7; the farm file is kept byte for byte, and the meta says avro."""
    done = _add(home, "farm-5", FARM_5)
    assert done.returncode == 0, done.stdout
    assert "0) linux-32 (fb525e34243f49c1)" in done.stdout
    assert "1) linux-64 (4258b5fe54828a50)" in done.stdout
    assert "\n2) " not in done.stdout
    assert "successfully registered in CK with alias: farm-5" in done.stdout
    assert (home.repos / "local/machine/farm-5/ip").read_bytes() == FARM_5.read_bytes()
    meta = _meta(home, "farm-5")
    assert meta["access_type"] == "avro"
    assert meta["target_os"] == "linux-64"
    assert meta["target_os_uoa"] == meta["host_os"] == meta["device_id"] == ""
    assert meta["target_os_dict"]["bits"] == "64"
    assert meta["device_cfg"] == {
        "remote_params": {"avro_config": json.loads(FARM_5.read_text())},
        "update_target_os_dict": {"preset_host_env": {}, "skip_platform_detection": "yes"},
    }


def test_without_the_menu(home):
    """`--target_os` answers the menu; linux-32 is taken as well."""
    assert _add(home, "farm-32", FARM_5, answers="", arguments=("--target_os=linux-32",)).returncode == 0
    assert _meta(home, "farm-32")["target_os_dict"]["bits"] == "32"
    bogus = _add(home, "farm-x", FARM_5, answers="", arguments=("--target_os=bogus-64",))
    assert bogus.returncode == 16
    assert 'can\'t find path to CK entry "os:bogus-64"' in bogus.stdout


def test_renewing(home, tmp_path):
    """A registered name is asked about: n leaves everything as it was, y takes the new file under the old UID."""
    other = tmp_path / "other.json"
    other.write_text('{"node": {"initial": ["10.0.0.1"], "block1": ["10.0.0.2"]}}')
    assert _add(home, "renewed", FARM_5).returncode == 0
    entry = home.repos / "local/machine/renewed"
    uid = (home.repos / "local/machine/.cm/alias-a-renewed").read_text()
    kept = _add(home, "renewed", other, answers="1\nn\n")
    assert kept.returncode == 0
    assert "Renew (Y/n)?" in kept.stdout
    assert (entry / "ip").read_bytes() == FARM_5.read_bytes()
    assert _add(home, "renewed", other, answers="1\ny\n").returncode == 0
    assert (entry / "ip").read_bytes() == other.read_bytes()
    assert (home.repos / "local/machine/.cm/alias-a-renewed").read_text() == uid


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "AVRO configuration file not found"), ('{"node": {,}}', "problem parsing json from file")],
)
def test_a_farm_file_that_ck_cannot_read(home, tmp_path, content, words):
    """A missing file and one that is no JSON are refused, and no entry is left."""
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_text(content)
    done = _add(home, "bad", path)
    assert done.returncode == 1
    assert words in done.stdout
    assert not (home.repos / "local/machine/bad").exists()
    assert home.ck("find", "machine:bad").returncode == 16


def test_show_machine(own_home):
    """`ck show machine` lists every farm, sorted; "connected" only means that the entry can be read."""
    assert _add(own_home, "farm-5", FARM_5).returncode == 0
    done = own_home.ck("show", "machine")
    assert done.returncode == 0, done.stdout
    lines = [line for line in done.stdout.splitlines() if line.endswith(": connected")]
    names = [line.removesuffix(": connected") for line in lines]
    assert names == sorted(["farm-5", "farm-5-local", "farm-6-local", "farm-9-local", "farm-11-local"])


def test_adding_the_host(own_home):
    """`ck add machine:host --use_host` describes this machine, and it comes without a farm file."""
    done = own_home.ck("add", "machine:host", "--use_host", answers="1\n")
    assert done.returncode == 0, done.stdout
    meta = _meta(own_home, "host")
    assert meta["access_type"] == "host"
    assert meta["host_os_uoa"] == meta["target_os_uoa"] == "linux-64"
    assert meta["host_os_uid"] == meta["target_os_uid"] == "4258b5fe54828a50"
    assert {"cpu", "os", "platform"} <= set(meta["features"])
    assert not (own_home.repos / "local/machine/host/ip").exists()


def test_enter_at_the_menu_of_the_host(own_home):
    """Enter takes linux-32, as in CK; its software is found without a question, and an installation accepts it."""
    assert own_home.ck("add", "machine:host", "--use_host", answers="\n").returncode == 0
    assert _meta(own_home, "host")["target_os_uoa"] == "linux-32"
    key = "--cmd_key=benchmark-alexnet-single-device-cpu"
    run = ("run", "program:request-iot-benchmark", key, "--target=host", "--env.STAT_REPEAT=0")
    done = own_home.ck(*run)
    assert "error: STAT_REPEAT is '0'" in done.stdout  # so the program was reached
    again = own_home.iot_farm("ck", "install")
    assert again.returncode == 0
    assert "note:" not in again.stdout


def test_our_commands_know_ck_machines(home):
    """A farm registered with CK is a target of `iot-farm` under the same name; an unknown one ends with 16."""
    assert _add(home, "mine", FARM_5).returncode == 0
    plan = home.iot_farm("run", "--target", "mine", "--dry-run")
    assert plan.returncode == 0, plan.stdout
    assert "alexnet-5" in plan.stdout
    unknown = home.iot_farm("run", "--target", "nope", "--dry-run")
    assert unknown.returncode == 16
    assert "there is no target 'nope'" in unknown.stdout
    assert "mine" in unknown.stdout
