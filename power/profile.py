"""What is to be known of an instrument to read it: data in a TOML file, no code per instrument."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from power import profile_sections as sections
from power.checked_table import CheckedTable
from power.errors import ProfileError
from power.meter import Kind, Scope
from power.profile_sections import Accuracy, Check, Integrate, Limits, RangeCommands, Ready, Terminators

NR3 = r"[+-]?\d+\.\d+E[+-]\d{2}"
"""A number as IEEE 488.2 NR3 with two digits of exponent: no part of it that lacks its end matches too."""
NO_VALUE = ("NAN", "9.91E+37")
"""Not a number: by name, and as SCPI-99 (7.2.1.5) codes it."""
OVERRANGE = ("INF", "+INF", "-INF", "9.9E+37", "-9.9E+37")
"""Infinity, which stands for an overload: by name, and as SCPI-99 (7.2.1.4) codes it."""

_FOLDER = Path(__file__).with_name("profiles")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_FILE_BYTES = 100_000


@dataclass(frozen=True)
class Profile:
    r"""One family of instruments. Every command is one line, compound (`A;:B`) where there are several.

    Attributes:
        name: of the profile, lower case with dashes.
        description: the instruments that it is for.
        source: where the commands come from, and how far to trust them.
        match: pattern searched in the reply to `*IDN?`.
        resource: an example of a VISA address.
        read: the query for one reading.
        fields: field of `profile_sections.FIELDS` -> index of its value in the reply; empty for a block.
        power_from: "" where the instrument gives the power, else `profile_sections.PRODUCT`.
        values: how many values a reply holds.
        separator: between two values: "," or ";".
        number: pattern of a whole number in a reply; must not match when its end is cut off.
        numbers: field -> a pattern for this field where it differs.
        block: "f4be" for an IEEE 488.2 block of big-endian float32, "" for text.
        block_field: what the block holds: "power_w" or "current_a".
        volts: query for the voltage in volts that a block of currents needs; "" for none.
        update_s: seconds between two readings of the instrument, as set up here.
        kind: whether a reading is the mean over `update_s` or a value of one instant.
        scope: what the instrument sees.
        bad: texts, or numbers in any notation, that mean "no value".
        overrange: the same for "above the range".
        accuracy: of a power reading.
        limits: of a power reading.
        setup: commands before the first reading.
        verify: what reads the set-up back.
        ready: what to poll before `read`; None for nothing.
        stop: commands at the end.
        error: query for the oldest error; "" where there is none.
        error_ok: pattern searched in its reply that means "no error".
        range: how the power range is read and held; None where it is not known.
        integrate: the integrator's commands; None where it is not used.
        terminators: of replies and commands; "\n" where the file names none.
        sha256: of the file's bytes, in hexadecimal.
    """

    name: str
    description: str
    source: str
    match: str
    resource: str
    read: str
    fields: Mapping[str, int]
    power_from: Literal["", "voltage_v*current_a"]
    values: int
    separator: Literal[",", ";"]
    number: str
    numbers: Mapping[str, str]
    block: Literal["", "f4be"]
    block_field: Literal["power_w", "current_a"]
    volts: str
    update_s: float
    kind: Kind
    scope: Scope
    bad: tuple[str, ...]
    overrange: tuple[str, ...]
    accuracy: Accuracy
    limits: Limits
    setup: tuple[str, ...]
    verify: tuple[Check, ...]
    ready: Ready | None
    stop: tuple[str, ...]
    error: str
    error_ok: str
    range: RangeCommands | None
    integrate: Integrate | None
    terminators: Terminators
    sha256: str


def load_profile(path: Path) -> Profile:
    """Read one profile.

    Args:
        path: a TOML file; its keys are the attributes of `Profile`.

    Returns:
        The profile, checked.

    Raises:
        ProfileError: no such file, not UTF-8, not TOML, or a key that is unknown, missing or wrong; the message
            names file and key, the hint what is allowed.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ProfileError(f"profile {path} does not exist", "name a TOML file, or a profile that is shipped") from None
    except (OSError, ValueError) as error:
        raise ProfileError(f"profile {path} cannot be read: {error}", "name a TOML file") from None
    if len(raw) > _MAX_FILE_BYTES:
        raise ProfileError(f"profile {path} is larger than {_MAX_FILE_BYTES} bytes", "name a TOML file")
    try:
        document = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ProfileError(f"profile {path} is not UTF-8 at byte {error.start}", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        line = " ".join(str(error).split())
        raise ProfileError(f"profile {path} is not TOML: {line}", "patterns stand in single quotes") from None
    return _profile(CheckedTable(document, path), hashlib.sha256(raw).hexdigest())


def load_profiles(folder: Path) -> tuple[Profile, ...]:
    """Read every `*.toml` of a folder, sorted by name.

    Raises:
        ProfileError: the folder holds none, one of them is wrong, or two have the same name.
    """
    files: dict[str, Path] = {}
    profiles = []
    for file in sorted(folder.glob("*.toml")):
        profile = load_profile(file)
        if profile.name in files:
            raise ProfileError(
                f'profile {file}: key "name" is {profile.name!r}, as in {files[profile.name]}', "give each its own name"
            )
        files[profile.name] = file
        profiles.append(profile)
    if not profiles:
        raise ProfileError(f"folder {folder} holds no profile", "name a folder with *.toml files")
    return tuple(sorted(profiles, key=lambda profile: profile.name))


def shipped_profiles() -> tuple[Profile, ...]:
    """The profiles that come with this package, sorted by name."""
    return load_profiles(_FOLDER)


def find_profile(identity: str, profiles: Iterable[Profile]) -> Profile | None:
    """Choose the profile of an instrument.

    Args:
        identity: its reply to `*IDN?`, without the terminator.
        profiles: to choose from.

    Returns:
        The one whose pattern is found in the identity. Of several the longest pattern, being the most specific one,
        wins, then the first name. None where no pattern is found.
    """
    found = [profile for profile in profiles if re.search(profile.match, identity)]
    return min(found, key=lambda profile: (-len(profile.match), profile.name), default=None)


def _profile(table: CheckedTable, sha256: str) -> Profile:
    name = table.text("name")
    if not _NAME.fullmatch(name):
        raise table.wrong("name", f"is {name!r}"[:90], "allowed are a-z, 0-9 and single dashes between them")
    update_s = table.number("update_s")
    if update_s <= 0:
        raise table.wrong("update_s", f"is {update_s}", "allowed is a number of seconds above 0")
    block = table.text("block", "", ("f4be",))
    block_field = table.text("block_field", "power_w", ("power_w", "current_a"))
    volts = table.line("volts", "")
    if bool(volts) != (bool(block) and block_field == "current_a"):
        raise table.wrong("volts", "does not fit", 'a block with block_field "current_a" needs it, nothing else has it')
    fields, power_from = sections.read_fields(table, bool(block))
    profile = Profile(
        name=name,
        description=table.text("description"),
        source=table.text("source"),
        match=table.pattern("match"),
        resource=table.line("resource"),
        read=table.line("read"),
        fields=MappingProxyType(fields),
        power_from=cast("Literal['', 'voltage_v*current_a']", power_from),
        values=sections.read_values(table, fields),
        separator=cast("Literal[',', ';']", table.text("separator", ",", (",", ";"))),
        number=table.pattern("number", NR3),
        numbers=MappingProxyType(sections.read_numbers(table, fields)),
        block=cast("Literal['', 'f4be']", block),
        block_field=cast("Literal['power_w', 'current_a']", block_field),
        volts=volts,
        update_s=update_s,
        kind=cast("Kind", table.text("kind", None, ("average", "point"))),
        scope=cast("Scope", table.text("scope", "wall", ("wall", "board rails", "package"))),
        bad=table.texts("bad", NO_VALUE),
        overrange=table.texts("overrange", OVERRANGE),
        accuracy=sections.read_accuracy(table),
        limits=sections.read_limits(table),
        setup=table.lines("setup"),
        verify=sections.read_checks(table),
        ready=sections.read_ready(table),
        stop=table.lines("stop"),
        error=table.line("error", ""),
        error_ok=table.pattern("error_ok", r"^\+?0\b"),
        range=sections.read_range(table),
        integrate=sections.read_integrate(table),
        terminators=sections.read_terminators(table),
        sha256=sha256,
    )
    table.finish()
    return profile
