"""The keys of a farm: what `iot-farm farm keys` writes, and when a farm must have them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from farm_keys import farm_of
from farms import Farm, farm_document, iot_farm

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.farm.key_folder import authentication, farm_name, is_loopback, keys_of, require_trust
from harness.farm.keys import make_keys
from harness.rpc.security import Security

LAN = ("192.0.2.8", "192.0.2.3", "pi-4.example")
"""Addresses kept for documentation."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for all farms' keys that the environment names; nothing else says anything of keys."""
    monkeypatch.setenv("IOT_FARM_KEYS", str(tmp_path / "keys"))
    monkeypatch.delenv("IOT_FARM_INSECURE_LAN", raising=False)
    return tmp_path / "keys"


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_device_gets_its_own_key_and_nothing_of_another(root: Path) -> None:
    """Every folder holds the authority's certificate, one certificate for that host, and its key; all private."""
    made = make_keys(farm_of(*LAN))
    assert made.folder == root / "trusted"
    assert set(made.devices) == set(LAN)
    seen = set()
    for host, folder in made.devices.items():
        assert {path.name for path in folder.iterdir()} == {"ca.pem", "device.pem", "device.key"}
        assert Security.load(folder)
        certificate = x509.load_pem_x509_certificate((folder / "device.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(name.value) for name in names] == [host]
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        seen.add((folder / "device.key").read_bytes())
    assert len(seen) == len(LAN)
    for path in root.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_host_with_several_ports_has_one_certificate(root: Path) -> None:
    """Certificates are for hosts: two nodes of a machine share its key."""
    farm = FarmConfig.from_document({"node": {"initial": ["192.0.2.8"], "block1": ["192.0.2.3:1", "192.0.2.3:2"]}}, "x")
    assert set(make_keys(farm).devices) == {"192.0.2.8", "192.0.2.3"}


@pytest.mark.parametrize("in_file", [True, False])
def test_keys_are_not_overwritten_and_missing_ones_are_added(root: Path, in_file: bool) -> None:
    """A second call changes nothing; a device more gets a key of the same authority; --force makes all anew."""
    made = make_keys(farm_of(*LAN[:2]))
    before = _contents(made.folder)
    with pytest.raises(BadInputError, match="has keys for every device") as caught:
        make_keys(farm_of(*LAN[:2]))
    assert "--force" in caught.value.hint
    assert _contents(made.folder) == before
    added = make_keys(farm_of(*LAN)) if in_file else make_keys(farm_of(*LAN[:2]), LAN[2])
    assert set(added.devices) == {LAN[2]}
    after = _contents(made.folder)
    assert {name: after[name] for name in before} == before
    assert (added.devices[LAN[2]] / "ca.pem").read_bytes() == before["ca.pem"]
    forced = _contents(make_keys(farm_of(*LAN), force=True).folder)
    assert set(forced) == set(after)
    assert not set(forced.values()) & set(after.values())


def test_a_folder_of_something_else_is_left_alone(root: Path) -> None:
    """Not even --force touches a folder that holds no keys."""
    (root / "trusted").mkdir(parents=True)
    (root / "trusted" / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(BadInputError, match="holds no keys"):
            make_keys(farm_of(*LAN), force=force)
    assert _contents(root) == {"trusted/thesis.tex": b"years of work"}


@pytest.mark.parametrize("harm", ["gone", "garbage", "foreign"])
def test_a_damaged_authority_adds_nobody(root: Path, tmp_path: Path, harm: str) -> None:
    """Without the authority's own key no device can be added; one line says why."""
    folder = make_keys(farm_of(*LAN[:2])).folder
    if harm == "gone":
        (folder / "ca.key").unlink()
    elif harm == "garbage":
        (folder / "ca.key").write_bytes(b"garbage")
    else:
        other = make_keys(farm_of(*LAN), root=tmp_path / "other").folder
        (folder / "ca.key").write_bytes((other / "ca.key").read_bytes())
    with pytest.raises(BadInputError) as caught:
        make_keys(farm_of(*LAN))
    assert "--force" in caught.value.hint
    assert "\n" not in str(caught.value)
    assert not (folder / "devices" / LAN[2]).exists()


def test_which_keys_a_machine_uses(root: Path) -> None:
    """The device's own; on the initial those of `initial`; on a device with one folder that one, whoever asks."""
    farm = farm_of(*LAN)
    assert keys_of(farm) is None
    folder = make_keys(farm).folder
    assert keys_of(farm) == folder / "devices" / LAN[0]
    assert keys_of(farm, LAN[1]) == folder / "devices" / LAN[1]
    for host in (LAN[0], LAN[2]):
        for path in (folder / "devices" / host).iterdir():
            path.unlink()
        (folder / "devices" / host).rmdir()
    assert keys_of(farm) == folder / "devices" / LAN[1]
    with pytest.raises(BadInputError, match=f"no keys for {LAN[0]}"):
        keys_of(farm, LAN[0])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((path, "farm-5") for path in ("farm-5.json", "/a/b/farm-5.json", "/local/machine/farm-5/ip")),
        ("x.y", "x"),
        ("..json", "_"),
        ("/a/.hidden.json", "hidden"),
        ("my farm;.json", "my_farm_"),
    ],
)
def test_a_farm_has_one_name_on_every_machine(path: str, name: str) -> None:
    """A file and the machine entry made of it share their keys."""
    assert farm_name(Path(path)) == name


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("127.0.0.1", "127.255.0.9", "::1", "localhost", "LocalHost")),
        *((host, False) for host in ("128.0.0.1", "10.0.0.1", "0.0.0.0", "localhost.example", "pi")),
    ],
)
def test_what_counts_as_loopback(host: str, expected: bool) -> None:
    """Only what no network can reach."""
    assert is_loopback(host) is expected


