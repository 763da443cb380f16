"""The cut that a farm file may carry beside its addresses: which layers each role computes, in how many parts.

``{"node": {...}, "partition": {"model": "alexnet", "roles": {"front": {"first": "rescale", "last": "pool1"},
"conv2": {"first": "conv2", "last": "conv2", "parts": 2, "split": "rows"}, ...}}}``. Roles stand in the order of the
layers. Whether the layers are there, and can be cut so, is for `harness.partition` to say, which knows models.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import BadInputError

COLUMNS: Final = "columns"
"""How parts differ where the file names no split."""
_MOST: Final = 9999
_HINT: Final = 'write {"model": "alexnet", "roles": {"block1": {"first": "rescale", "last": "flatten"}, ...}}'
_KEYS: Final = {"first", "last", "parts", "replicas", "split"}


@dataclass(frozen=True)
class RoleCut:
    """What the file says of one role.

    Attributes:
        first: its first layer.
        last: its last layer.
        parts: into how many its work is cut.
        replicas: nodes that hold each part; None leaves it to the number of addresses.
        split: along which axis parts differ.
    """

    first: str
    last: str
    parts: int = 1
    replicas: int | None = None
    split: str = COLUMNS


@dataclass(frozen=True)
class FarmCut:
    """What the file says of the cut.

    Attributes:
        model: name of the model.
        roles: role -> its layers and parts, in the order of the layers.
    """

    model: str
    roles: dict[str, RoleCut]

    @classmethod
    def from_document(cls, document: Any, source: str) -> FarmCut:
        """Check the object `partition` of a farm file.

        Raises:
            BadInputError: the shape is wrong; the message names the file and the role.
        """
        about = f'farm {source}: "partition"'
        if not isinstance(document, dict) or not isinstance(document.get("model"), str):
            raise BadInputError(f"{about} names no model", _HINT)
        roles = document.get("roles")
        if not isinstance(roles, dict) or not roles:
            raise BadInputError(f"{about} has no roles", _HINT)
        if unknown := sorted(set(document) - {"model", "roles"}):
            raise BadInputError(f"{about} has an unknown key {reprlib.repr(unknown[0])}", _HINT)
        return cls(document["model"], {name: _role(found, f'{about}: role "{name}"') for name, found in roles.items()})


def _role(document: Any, about: str) -> RoleCut:
    if not isinstance(document, dict) or not {"first", "last"} <= set(document):
        raise BadInputError(f"{about} has no first and last layer", _HINT)
    if unknown := sorted(set(document) - _KEYS):
        raise BadInputError(
            f"{about} has an unknown key {reprlib.repr(unknown[0])}", f"known: {', '.join(sorted(_KEYS))}"
        )
    for key in ("first", "last", "split"):
        if not isinstance(document.get(key, ""), str):
            raise BadInputError(f"{about} has {key} {reprlib.repr(document[key])}", "it is a name, in quotes")
    for key in ("parts", "replicas"):
        count = document.get(key, 1)
        if type(count) is not int or not 1 <= count <= _MOST:
            raise BadInputError(f"{about} has {key} {reprlib.repr(count)}", f"it is a number from 1 to {_MOST}")
    return RoleCut(**document)
