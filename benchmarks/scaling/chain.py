"""A chain: a cut whose roles pass on what they get, one node for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from harness.farm.config import FarmConfig
from harness.models.graph import FRAME, ModelGraph, Rescale
from harness.node.blocks import BlockSource, NodeOptions
from harness.node.worker import Array
from harness.partition.partition import INITIAL, Partition, Role
from harness.plan.plan import Plan, make_plan
from harness.plan.table import Share

HOP_BYTES = 25_088
"""Of the tensor on every hop: float32 (6272,), as much as leaves the first block of AlexNet."""

WEIGHTS, MODEL = "none", "c4a14c4a14c4a14c"
"""The second is no digest of anything: it only has the form of a fingerprint."""

_PORT, _INITIAL_PORT = 12_470, 9_970


def chain(nodes: int) -> Partition:
    """The cut: so many layers that leave their input as it is, each a role of its own."""
    names = [FRAME, *(f"link{number}" for number in range(1, nodes + 1))]
    layers = tuple(Rescale(name, (before,), 1.0) for before, name in pairwise(names))
    graph = ModelGraph(f"chain-{nodes}", f"chain of {nodes}", (HOP_BYTES // 4,), layers, "float32")
    return Partition(graph.name, graph, tuple(Role(layer.name, (layer.name,)) for layer in layers))


def chain_plan(nodes: int, net: str, folder: Path) -> Plan:
    """The cut on addresses of `net`.1 and further (three numbers); writes its farm file into a folder."""
    cut = chain(nodes)
    roles = {INITIAL: [f"{net}.1:{_INITIAL_PORT}"]}
    roles |= {role.name: [f"{net}.{number}:{_PORT}"] for number, role in enumerate(cut.roles, start=2)}
    path = folder / f"{cut.name}.json"
    path.write_text(json.dumps({"node": roles}), encoding="utf-8")
    return make_plan(cut, FarmConfig.load(path))


class PassOn:
    """The block of a link."""

    def __init__(self, share: Share) -> None:
        self.fingerprint = f"pass-on-{share.role}"

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """The inputs themselves."""
        return inputs


def pass_on_blocks() -> Callable[[Plan, NodeOptions], BlockSource]:
    """Where the blocks of the nodes come from, for `harness.node.serve.serve`."""

    def source(plan: Plan, options: NodeOptions) -> BlockSource:
        del plan, options
        return BlockSource(load=PassOn, weights=WEIGHTS, model=MODEL, runtime="none")

    return source