def test_a_farm_on_a_network_needs_keys_or_the_users_word(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One address of a network is enough to ask for keys; loopback is not asked; the record's word follows."""
    local, mixed = farm_of("127.0.0.1", "127.0.0.2"), farm_of("127.0.0.1", LAN[1], name="mixed")
    require_trust(local)
    with pytest.raises(BadInputError, match=LAN[2]):
        require_trust(local, LAN[2])
    with pytest.raises(BadInputError, match=LAN[1]) as caught:
        require_trust(mixed)
    assert caught.value.exit_code == 2
    assert "iot-farm farm keys" in caught.value.hint
    assert "--insecure-lan" in caught.value.hint
    require_trust(mixed, insecure_lan=True)
    monkeypatch.setenv("IOT_FARM_INSECURE_LAN", "0")
    with pytest.raises(BadInputError):
        require_trust(mixed)
    monkeypatch.setenv("IOT_FARM_INSECURE_LAN", "1")
    require_trust(mixed)
    assert (authentication(local), authentication(mixed)) == ("loopback", "none")
    make_keys(mixed)
    monkeypatch.delenv("IOT_FARM_INSECURE_LAN")
    require_trust(mixed)
    assert (authentication(local), authentication(mixed)) == ("loopback", "tls")


def test_the_command_says_what_to_copy_where(tmp_path: Path) -> None:
    """One line for each device elsewhere, with its own folder; a second call is refused with the way out."""
    file = tmp_path / "farm.json"
    file.write_text(json.dumps({"node": {"initial": ["127.0.0.1"], "block1": list(LAN[:2])}}))
    environment = {"IOT_FARM_KEYS": str(tmp_path / "keys")}
    done = iot_farm("farm", "keys", str(file), "--days", "30", environment=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("keys of farm for 3 devices")
    for host in LAN[:2]:
        folder = tmp_path / "keys" / "farm" / "devices" / host
        assert [line for line in lines if f"scp -pr {folder} {host}:" in line]
    assert not [line for line in lines if "scp" in line and "127.0.0.1" in line]
    again = iot_farm("farm", "keys", str(file), environment=environment)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """The file of a farm of which two devices are on this machine, and three on a network."""
    file = tmp_path / "mixed.json"
    roles = {
        "initial": ["127.0.3.1"],
        "block1": ["127.0.3.2"],
        "block2": list(LAN[:2]),
        "block3": ["127.0.3.5"],
        "spare": ["192.0.2.5"],
    }
    file.write_text(json.dumps({"node": roles}))
    return file


@pytest.mark.parametrize("command", [["run", "--target"], ["node", "--target"], ["farm", "up"]])
def test_a_command_on_a_network_asks_for_keys(tmp_path: Path, mixed: Path, command: list[str]) -> None:
    """`run`, `node` and `farm up` end with exit code 2 and the way out, before anything is started or sent."""
    environment = {"IOT_FARM_KEYS": str(tmp_path / "keys"), "IOT_FARM_STATE": str(tmp_path / "state")}
    done = iot_farm(*command, str(mixed), environment=environment)
    assert done.returncode == 2
    assert "is an address of a network" in done.stderr
    assert "iot-farm farm keys" in done.stderr
    assert "--insecure-lan" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_on_a_network_needs_no_keys(tmp_path: Path, mixed: Path) -> None:
    """--dry-run shows the plan of a farm that has none."""
    done = iot_farm("run", "--target", str(mixed), "--dry-run", environment={"IOT_FARM_KEYS": str(tmp_path / "keys")})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("word", [["--insecure-lan"], []])
def test_the_users_word_does_in_place_of_keys(tmp_path: Path, mixed: Path, word: list[str]) -> None:
    """With --insecure-lan a node comes as far as its next mistake; the control is told of the keys."""
    command = ("node", "--target", str(mixed), "--address", "127.0.3.2", "--core", "4096", *word)
    done = iot_farm(*command, environment={"IOT_FARM_KEYS": str(tmp_path / "keys")})
    assert done.returncode == 2
    assert ("core 4096" if word else "is an address of a network") in done.stderr


def test_a_farm_with_keys_computes_over_tls(tmp_path: Path) -> None:
    """A run over mutual TLS verifies every frame and says so in its record; who has no keys is not answered."""
    file = tmp_path / "alexnet-5.json"
    file.write_text(json.dumps(farm_document("alexnet-5")))
    folders = {"STATE": "state", "RESULTS": "results", "KEYS": "keys"}
    farm = Farm(file, "alexnet-5", {f"IOT_FARM_{name}": str(tmp_path / folder) for name, folder in folders.items()})
    stranger = {**farm.environment, "IOT_FARM_KEYS": str(tmp_path / "none")}
    assert farm.command("farm", "keys", str(file)).returncode == 0
    try:
        up = farm.command("farm", "up", str(file))
        assert up.returncode == 0, up.stdout + up.stderr
        asked = iot_farm("farm", "status", str(file), environment=stranger)
        assert asked.returncode == 3
        assert asked.stdout.count("speaks mutual TLS only") == 4
        assert farm.command("farm", "status", str(file)).stdout.count("[x]") == 4
        run = farm.command("run", "--target", str(file), "--frames", "20", "--json")
        assert run.returncode == 0, run.stdout + run.stderr
    finally:
        down = farm.command("farm", "down", str(file))
    assert down.returncode == 0, down.stderr
    record = json.loads(run.stdout)
    assert record["options"]["auth"] == "tls"
    assert record["verdict"]["status"] == "VALID"
    assert record["metrics"]["frames_verified"] == record["metrics"]["frames_sent"] >= 20
    checked = farm.command("record", "check", record["path"])
    assert checked.returncode == 0, checked.stdout + checked.stderr
