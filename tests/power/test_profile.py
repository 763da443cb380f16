"""Profiles: the shipped ones are sound and told apart, and nothing that is written wrong in one passes."""

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import PowerError, ProfileError
from power.profile import NR3, Profile, find_profile, load_profile, load_profiles, shipped_profiles
from power.profile_sections import Accuracy, Ready, Terminators

SMALLEST = """
name = "bench-meter"
description = "A meter"
source = "its manual"
match = '^ACME,M1,'
resource = "TCPIP::127.0.0.1::5025::SOCKET"
read = "POW?"
update_s = 0.1
kind = "average"
fields = { power_w = 0 }
limits = { min_w = -1, max_w = 100 }
"""
IDENTITIES = {
    "chroma-66200": ["Chroma,66202,662020000123,1.30", "CHROMA ATE,66205,1,2.0"],
    "generic-supply": [
        "HEWLETT-PACKARD,E3631A,0,2.1-5.0-1.0",
        "Keysight Technologies,E36312A,MY12345678,1.0.4-1.0.0-1.02",
        "GENERIC,SUPPLY,VIRTUAL,1.0",
    ],
    "gw-instek-gpm8213": ["GWINSTEK,GPM-8213,GES123456,V1.05", "GWInstek,GPM-8213,VIRTUAL,V1.00"],
    "itech-it9121": ["ITECH Ltd,IT9121,600123456789,1.15-1.10", "ITECH,IT9121,VIRTUAL,1.0"],
    "keysight-n6705": ["Agilent Technologies,N6705B,MY50001234,D.01.08", "Keysight Technologies,N6705C,MY5,E.02.07"],
    "rs-hmc8015": ["Rohde&Schwarz,HMC8015,100123,1.301", "HAMEG,HMC8015,VIRTUAL,1.0"],
    "siglent-spd3303x": ["Siglent Technologies,SPD3303X,SPD3XABC123456,1.01.01.02.05,V3.0"],
    "tektronix-pa1000": ["Tektronix,PA1000,B010123,1.003.010", "TEKTRONIX,PA1000,VIRTUAL,1.0"],
    "yokogawa-wt300e": [
        "YOKOGAWA,WT310E,C3TA12345E,F1.04",
        "YOKOGAWA,WT310,C2QA12345V,F1.01",
        "YOKOGAWA,WT310EH,C3TA1,F1.04",
        "YOKOGAWA,WT333E,C3TA12345E,F1.04",
    ],
}
"""Plausible replies to *IDN? of each shipped profile; the serial numbers are made up."""
STRANGERS = ["YOKOGAWA,WT5000,C1,F1.0", "KEITHLEY INSTRUMENTS,MODEL DMM6500,0,1", "ACME,WT310E,1,1", "1.8000E+01", ""]
WRONG = [
    ("unknown key", 'colour = "red"', "colour", "allowed:"),
    ("unknown key that is near", "reed = 'POW?'", "reed", 'did you mean "read"'),
    ("a unit in a field", "fields = { power_w = 0, power_mw = 1 }", "fields.power_mw", "power_w"),
    ("no power", "fields = { voltage_v = 0 }", "fields.power_w", "voltage_v*current_a"),
    ("another expression", 'fields = { power_w = "voltage_v*2" }', "fields.power_w", "voltage_v*current_a"),
    ("half an expression", 'fields = { power_w = "voltage_v*current_a", voltage_v = 0 }', "fields.current_a", "needs"),
    ("negative index", "fields = { power_w = -1 }", "fields.power_w", "from 0"),
    ("fractional index", "fields = { power_w = 1.5 }", "fields.power_w", "whole number"),
    ("truth as an index", "fields = { power_w = true }", "fields.power_w", "whole number"),
    ("index twice", "fields = { power_w = 1, voltage_v = 1 }", "fields.voltage_v", "index of its own"),
    ("too few values", "fields = { power_w = 3 }\nvalues = 3", "values", "at least 4"),
    ("no update", "update_s = 0", "update_s", "above 0"),
    ("negative update", "update_s = -0.1", "update_s", "above 0"),
    ("endless update", "update_s = inf", "update_s", "finite"),
    ("text for a number", 'update_s = "0.1 s"', "update_s", "finite number"),
    ("number for a text", "read = 5", "read", "text"),
    ("empty text", 'read = ""', "read", "not empty"),
    ("two lines in a command", 'read = "POW?\\nVOLT?"', "read", "one line"),
    ("a name with blanks", 'name = "My Meter"', "name", "a-z"),
    ("bad match", "match = '('", "match", "single quotes"),
    ("bad number", "number = '*'", "number", "single quotes"),
    ("kind", 'kind = "mean"', "kind", "'average', 'point'"),
    ("scope", 'scope = "room"', "scope", "'wall'"),
    ("separator", 'separator = " "', "separator", "','"),
    ("terminator", 'terminators = { read = "X" }', "terminators.read", "one of"),
    ("unknown terminator", 'terminators = { reed = "\\n" }', "terminators.reed", "read"),
    ("set-up is no list", 'setup = "A"', "setup", "list"),
    ("set-up holds a number", "setup = [1]", "setup", "text"),
    ("check without a pattern", 'verify = [{ query = "A?" }]', "verify.expect", "needs"),
    ("check is no table", 'verify = ["A?"]', "verify", "table"),
    ("ready without value", 'ready = { query = "A?" }', "ready.value", "needs"),
    ("range without pattern", 'range = { query = "R?" }', "range.watts", "needs"),
    ("range without group", "range = { query = 'R?', watts = '1' }", "range.watts", "group"),
    ("range without query", "range = { watts = '(1)' }", "range.query", "needs"),
    ("auto without fix", "range = { query = 'R?', watts = '(1)', auto = 'A' }", "range.fix", "ranging pass"),
    ("no such group", "range = { query = 'R?', watts = '(1)', auto = 'A', fix = 'R {2}' }", "range.fix", "{1} to {1}"),
    ("open brace", "range = { query = 'R?', watts = '(1)', auto = 'A', fix = 'R {' }", "range.fix", "{1} to {1}"),
    (
        "held alone",
        "range = { query = 'R?', watts = '(1)', held = { query = 'H?', expect = '0' } }",
        "range.held",
        "fix",
    ),
    ("negative accuracy", "accuracy = { reading_pct = -0.1 }", "accuracy.reading_pct", "from 0"),
    ("no limits at all", "limits = 5", "limits", "table"),
    ("limits reversed", "limits = { min_w = 0, max_w = -1 }", "limits", "min_w <= 0 < max_w"),
    ("limits that exclude 0", "limits = { min_w = 1, max_w = 2 }", "limits", "min_w <= 0 < max_w"),
    ("block", 'block = "f8le"', "block", "f4be"),
    ("block beside fields", 'block = "f4be"', "fields", "block_field"),
    ("volts without block", 'volts = "V?"', "volts", "block"),
    ("integrate", "integrate = { reset = 'A', start = 'B', stop = 'C' }", "integrate.settle_s", "needs"),
    ("numbers of no field", "numbers = { energy_wh = 'x' }", "numbers.energy_wh", "power_w"),
]


