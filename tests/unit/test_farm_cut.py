"""A cut that stands in the farm file: read, checked, and told in one line where it cannot be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.models.split import Split
from harness.partition.paper import partition, partition_for
from harness.plan.plan import make_plan

ROLES: dict[str, dict[str, Any]] = {
    "front": {"first": "rescale", "last": "pool1"},
    "conv2": {"first": "conv2", "last": "pool2", "parts": 2, "split": "rows"},
    "back": {"first": "conv3", "last": "predictions"},
}
COUNTS = {"front": 1, "conv2": 4, "back": 1}


def document(roles: Any = ROLES, counts: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    """A farm file."""
    numbers = iter(range(2, 200))
    node = {role: [f"127.0.0.{next(numbers)}" for _ in range(count)] for role, count in (counts or COUNTS).items()}
    told = {"model": "alexnet", "roles": copy.deepcopy(roles), **more}
    return {"node": {"initial": ["127.0.0.1"], **node}, "partition": told}


def cut_of(told: dict[str, Any], **options: Any) -> Any:
    """The partition that a farm file asks for."""
    return partition_for(FarmConfig.from_document(told, "farm.json"), **options)


def test_a_cut_of_ones_own_is_read() -> None:
    """Layers, parts and split are those of the file, replicas those of its addresses, and the plan tells them."""
    farm = FarmConfig.from_document(document(), "farm.json")
    cut = partition_for(farm)
    conv2 = cut.role("conv2")
    assert (conv2.layers, conv2.parts, conv2.replicas, conv2.split) == (("conv2", "pool2"), 2, 2, Split.ROWS)
    assert cut.name.startswith("alexnet-7-cut-")
    told = make_plan(cut, farm).describe()["nodes"]
    assert [node.get("split") for node in told] == [None, *["rows"] * 4, None]
    assert [node["part"] for node in told] == [0, 0, 1, 0, 1, 0]


def test_another_cut_has_another_name() -> None:
    """The same roles and counts with another split are another partition: nodes of one refuse runs of the other."""
    other = {**ROLES, "conv2": {**ROLES["conv2"], "split": "output_channels"}}
    names = {cut_of(document(roles)).name for roles in (ROLES, other)}
    assert len(names) == 2
    assert cut_of(document()).name == cut_of(document()).name


def test_the_papers_cut_keeps_its_name() -> None:
    """A file that tells what the paper cut is read as the paper's, so that its records stand in one row."""
    roles = {
        "block1": {"first": "rescale", "last": "flatten"},
        "block2": {"first": "fc1", "last": "fc1", "parts": 2},
        "block3": {"first": "fc2", "last": "predictions", "replicas": 1},
    }
    assert cut_of(document(roles, {"block1": 1, "block2": 2, "block3": 1})) == partition("alexnet-5")


@pytest.mark.parametrize(
    ("role", "change", "told"),
    [
        ("conv2", {"first": "conv9"}, "alexnet has no layer conv9"),
        ("conv2", {"first": "pool1"}, "its layers are not those of alexnet in order"),
        ("conv2", {"first": "pool2", "last": "conv2"}, "its layers are not those of alexnet in order"),
        ("conv2", {"split": "diagonal"}, "unknown split diagonal"),
        ("conv2", {"split": "columns"}, "only a block of one dense layer"),
        ("conv2", {"split": "input_channels"}, "with nothing behind it"),
        ("conv2", {"split": 3}, "has split 3"),
        ("conv2", {"parts": 0}, "has parts 0"),
        ("conv2", {"parts": True}, "has parts True"),
        ("conv2", {"parts": 3}, '4 addresses for "conv2"'),
        ("conv2", {"parts": 1}, "split by rows into one part"),
        ("conv2", {"replicas": 1}, '4 addresses for "conv2"'),
        ("conv2", {"splits": "rows"}, "unknown key 'splits'"),
        ("front", {"last": None}, "has last None"),
    ],
)
def test_a_cut_that_cannot_be_is_told_in_one_line(role: str, change: dict[str, Any], told: str) -> None:
    """The file, the role and what is wrong with it, and a way out."""
    with pytest.raises(BadInputError) as caught:
        cut_of(document({**ROLES, role: {**ROLES[role], **change}}))
    assert told in caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint


@pytest.mark.parametrize(
    ("told", "options", "message"),
    [
        ([], {}, "names no model"),
        ({"model": "alexnet"}, {}, "has no roles"),
        ({"model": "lenet", "roles": ROLES}, {}, "unknown model 'lenet'"),
        ({"model": "alexnet", "roles": ROLES, "name": "x"}, {}, "unknown key 'name'"),
        ({"model": "alexnet", "roles": {"front": []}}, {}, 'role "front" has no first and last layer'),
        ({"model": "alexnet", "roles": {**ROLES, "initial": ROLES["back"]}}, {}, "not 'initial'"),
        ({"model": "alexnet", "roles": ROLES}, {"model_name": "vgg16"}, "is one of model alexnet, not of vgg16"),
    ],
)
def test_a_cut_of_another_shape_is_refused(told: Any, options: dict[str, str], message: str) -> None:
    """An object without model or roles, with more than is known, or of another model than was asked for."""
    with pytest.raises(BadInputError) as caught:
        cut_of({**document(), "partition": told}, **options)
    assert message in caught.value.message


def test_addresses_and_roles_must_agree() -> None:
    """A role without addresses, and addresses without a role, are named."""
    for counts, told in (({"front": 1, "conv2": 2}, 'no role "back"'), ({**COUNTS, "more": 1}, 'unknown role "more"')):
        with pytest.raises(BadInputError, match=told):
            cut_of(document(counts=counts))
