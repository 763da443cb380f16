"""The farm file of the paper: a JSON object that maps each role to a list of addresses.

The format is that of the artifact appendix (A.7): ``{"node": {"initial": ["192.168.1.8"], "block1": [...]}}``.
Three things are read beyond it: an address may carry a port (``"127.0.0.1:2345"``), and, as the published
scripts did, whatever follows an entry ``"#"`` in a list is switched off. Devices of the role ``"spare"`` compute
nothing until another one fails. A planned farm also says how its model is cut: `harness.farm.planned_cut`.
"""

from __future__ import annotations

import ipaddress
import json
import re
import reprlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadInputError, NotFoundError
from harness.farm.planned_cut import PlannedCut, planned_cut

NODE_PORT = 12345
"""Port of a node where the farm file names none (the artifact's node.py)."""
INITIAL_PORT = 9999
"""Port of the source and sink where the farm file names none (the artifact's initial.py)."""
INITIAL = "initial"
"""The role of the source and sink."""
SPARE = "spare"
"""The role of devices that stand ready for any other role."""

_A_TARGET = "name a registered target or a JSON file: role -> addresses"
_LARGEST_PORT = 65_535
_MAX_FILE_BYTES = 1_000_000
_SHORT = reprlib.Repr()  # shows what stands in a file on one line, and the ends of it where it is long
_SHORT.maxstring = _SHORT.maxother = 80
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")


@dataclass(frozen=True, order=True)
class Address:
    """Where one node listens: a host name or IPv4 address, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int) -> Address:
        """Read ``host`` or ``host:port``.

        Raises:
            ValueError: the text is neither; the message says what is wrong.
        """
        host, colon, port_text = text.strip().partition(":")
        if re.fullmatch(r"[0-9.]+", host):
            try:
                ipaddress.IPv4Address(host)
            except ValueError as error:
                raise ValueError(f"{_SHORT.repr(text)} is not an IPv4 address") from error
        elif not _HOST.fullmatch(host):
            raise ValueError(f"{_SHORT.repr(text)} is neither a host name nor an IPv4 address")
        if not colon:
            return cls(host, default_port)
        if not re.fullmatch(r"[0-9]{1,5}", port_text) or not 1 <= int(port_text) <= _LARGEST_PORT:
            raise ValueError(f"{_SHORT.repr(text)} has no port from 1 to {_LARGEST_PORT}")
        return cls(host, int(port_text))


@dataclass(frozen=True)
class FarmConfig:
    """Roles and the addresses that hold them, in the order of the file.

    Attributes:
        roles: role name -> its addresses; holds `initial` with exactly one address.
        source: where it was read, for messages.
        cut: how the model is cut, where the file says so; None where the roles tell.
    """

    roles: dict[str, tuple[Address, ...]]
    source: str
    cut: PlannedCut | None = None

    @property
    def initial(self) -> Address:
        """Where results come back to."""
        return self.roles[INITIAL][0]

    @property
    def node_roles(self) -> dict[str, tuple[Address, ...]]:
        """The roles that compute: all but `initial` and `spare`."""
        return {role: addresses for role, addresses in self.roles.items() if role not in (INITIAL, SPARE)}

    @property
    def spares(self) -> tuple[Address, ...]:
        """Devices that stand ready, and compute nothing while all others work."""
        return self.roles.get(SPARE, ())

    @property
    def devices(self) -> int:
        """Number of devices, the initial (the paper counts it too) and spares included."""
        return sum(len(addresses) for addresses in self.roles.values())

    @classmethod
    def load(cls, path: Path) -> FarmConfig:
        """Read a farm file.

        Raises:
            NotFoundError: there is no such file.
            BadInputError: it is not JSON, or not a farm; the message names the file and the role.
        """
        try:
            with path.open("rb") as stream:
                raw = stream.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError(f"farm file {path} does not exist", _A_TARGET) from None
        except OSError as error:
            raise BadInputError(f"farm file {path} cannot be read: {error.strerror}", _A_TARGET) from None
        if len(raw) > _MAX_FILE_BYTES:
            raise BadInputError(f"farm file {path} is larger than {_MAX_FILE_BYTES} bytes", _A_TARGET)
        try:
            document = json.loads(raw.decode("utf-8"), object_pairs_hook=_refuse_duplicate_keys)
        except json.JSONDecodeError as error:
            raise BadInputError(
                f"farm file {path} is not JSON: {error.msg} at line {error.lineno} column {error.colno}",
                "a comma before a closing brace is a common cause",
            ) from None
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"farm file {path} is not JSON: {error}", _A_TARGET) from None
        return cls.from_document(document, str(path))

    @classmethod
    def from_document(cls, document: Any, source: str) -> FarmConfig:
        """Check a parsed farm document.

        Raises:
            BadInputError: the shape is wrong; the message names the key.
        """
        hint = 'expected {"node": {"initial": ["127.0.0.1"], "block1": ["127.0.0.2"], ...}}'
        if not isinstance(document, dict) or not isinstance(document.get("node"), dict):
            raise BadInputError(f'farm {source} has no object "node"', hint)
        unknown = sorted(set(document) - {"node", "partition"})
        if unknown:
            raise BadInputError(f'farm {source} has an unknown key {_SHORT.repr(unknown[0])} beside "node"', hint)
        roles = {role: _addresses(role, entries, source) for role, entries in document["node"].items()}
        if INITIAL not in roles:
            raise BadInputError(f'farm {source} has no role "initial"', "name the device where `run` is typed")
        if len(roles[INITIAL]) != 1:
            raise BadInputError(f'farm {source} names {len(roles[INITIAL])} addresses for "initial"', "name one")
        if not roles.keys() - {INITIAL, SPARE}:
            raise BadInputError(f'farm {source} has no role beside "initial"', hint)
        counts = Counter(address for addresses in roles.values() for address in addresses)
        twice = [address for address, count in counts.items() if count > 1]
        if twice:
            holders = [role for role, addresses in roles.items() if twice[0] in addresses]
            raise BadInputError(
                f"farm {source} names {twice[0]} twice (role {' and '.join(sorted(set(holders)))})",
                "every node needs an address or a port of its own",
            )
        if "partition" not in document:
            return cls(roles, source)
        counts_of = {role: len(addresses) for role, addresses in roles.items() if role not in (INITIAL, SPARE)}
        return cls(roles, source, planned_cut(document["partition"], counts_of, source))


def _refuse_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {_SHORT.repr(key)} stands twice in one object")
        result[key] = value
    return result


def _addresses(role: str, entries: Any, source: str) -> tuple[Address, ...]:
    if not _ROLE.fullmatch(role):
        raise BadInputError(
            f"farm {source} has a role with an unusable name {_SHORT.repr(role)}", "use A-Z a-z 0-9 - _"
        )
    if not isinstance(entries, list):
        raise BadInputError(f'farm {source}: role "{role}" is not a list of addresses', 'write ["127.0.0.2"]')
    default_port = INITIAL_PORT if role == INITIAL else NODE_PORT
    addresses = []
    for entry in entries:
        if not isinstance(entry, str):
            raise BadInputError(f'farm {source}: role "{role}" holds {_SHORT.repr(entry)}', "an address is a string")
        if entry.strip() == "#":
            break
        try:
            addresses.append(Address.parse(entry, default_port))
        except ValueError as error:
            raise BadInputError(f'farm {source}: role "{role}": {error}', "write HOST or HOST:PORT") from None
    if not addresses:
        raise BadInputError(f'farm {source}: role "{role}" has no address', "add one or remove the role")
    return tuple(addresses)
