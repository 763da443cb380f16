"""The cut of a model as a farm file may carry it beside its addresses, so that roles need not be the paper's.

    "partition": {"model": "alexnet",
                  "roles": {"stage1": {"first": "rescale", "last": "flatten", "parts": 1, "replicas": 2}, ...}}

Where parts are not columns of a dense layer, `"split"` says what they are. Whether the layers are those of the model,
and can be split so, is checked where models are known, in `harness.partition.paper`.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import BadInputError

_SHORT = reprlib.Repr()
_MOST_PARTS: Final = 1000
_MOST_REPLICAS: Final = 100_000
_COLUMNS: Final = "columns"
_KEYS: Final = {"first", "last", "parts", "replicas"}


@dataclass(frozen=True)
class PlannedRole:
    """What a role computes.

    Attributes:
        role: its name.
        first: its first layer.
        last: its last layer.
        parts: into which it is split.
        replicas: nodes that hold each part.
        split: along which axis parts differ.
    """

    role: str
    first: str
    last: str
    parts: int
    replicas: int
    split: str = _COLUMNS

    @property
    def nodes(self) -> int:
        """Addresses that it needs."""
        return self.parts * self.replicas

    def to_document(self) -> dict[str, Any]:
        """As it stands in a farm file."""
        found = {"first": self.first, "last": self.last, "parts": self.parts, "replicas": self.replicas}
        return found | ({} if self.split == _COLUMNS else {"split": self.split})


@dataclass(frozen=True)
class PlannedCut:
    """A cut.

    Attributes:
        model: name of the model.
        roles: in the order of its layers.
    """

    model: str
    roles: tuple[PlannedRole, ...]

    def to_document(self) -> dict[str, Any]:
        """As it stands in a farm file."""
        return {"model": self.model, "roles": {role.role: role.to_document() for role in self.roles}}


def planned_cut(document: Any, addresses: dict[str, int], source: str) -> PlannedCut:
    """Check the cut of a farm file.

    Args:
        document: what stands under "partition".
        addresses: computing role -> how many addresses the file names for it.
        source: of the file, for messages.

    Raises:
        BadInputError: the shape is wrong, or roles and addresses do not fit; the message names what.
    """
    hint = (
        'expected {"model": "alexnet", "roles": {"stage1": {"first": LAYER, "last": LAYER, "parts": 1, "replicas": 1}}}'
    )
    if not isinstance(document, dict) or set(document) != {"model", "roles"}:
        raise BadInputError(f'farm {source}: "partition" needs exactly "model" and "roles"', hint)
    model, roles = document["model"], document["roles"]
    if not isinstance(model, str) or not isinstance(roles, dict) or not roles:
        raise BadInputError(f'farm {source}: "partition" names no model, or no roles', hint)
    cut = PlannedCut(model, tuple(_role(name, entry, source, hint) for name, entry in roles.items()))
    for role in cut.roles:
        if role.role not in addresses:
            raise BadInputError(f'farm {source} has no role "{role.role}", which its partition names', hint)
        if role.nodes != addresses[role.role]:
            raise BadInputError(
                f'farm {source} has {addresses[role.role]} addresses for "{role.role}"',
                f"its partition needs {role.nodes}: {role.parts} part(s) on {role.replicas} node(s) each",
            )
    unknown = next((name for name in addresses if name not in roles), None)
    if unknown is not None:
        raise BadInputError(f'farm {source} has an unknown role "{unknown}"', f"its partition has {', '.join(roles)}")
    return cut


def _role(name: str, entry: Any, source: str, hint: str) -> PlannedRole:
    if not isinstance(entry, dict) or set(entry) - {"split"} != _KEYS:
        raise BadInputError(f'farm {source}: role {_SHORT.repr(name)} of "partition" is incomplete', hint)
    for key in ("first", "last"):
        if not isinstance(entry[key], str):
            raise BadInputError(f'farm {source}: "{key}" of role {_SHORT.repr(name)} is no layer', hint)
    for key, most in (("parts", _MOST_PARTS), ("replicas", _MOST_REPLICAS)):
        value = entry[key]
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise BadInputError(
                f'farm {source}: "{key}" of role {_SHORT.repr(name)} is {_SHORT.repr(value)}', "give a number from 1"
            )
    split = entry.get("split", _COLUMNS)
    if not isinstance(split, str):
        raise BadInputError(f'farm {source}: "split" of role {_SHORT.repr(name)} is {_SHORT.repr(split)}', hint)
    return PlannedRole(name, entry["first"], entry["last"], entry["parts"], entry["replicas"], split)