def with_changes(changes: str) -> str:
    """The smallest profile with these lines instead of the ones of the same keys."""
    keys = {line.partition("=")[0].strip() for line in changes.splitlines()}
    kept = [line for line in SMALLEST.splitlines() if line.partition("=")[0].strip() not in keys]
    return "\n".join([*kept, changes]) + "\n"


def written(folder: Path, text: str, name: str = "meter.toml") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def assert_told_well(error: PowerError, *parts: str) -> None:
    """One printable line that holds these parts, and a hint."""
    for line in (error.message, error.hint):
        assert line
        assert line.isprintable()
        assert len(line) < 900
    for part in parts:
        assert part in error.message


def test_the_smallest_profile_has_the_documented_defaults(tmp_path: Path) -> None:
    """Keys that may be left out have the documented values, and unknown accuracy is None."""
    path = written(tmp_path, SMALLEST)
    profile = load_profile(path)
    assert (profile.fields, profile.values, profile.power_from) == ({"power_w": 0}, 1, "")
    assert profile.number == NR3
    assert profile.terminators == Terminators("\n", "\n")
    assert profile.accuracy == Accuracy(None, None)
    assert profile.scope == "wall"
    assert profile.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert profile.ready is None
    assert profile.integrate is None
    assert profile.setup == profile.verify == profile.stop == ()
    other = load_profile(written(tmp_path, SMALLEST + "# a remark\n", "other.toml"))
    assert other.sha256 != profile.sha256


