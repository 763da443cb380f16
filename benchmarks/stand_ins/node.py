"""A node with stand-in blocks, as a process: `python -m benchmarks.stand_ins.node --target FARM --address ADDRESS`.

It is the node of the harness in everything but its arithmetic, and can be told to die at a named point.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.stand_ins.blocks import die, stand_in_blocks
from harness.farm.config import NODE_PORT, SPARE, Address, FarmConfig
from harness.node import serve as serving
from harness.node.blocks import NodeOptions
from harness.node.node import Node
from harness.partition.paper import partition_for
from harness.plan.plan import Placement, make_plan

POINTS = ("first-part", "taken", "computed", "sent")
"""A part of a frame is here; the frame is complete and queued; it is computed and not sent; its results are posted."""


class DyingNode(Node):
    """Ends its process the first time that a frame reaches a point, from a given frame on."""

    point = ""
    frame = 0

    def forward(self, input: Any, next: str, tag: str) -> None:  # noqa: A002  the protocol's names
        """Die with one part, or with a whole frame that is not computed."""
        before = self._held
        super().forward(input, next, tag)
        here = "first-part" if self._held > before else "taken"
        self._reach(here, self._number(tag))

    def _messages(self, outcome: Any) -> Any:
        self._reach("computed", outcome.job.identity.frame)
        return super()._messages(outcome)

    def _computed(self, outcome: Any) -> None:
        super()._computed(outcome)
        self._reach("sent", outcome.job.identity.frame)

    def _number(self, tag: str) -> int:
        return int(tag.partition(";frame=")[2].partition(";")[0])

    def _reach(self, point: str, frame: int) -> None:
        if point == self.point and frame >= self.frame:
            die()


def main() -> None:
    """Serve one node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--service-s", type=float, default=0.0)
    parser.add_argument("--die-at", choices=POINTS)
    parser.add_argument("--die-frame", type=int, default=0)
    parser.add_argument("--spare", action="store_true", help="a device that the farm file does not name")
    parser.add_argument("--stop-on-eof", action="store_true")
    chosen = parser.parse_args()
    farm = FarmConfig.load(chosen.target)
    plan = make_plan(partition_for(farm), farm)
    if chosen.die_at:
        DyingNode.point, DyingNode.frame = chosen.die_at, chosen.die_frame
        serving.Node = DyingNode  # type: ignore[attr-defined]
    options = NodeOptions(seed=0, threads=1, stop_on_eof=chosen.stop_on_eof)
    where = Address.parse(chosen.address, NODE_PORT)
    placement = Placement(where, SPARE, 0, 1, 0, 1) if chosen.spare else plan.at(where)
    serving.serve(plan, placement, options, stand_in_blocks(chosen.service_s))


if __name__ == "__main__":
    main()
