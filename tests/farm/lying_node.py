"""A node that claims to be right and is not: the control that every equality check needs.

Run as a program: ``lying_node.py FARM ADDRESS LIE``. Its description is that of an honest node, so preflight lets
it pass; only the check of its results can find it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import harness
from harness.farm.config import NODE_PORT, Address, FarmConfig
from harness.node import serve as serving
from harness.node.blocks import NodeOptions, runtime_blocks
from harness.node.intake import Intake
from harness.node.node import Node
from harness.partition.paper import partition_for
from harness.plan.plan import make_plan


class SwappingIntake(Intake):
    """Joins the halves in the wrong order, as arrival order did in the published scripts."""

    def assemble(self, payloads, wire, to=None):
        """Backwards."""
        return super().assemble(payloads[::-1], wire, to)


class SwappingNode(Node):
    """Joins the halves in the wrong order."""

    def _new_intake(self, role):
        self._intakes[role] = SwappingIntake(self._partition, role)
        return self._intakes[role]


class DoublingNode(Node):
    """Sends every result twice under the same identity, as the published join did."""

    def _messages(self, outcome):
        return super()._messages(outcome) * 2


class StaleNode(Node):
    """Answers every frame with the first frame's result."""

    first = None

    def _messages(self, outcome):
        self.first = self.first or outcome.outputs
        object.__setattr__(outcome, "outputs", self.first)
        return super()._messages(outcome)


class FlippingNode(Node):
    """Flips one bit of one float in every fifth result."""

    def _messages(self, outcome):
        if outcome.job.identity.frame % 5 == 0:
            _replace(outcome, _flipped)
        return super()._messages(outcome)


class ZeroNode(Node):
    """Answers with zeros."""

    def _messages(self, outcome):
        _replace(outcome, np.zeros_like)
        return super()._messages(outcome)


class SkippingNode(Node):
    """Counts every frame as computed, and answers only three of four."""

    def _messages(self, outcome):
        return [] if outcome.job.identity.frame % 4 == 3 else super()._messages(outcome)


def _flipped(output):
    """One bit of the largest value: the second highest of its fraction, a change by a quarter of its power of two."""
    changed = np.ascontiguousarray(output).copy()
    bits = changed.reshape(-1).view(np.uint32)
    bits[int(np.argmax(np.abs(changed)))] ^= np.uint32(1 << 21)
    return changed


def _replace(outcome, change):
    object.__setattr__(outcome, "outputs", tuple(change(output) for output in outcome.outputs))


def main(farm_file: str, address: str, lie: str) -> None:
    """Serve one node of the farm with one lie."""
    farm = FarmConfig.load(Path(farm_file))
    plan = make_plan(partition_for(farm), farm)
    placement = plan.at(Address.parse(address, NODE_PORT))
    options = NodeOptions(seed=2018, threads=1)
    nodes = {
        "swap": SwappingNode,
        "double": DoublingNode,
        "stale": StaleNode,
        "flip": FlippingNode,
        "zero": ZeroNode,
        "skip": SkippingNode,
    }
    serving.Node = nodes.get(lie, Node)
    if lie == "version":
        harness.__version__ = "0.0.1"
    if lie == "seed":

        def other_blocks(plan, options):
            honest, other = runtime_blocks(plan, options), runtime_blocks(plan, NodeOptions(seed=7, threads=1))

            def load(share):
                block = other.load(share)
                block.fingerprint = honest.load(share).fingerprint
                return block

            return replace(honest, load=load)

        serving.serve(plan, placement, options, other_blocks)
    else:
        serving.serve(plan, placement, options)


if __name__ == "__main__":
    main(*sys.argv[1:])
