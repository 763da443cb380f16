"""Farm files: the paper's are read unchanged, and nothing that is typed wrong ends in a traceback."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import BadInputError, NotFoundError, UserError
from harness.farm.config import INITIAL, INITIAL_PORT, NODE_PORT, Address, FarmConfig

ROOT = Path(__file__).parents[2]
GOOD = {"initial": ["127.0.0.50"], "block1": ["127.0.0.51"], "block2": ["127.0.0.52", "127.0.0.53"]}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=100)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just("node"), inner),
    max_leaves=12,
)
"""Any JSON document."""
addresses = st.from_regex(r"[0-9a-z.:#\n -]{0,20}", fullmatch=True) | st.text(max_size=300)
role_names = st.sampled_from(["initial", "block1", "block2", "fc1"]) | st.text(max_size=70)
nearly_farms = st.fixed_dictionaries(
    {
        "node": st.dictionaries(role_names, st.lists(addresses | documents, max_size=4) | documents, max_size=5)
        | documents
    },
    optional={"tpye": documents},
)
"""Documents that look like a farm, so that the checks behind the first ones are reached too."""
hosts = st.ip_addresses(v=4).map(str) | st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9](\.[a-z]{2,5})?", fullmatch=True)


@st.composite
def farms(draw: st.DrawFn) -> dict[str, list[Address]]:
    """Roles of a good farm, each with addresses of its own."""
    roles = draw(
        st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,63}", fullmatch=True), min_size=1, max_size=5, unique=True)
    )
    roles = [INITIAL, *(role for role in roles if role != INITIAL)]
    if len(roles) == 1:
        roles.append("block1")
    sizes = [1, *(draw(st.integers(1, 4)) for _ in roles[1:])]
    found = draw(
        st.lists(
            st.builds(Address, hosts, st.integers(1, 65_535)),
            min_size=sum(sizes),
            max_size=sum(sizes),
            unique=True,
        )
    )
    remaining = iter(found)
    return {role: [next(remaining) for _ in range(size)] for role, size in zip(roles, sizes, strict=True)}


def farm_of(roles: Any) -> FarmConfig:
    """The farm of these roles."""
    return FarmConfig.from_document({"node": roles}, "farm.json")


def assert_told_well(error: UserError, source: str = "farm.json") -> None:
    """One short line that names the file, and a way out, whatever stood in it."""
    assert source in error.message
    for line in (error.message, error.hint):
        assert line
        assert len(line) < 400
        assert len(line.splitlines()) == 1
        assert line.isprintable()


def assert_sound(farm: FarmConfig) -> None:
    """What every farm that is accepted promises."""
    found = [address for role in farm.roles.values() for address in role]
    assert len(farm.roles[INITIAL]) == 1
    assert farm.node_roles
    assert all(farm.roles.values())
    assert len(set(found)) == len(found) == farm.devices
    assert all(address.host and 1 <= address.port <= 65_535 for address in found)


@given(documents | nearly_farms)
@example({"node": GOOD})
@example({"node": {**GOOD, "b\x1b[31m\nlock": ["127.0.0.9"]}})
@example({"node": {**GOOD, "block3": ["127.0.0.9\n127.0.0.10"]}})
@example({"node": {**GOOD, "block3": [["127.0.0.9"] * 1000]}})
@example({"node": {**GOOD, "block3": ["127.0.0.9:" + "9" * 5000]}})
@example({"node": GOOD, "x" * 100_000: 1})
def test_any_document_is_a_farm_or_a_user_error(document: Any) -> None:
    """Whatever a JSON file holds, it is a sound farm, or one printable line says why not."""
    try:
        farm = FarmConfig.from_document(document, "farm.json")
    except BadInputError as error:
        assert_told_well(error)
    else:
        assert_sound(farm)


@given(st.binary(max_size=200) | (documents | nearly_farms).map(lambda document: json.dumps(document).encode()))
@example(b"")
@example(b"\xff\xfe{}")
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
@example(b"1" * 5000)
@example(b'{"node": {"initial": ["127.0.0.1"], "\\ud800": ["127.0.0.2"]}}')
@example(b'{"node": {"a": [], "a": []}}')
@example(b'{"node": {"\\u0007\\n": [], "\\u0007\\n": []}}')
def test_any_bytes_are_a_farm_or_a_user_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever bytes a file holds, reading it gives a sound farm or one line that names the file."""
    path = tmp_path_factory.getbasetemp() / "any-bytes.json"
    path.write_bytes(content)
    try:
        farm = FarmConfig.load(path)
    except BadInputError as error:
        assert_told_well(error, str(path))
    else:
        assert_sound(farm)


