"""The CK repositories that come with this package: consistent, with upstream's UIDs, and nothing CK would fetch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.farm.config import FarmConfig
from harness.partition.paper import partition_for

ROOT = Path(__file__).resolve().parents[2]
REPOSITORIES = [ROOT / "ck-programs", ROOT / "ck-machines"]

# Aliases and UIDs of the original repositories; records refer to entries by them.
UPSTREAM = {
    "program/request-iot-benchmark": "88b118634abf9491",
    "script/benchmark-request-iot-farm": "a37ab824932ab27d",
    "os/linux-32": "fb525e34243f49c1",
    "os/linux-64": "4258b5fe54828a50",
    "wfe/default": "6b411f75e774059b",
    "soft/compiler.python": "45d68512df22fde7",
    "soft/lib.tensorflow": "30db354f469bb178",
    "soft/lib.keras": "04698bcbc46c246f",
    "soft/tool.show-cuda-devices": "2d23c0324a4ca3bb",
    "package/lib-keras-2.1.3-request": "7d9b2235fb4840ad",
    "package/tool-show-cuda-devices": "0d85e5904e452202",
    "module/request.asplos18": "a555738be4b65860",
}
PAPER_FARMS = {
    "farm-5": ("alexnet-5", "192.168.1.8", {"block1": [3], "block2": [4, 5], "block3": [6]}),
    "farm-9": (
        "vgg16-9",
        "192.168.1.8",
        {"block1": [3], "block234": [4, 5, 6], "block5": [7], "fc1": [9, 10], "fc2": [11]},
    ),
    "farm-11": (
        "vgg16-11",
        "192.168.1.8",
        {"block12345": [3, 4, 5, 6, 7, 9, 10], "fc1": [11, 13], "fc2": [12]},
    ),
}
LOCAL_FARMS = {"farm-5": "alexnet-5", "farm-6": "alexnet-6", "farm-9": "vgg16-9", "farm-11": "vgg16-11"}


ENTRIES = [meta.parent.parent for repository in REPOSITORIES for meta in sorted(repository.glob("*/*/.cm/meta.json"))]


def _name(entry):
    return f"{entry.parent.name}/{entry.name}"


@pytest.mark.parametrize("entry", ENTRIES, ids=_name)
def test_an_entry_has_both_alias_files_and_valid_meta(entry):
    """CK needs alias -> UID and UID -> alias for an entry and for its module, and JSON that it can read."""
    folder, name = entry.parent / ".cm", entry.name
    uid = (folder / f"alias-a-{name}").read_text().strip()
    assert (folder / f"alias-u-{uid}").read_text().strip() == name
    module_uid = (entry.parents[1] / ".cm" / f"alias-a-{entry.parent.name}").read_text().strip()
    assert (entry.parents[1] / ".cm" / f"alias-u-{module_uid}").read_text().strip() == entry.parent.name
    json.loads((entry / ".cm/meta.json").read_text())
    info = json.loads((entry / ".cm/info.json").read_text())
    assert (info["backup_data_uid"], info["backup_module_uid"]) == (uid, module_uid)
    assert UPSTREAM.get(_name(entry), uid) == uid


def test_every_upstream_entry_is_there():
    """Nothing of the list of upstream's entries is missing."""
    assert set(UPSTREAM) <= {_name(entry) for entry in ENTRIES}


@pytest.mark.parametrize("repository", REPOSITORIES, ids=lambda path: path.name)
def test_a_repository_makes_ck_fetch_nothing(repository):
    """No requirements.txt (CK would pip-install it), no repo_deps (CK would clone them), an alias of its own."""
    description = json.loads((repository / ".ckr.json").read_text())
    assert description["dict"] == {}
    assert description["data_alias"].startswith("ck-iot-farm-")
    assert description["data_uid"] != "9bb172637b2083c2"
    assert not list(repository.rglob("requirements.txt"))


@pytest.mark.parametrize("name", sorted(PAPER_FARMS))
def test_the_papers_farms(name):
    """The farm files to copy hold the addresses of the appendix A.7, in its order, and fit their partition."""
    cut, initial, roles = PAPER_FARMS[name]
    path = ROOT / "ck-machines/farms" / f"{name}.json"
    document = json.loads(path.read_text())["node"]
    assert document == {"initial": [initial]} | {
        role: [f"192.168.1.{last}" for last in numbers] for role, numbers in roles.items()
    }
    assert partition_for(FarmConfig.load(path)).name == cut


@pytest.mark.parametrize("name", sorted(LOCAL_FARMS))
def test_the_local_farms(name):
    """A local farm gives each device an address of its own on 127.0.0.x and the default port, and fits its cut."""
    entry = ROOT / "ck-machines/machine" / f"{name}-local"
    farm = FarmConfig.load(entry / "ip")
    assert partition_for(farm, name=LOCAL_FARMS[name]).devices == farm.devices
    assert {address.port for found in farm.node_roles.values() for address in found} == {12345}
    assert farm.initial.port == 9999
    hosts = [address.host for found in farm.roles.values() for address in found]
    assert len(set(hosts)) == len(hosts)
    assert all(host.startswith("127.0.0.") for host in hosts)
    meta = json.loads((entry / ".cm/meta.json").read_text())
    assert meta["access_type"] == "avro"
    assert meta["device_cfg"]["remote_params"]["avro_config"] == json.loads((entry / "ip").read_text())


def test_the_local_farms_share_no_address():
    """Two local farms can be up at the same time."""
    hosts = [
        address.host
        for name in LOCAL_FARMS
        for found in FarmConfig.load(ROOT / "ck-machines/machine" / f"{name}-local" / "ip").roles.values()
        for address in found
    ]
    assert len(set(hosts)) == len(hosts) == 5 + 6 + 9 + 11
