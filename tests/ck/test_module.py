"""The module request.asplos18: meta of a record, and names of dependencies, asked for through CK."""

from __future__ import annotations

import json

SCRIPT = """
import json, sys
import ck.kernel as ck
request = json.loads(sys.argv[1])
print(json.dumps(ck.access(request)))
"""


def _ask(home, **request):
    done = home.python("-W", "ignore", "-c", SCRIPT, json.dumps({"module_uoa": "request.asplos18", **request}))
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["return"] == 0, answer
    return answer


def _platform(**features):
    return {"host_os_uid": "h", "os_uid": "t", "device_id": "", "features": features}


REQUEST = {"report_uid": "r", "algorithm_species": "4b8bbc192ec57f63", "farm": ""}


def test_common_meta(home):
    """The platform's parts stand under the names that the scoreboard reads, with what was asked for beside them."""
    platform = _platform(
        cpu={"name": "ARMv7", "cpu_abi": "armv7l"},
        os={"name": "Raspbian"},
        platform={"name": "RPi 3"},
        gpgpu=[{"gpgpu": {"name": "TX2", "vendor": "NVIDIA"}, "gpgpu_misc": {"opencl c version": "1.2"}}],
    )
    answer = _ask(home, action="prepare_common_meta", platform_dict=platform, request_dict=REQUEST, deps={})
    meta = answer["meta"]
    assert (meta["cpu_name"], meta["cpu_abi"], meta["os_name"], meta["plat_name"]) == (
        "ARMv7",
        "armv7l",
        "Raspbian",
        "RPi 3",
    )
    assert (meta["gpgpu_name"], meta["gpgpu_vendor"], meta["opencl"]) == ("NVIDIA TX2", "NVIDIA", "1.2")
    assert (meta["host_os_uid"], meta["target_os_uid"]) == ("h", "t")
    assert meta["scenario_module_uoa"] == "a555738be4b65860"
    assert (meta["report_uid"], meta["request_version"], meta["deps_summary"]) == ("r", 1, {})
    assert meta["stimestamp"] == "".join(c for c in meta["timestamp"] if c.isdigit())
    assert answer["tags"] == ["request", "request-asplos18", meta["timestamp"], meta["stimestamp"], "4b8bbc192ec57f63"]
    assert answer["record_dict"] == {"subview_uoa": "f84ca49f79a1446a"}


def test_a_platform_that_says_little(home):
    """An unnamed CPU is called after its ABI, clusters are joined, and what is unknown stays empty."""
    ask = {"action": "prepare_common_meta", "request_dict": REQUEST}
    assert _ask(home, platform_dict=_platform(cpu={"cpu_abi": "armv8"}), **ask)["meta"]["cpu_name"] == "unknown-armv8"
    clusters = _platform(cpu_unique=[{"ck_cpu_name": "A57"}, {"ck_cpu_name": "Denver"}])
    assert _ask(home, platform_dict=clusters, **ask)["meta"]["cpu_name"] == "A57 ; Denver"
    nothing = _ask(home, platform_dict=_platform(gpgpu=[]), **ask)["meta"]
    assert nothing["cpu_name"] == nothing["gpgpu_name"] == nothing["opencl"] == ""


def test_names_of_dependencies(home):
    """Name, version and revision make one line; what is missing leaves no gap."""
    full = {"data_name": "Keras", "version": "3.15.1", "git_revision": "abc"}
    for deps, expected in ((full, "Keras 3.15.1 (abc)"), ({"data_name": "Keras"}, "Keras"), ({}, "")):
        assert _ask(home, action="make_deps_full_name", deps=deps)["full_name"] == expected