@given(farms())
def test_a_good_farm_is_read_as_it_is_written(roles: dict[str, list[Address]]) -> None:
    """Roles, order and addresses come back as they stand in the file."""
    farm = farm_of({role: [str(address) for address in found] for role, found in roles.items()})
    assert {role: list(found) for role, found in farm.roles.items()} == roles
    assert list(farm.roles) == list(roles)
    assert farm.initial == roles[INITIAL][0]


def test_an_address_without_a_port_gets_the_port_of_the_artifact() -> None:
    """A node listens on 12345 and the initial on 9999, unless the address says otherwise."""
    farm = farm_of({"initial": ["pi0"], "block1": ["192.168.1.3", "192.168.1.4:2345", " pi5.local "]})
    assert farm.initial == Address("pi0", INITIAL_PORT) == Address("pi0", 9999)
    assert farm.roles["block1"] == (
        Address("192.168.1.3", NODE_PORT),
        Address("192.168.1.4", 2345),
        Address("pi5.local", 12345),
    )


def test_what_follows_a_hash_is_switched_off() -> None:
    """As in the published scripts, a `#` in a list ends it; a role that is all switched off is refused."""
    farm = farm_of({"initial": ["a1"], "block1": ["a2", "#", "a2", "no address at all"]})
    assert farm.roles["block1"] == (Address("a2", NODE_PORT),)
    with pytest.raises(BadInputError, match='role "block1" has no address'):
        farm_of({"initial": ["a1"], "block1": ["#", "a2"]})


