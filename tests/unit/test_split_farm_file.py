"""A split that stands in the farm file: read, checked, and told in one line where it cannot be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.models.split import Split
from harness.partition.paper import partition_for
from harness.partition.partition import Partition
from harness.plan.plan import make_plan

ROLES: dict[str, dict[str, Any]] = {
    "front": {"first": "rescale", "last": "pool1", "parts": 1, "replicas": 1},
    "conv2": {"first": "conv2", "last": "pool2", "parts": 2, "replicas": 2, "split": "rows"},
    "back": {"first": "conv3", "last": "predictions", "parts": 1, "replicas": 1},
}
COUNTS = {"front": 1, "conv2": 4, "back": 1}


def document(roles: Any = ROLES) -> dict[str, Any]:
    """A farm file."""
    numbers = iter(range(2, 200))
    node = {role: [f"127.0.0.{next(numbers)}" for _ in range(count)] for role, count in COUNTS.items()}
    told = {"model": "alexnet", "roles": copy.deepcopy(roles)}
    return {"node": {"initial": ["127.0.0.1"], **node}, "partition": told}


def cut_of(told: dict[str, Any]) -> Partition:
    """The partition that a farm file asks for."""
    return partition_for(FarmConfig.from_document(told, "farm.json"))


def test_a_cut_of_ones_own_is_read() -> None:
    """Layers, parts and split are those of the file, replicas those of its addresses, and the plan tells them."""
    farm = FarmConfig.from_document(document(), "farm.json")
    cut = partition_for(farm)
    conv2 = cut.role("conv2")
    assert (conv2.layers, conv2.parts, conv2.replicas, conv2.split) == (("conv2", "pool2"), 2, 2, Split.ROWS)
    assert cut.name.startswith("alexnet-7-planned-")
    told = make_plan(cut, farm).describe()["nodes"]
    assert [node.get("split") for node in told] == [None, *["rows"] * 4, None]
    assert [node["part"] for node in told] == [0, 0, 1, 0, 1, 0]


def test_another_cut_has_another_name() -> None:
    """The same roles and counts with another split are another partition: nodes of one refuse runs of the other."""
    other = {**ROLES, "conv2": {**ROLES["conv2"], "split": "output_channels"}}
    names = {cut_of(document(roles)).name for roles in (ROLES, other)}
    assert len(names) == 2
    assert cut_of(document()).name == cut_of(document()).name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"split": "diagonal"}, "unknown split 'diagonal'"),
        ({"split": "columns"}, "only a block of one dense layer"),
        ({"split": "input_channels"}, "with nothing behind it"),
        ({"split": 3}, '"split" of role'),
        ({"parts": 1, "replicas": 4}, "split by rows into one part"),
        ({"splits": "rows"}, "incomplete"),
    ],
)
def test_a_split_that_cannot_be_is_told_in_one_line(change: dict[str, Any], told: str) -> None:
    """The file, what is wrong with it, and a way out."""
    with pytest.raises(BadInputError) as caught:
        cut_of(document({**ROLES, "conv2": {**ROLES["conv2"], **change}}))
    assert told in caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint


def test_a_split_is_written_as_it_is_read() -> None:
    """What a planner writes is read back; by columns there is no word for it, as before there were splits."""
    farm = FarmConfig.from_document(document(), "farm.json")
    assert farm.cut is not None
    assert farm.cut.to_document() == document()["partition"]
    assert "split" not in farm.cut.to_document()["roles"]["front"]