@pytest.mark.parametrize(("changes", "key", "allowed"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_written_wrong_is_refused_by_name(tmp_path: Path, changes: str, key: str, allowed: str) -> None:
    """A wrong key ends in a ProfileError that names file and key, with what is allowed as the hint."""
    path = written(tmp_path, with_changes(changes))
    with pytest.raises(ProfileError) as told:
        load_profile(path)
    assert_told_well(told.value, str(path), f'"{key}"')
    assert allowed in told.value.hint


@pytest.mark.parametrize("key", [line.partition(" =")[0] for line in SMALLEST.strip().splitlines()])
def test_each_required_key_is_missed(tmp_path: Path, key: str) -> None:
    """A profile without one of the required keys is refused, and the message names the key."""
    text = "\n".join(line for line in SMALLEST.splitlines() if not line.startswith(f"{key} ="))
    with pytest.raises(ProfileError) as told:
        load_profile(written(tmp_path, text))
    assert_told_well(told.value, f'"{key}"', "missing")


@pytest.mark.parametrize(
    ("raw", "told_of"),
    [(b"name = ", "not TOML"), (b"name = 'a'\nname = 'b'\n", "not TOML"), (b"# \xff\n", "not UTF-8"), (b"", "missing")],
)
def test_what_is_no_toml_is_refused(tmp_path: Path, raw: bytes, told_of: str) -> None:
    """Bytes that are not TOML or not UTF-8 end in a ProfileError that says so."""
    path = tmp_path / "meter.toml"
    path.write_bytes(raw)
    with pytest.raises(ProfileError) as told:
        load_profile(path)
    assert_told_well(told.value, str(path), told_of)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder and a file too large to be a profile end in a ProfileError."""
    large = written(tmp_path, "#" * 200_000, "large.toml")
    for path, told_of in ((tmp_path / "none.toml", "does not exist"), (tmp_path, "read"), (large, "larger")):
        with pytest.raises(ProfileError) as told:
            load_profile(path)
        assert_told_well(told.value, str(path), told_of)


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    """Two files that give one name are refused together, though each alone is good; a folder with none is too."""
    with pytest.raises(ProfileError, match="no profile"):
        load_profiles(tmp_path)
    written(tmp_path, SMALLEST, "a.toml")
    assert [profile.name for profile in load_profiles(tmp_path)] == ["bench-meter"]
    written(tmp_path, SMALLEST, "b.toml")
    with pytest.raises(ProfileError) as told:
        load_profiles(tmp_path)
    assert_told_well(told.value, "a.toml", "b.toml", "bench-meter")


@given(st.dictionaries(st.sampled_from(sorted(Profile.__annotations__)), st.sampled_from(
    ["1", "-1", "''", "'x'", "[]", "['a']", "{}", "{ power_w = 0 }", "{ query = 'a?' }", "true", "1e400", "nan",
     "1979-05-27", "[{}]", "'\\u0000'", '"\\u0000"', "9" * 400]), max_size=6))  # fmt: skip
def test_no_value_of_any_key_ends_in_another_error(tmp_path_factory: pytest.TempPathFactory, entries: dict[str, str]):
    """Whatever stands behind any key, the file is a profile or a ProfileError, never another exception."""
    path = tmp_path_factory.mktemp("any") / "meter.toml"
    path.write_text(with_changes("\n".join(f"{key} = {value}" for key, value in entries.items())), encoding="utf-8")
    try:
        profile = load_profile(path)
    except ProfileError as error:
        assert_told_well(error, str(path))
    else:
        assert profile.update_s > 0
        assert profile.block or profile.power_from or "power_w" in profile.fields


def test_the_shipped_profiles_are_sorted_and_complete() -> None:
    """The shipped profiles load, stand in the order of their names, and are the nine that the documents promise."""
    names = [profile.name for profile in shipped_profiles()]
    assert names == sorted(names) == sorted(IDENTITIES)


@pytest.mark.parametrize("name", sorted(IDENTITIES))
def test_each_identity_is_found_by_one_profile_alone(name: str) -> None:
    """Each plausible *IDN? reply is matched by the profile of its instrument and by no other shipped one."""
    shipped = shipped_profiles()
    for identity in IDENTITIES[name]:
        assert [profile.name for profile in shipped if re.search(profile.match, identity)] == [name]
        found = find_profile(identity, shipped)
        assert found is not None
        assert found.name == name


@pytest.mark.parametrize("identity", STRANGERS)
def test_a_stranger_has_no_profile(identity: str) -> None:
    """An instrument that no profile describes is not taken for another one."""
    assert find_profile(identity, shipped_profiles()) is None


def test_the_longer_pattern_wins_and_then_the_name(tmp_path: Path) -> None:
    """Of several matching profiles the longest pattern wins, of equally long ones the first name, in any order."""
    for name, match in (("c", "^ACME"), ("b", "ACME,"), ("a", "ACME"), ("d", "OTHER,LONGER")):
        written(tmp_path, with_changes(f"name = '{name}'\nmatch = '{match}'"), f"{name}.toml")
    profiles = load_profiles(tmp_path)
    for order in (profiles, profiles[::-1]):
        chosen = find_profile("ACME,M1,1,1", order)
        assert chosen is not None
        assert chosen.name == "b"


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda profile: profile.name)
def test_a_shipped_profile_claims_no_more_than_is_known(profile: Profile) -> None:
    """No shipped profile gives accuracy figures of its own, and each says that it was not tried on a bench."""
    assert profile.accuracy == Accuracy(None, None)
    assert "not tried on a bench" in profile.source
    assert re.fullmatch(profile.number, "1.234" if profile.name == "siglent-spd3303x" else "1.2340E+01")


def test_every_item_that_is_read_is_set_and_read_back() -> None:
    """The profiles with an item list set as many items as they expect, and read back each item that they use."""
    for name in ("yokogawa-wt300e", "gw-instek-gpm8213"):
        profile = next(profile for profile in shipped_profiles() if profile.name == name)
        setup = ";".join(profile.setup)
        items = [int(number) for number in re.findall(r":NUM:NORM:ITEM(\d+) ", setup)]
        assert items == list(range(1, profile.values + 1))
        assert f" {profile.values};" in setup
        checked = {check.query for check in profile.verify}
        assert {f":NUM:NORM:ITEM{index + 1}?" for index in profile.fields.values()} <= checked


def test_the_pa1000_waits_for_a_new_reading() -> None:
    """The profile of the PA1000 polls its data status before it reads; the others need not."""
    ready = {profile.name: profile.ready for profile in shipped_profiles() if profile.ready}
    assert ready == {"tektronix-pa1000": Ready(":DSR?", "2")}