@pytest.mark.parametrize("devices", [5, 6, 9, 11])
def test_the_shipped_farm_files_are_farms(devices: int) -> None:
    """The paper's configurations and the loopback farms have as many devices as their names say."""
    paper = FarmConfig.load(ROOT / f"ck-machines/farms/farm-{devices}.json")
    local = FarmConfig.load(ROOT / f"ck-machines/machine/farm-{devices}-local/ip")
    assert paper.devices == local.devices == devices
    assert {role: len(found) for role, found in paper.roles.items()} == {
        role: len(found) for role, found in local.roles.items()
    }
    found = [address for role in local.roles.values() for address in role]
    assert all(address.host.startswith("127.") for address in found)
    assert len({address.host for address in found}) == devices
    assert {address.port for address in found} == {INITIAL_PORT, NODE_PORT}


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (None, 'no object "node"'),
        ([], 'no object "node"'),
        ({}, 'no role "initial"'),
        ({"block1": ["a1"]}, 'no role "initial"'),
        ({"initial": ["a1"]}, 'no role beside "initial"'),
        ({**GOOD, "initial": ["a1", "a2"]}, '2 addresses for "initial"'),
        ({**GOOD, "initial": []}, 'role "initial" has no address'),
        ({**GOOD, "block2": []}, 'role "block2" has no address'),
        ({**GOOD, "block2": "127.0.0.9"}, 'role "block2" is not a list of addresses'),
        ({**GOOD, "block2": [7]}, 'role "block2" holds 7'),
        ({**GOOD, "block2": [None]}, 'role "block2" holds None'),
        ({**GOOD, "": ["127.0.0.9"]}, "unusable name ''"),
        ({**GOOD, "block 3": ["127.0.0.9"]}, "unusable name 'block 3'"),
        ({**GOOD, "block2": ["127.0.0.51"]}, "127.0.0.51:12345 twice (role block1 and block2)"),
        ({**GOOD, "block2": ["127.0.0.9", "127.0.0.9:12345"]}, "127.0.0.9:12345 twice (role block2)"),
        ({**GOOD, "block2": ["127.0.0.50:9999"]}, "127.0.0.50:9999 twice (role block2 and initial)"),
        ({**GOOD, "block2": [""]}, "'' is neither a host name nor an IPv4 address"),
        ({**GOOD, "block2": ["::1"]}, "'::1' is neither"),
        ({**GOOD, "block2": ["pi_3"]}, "'pi_3' is neither"),
        ({**GOOD, "block2": ["-pi"]}, "'-pi' is neither"),
        ({**GOOD, "block2": ["x" * 254]}, "is neither a host name nor an IPv4 address"),
        ({**GOOD, "block2": ["http://pi"]}, "has no port from 1 to 65535"),
        ({**GOOD, "block2": ["127.0.0.256"]}, "'127.0.0.256' is not an IPv4 address"),
        ({**GOOD, "block2": ["127.0.0"]}, "'127.0.0' is not an IPv4 address"),
        ({**GOOD, "block2": ["127.0.0.09"]}, "'127.0.0.09' is not an IPv4 address"),
        ({**GOOD, "block2": ["pi3:"]}, "'pi3:' has no port from 1 to 65535"),
        ({**GOOD, "block2": ["pi3:0"]}, "'pi3:0' has no port"),
        ({**GOOD, "block2": ["pi3:65536"]}, "'pi3:65536' has no port"),
        ({**GOOD, "block2": ["pi3:-1"]}, "'pi3:-1' has no port"),
        ({**GOOD, "block2": ["pi3:12a"]}, "'pi3:12a' has no port"),
        ({**GOOD, "block2": ["pi3:1:2"]}, "'pi3:1:2' has no port"),
        ({**GOOD, "block2": ["pi3:\u0664"]}, "has no port"),
    ],
)
def test_a_wrong_farm_is_named(node: Any, named: str) -> None:
    """The message names the farm, the role and what stands there; the untouched farm is accepted."""
    farm_of(GOOD)
    with pytest.raises(BadInputError) as caught:
        farm_of(node)
    assert named in caught.value.message
    assert_told_well(caught.value)


def test_a_key_beside_node_is_refused() -> None:
    """A misspelt second object is not silently ignored."""
    with pytest.raises(BadInputError, match="unknown key 'notes' beside \"node\""):
        FarmConfig.from_document({"node": GOOD, "notes": {}}, "farm.json")


def test_a_trailing_comma_is_told_with_its_place(tmp_path: Path) -> None:
    """The commonest slip of a JSON file is named with line and column."""
    path = tmp_path / "farm.json"
    path.write_text('{"node": {\n  "initial": ["127.0.0.1"],\n}}')
    # Python 3.13 points at the comma, earlier versions at the brace behind it.
    with pytest.raises(BadInputError, match=r"farm\.json is not JSON: .* at line [23] column \d+") as caught:
        FarmConfig.load(path)
    assert "comma" in caught.value.hint


def test_a_role_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """JSON readers keep the last of two equal keys; a farm that loses nodes that way is refused."""
    path = tmp_path / "farm.json"
    path.write_text('{"node": {"initial": ["a1"], "block1": ["a2"], "block1": ["a3"]}}')
    assert set(json.loads(path.read_text())["node"]["block1"]) == {"a3"}  # what the standard reader makes of it
    with pytest.raises(BadInputError, match="the key 'block1' stands twice"):
        FarmConfig.load(path)


def test_a_file_that_cannot_be_a_farm_file(tmp_path: Path) -> None:
    """A missing file, a folder, and a device that never ends are refused, each by name and at once."""
    with pytest.raises(NotFoundError, match=r"nowhere\.json does not exist"):
        FarmConfig.load(tmp_path / "nowhere.json")
    with pytest.raises(BadInputError, match="cannot be read: Is a directory"):
        FarmConfig.load(tmp_path)
    with pytest.raises(BadInputError, match="/dev/zero is larger than 1000000 bytes") as caught:
        FarmConfig.load(Path("/dev/zero"))
    assert_told_well(caught.value, "/dev/zero")
