"""A farm of stand-in nodes in a network namespace, whose network is cut while a run is at work.

Usage: cut_farm.py FOLDER initial|pair|one-way|none. The nodes run as users of their own, so that nft can tell who
sends: 127.0.0.0/8 gives every sender the same source address. Prints as JSON what became of the frames.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Timer

from benchmarks.stand_ins.farm import StandInFarm, stand_in_farm
from harness.bench.progress import Silent

CUT_AFTER_S = 1.0
CUT_S = 3.0
SECONDS = 9.0
FIRST_USER = 40_001


class Cutter(Silent):
    """Cuts the network in the measured window, for a while."""

    def __init__(self, rules: list[str]) -> None:
        self.rules = rules

    def phase(self, name: str, total: int | None = None) -> None:
        """Begin to count with the window."""
        super().phase(name, total)
        if name == "measuring" and self.rules:
            Timer(CUT_AFTER_S, self.cut).start()
            Timer(CUT_AFTER_S + CUT_S, nft, ("flush ruleset",)).start()

    def cut(self) -> None:
        """Drop what the rules name, silently."""
        chain = "add table inet cut; add chain inet cut out { type filter hook output priority 0; }"
        nft("; ".join([chain, *(f"add rule inet cut out {rule} counter drop" for rule in self.rules)]))


def nft(command: str) -> None:
    """Change the rules of this namespace."""
    subprocess.run(["nft", command], check=True)


def rules_of(farm: StandInFarm, which: str) -> list[str]:
    """What is dropped: all that the initial sends; what the holder of block1 sends to a half; and back."""
    users = {node.address: FIRST_USER + number for number, node in enumerate(farm.plan.placements)}
    first, half = (
        next(node.address for node in farm.plan.placements if (node.role, node.part) == share)
        for share in (("block1", 0), ("block2", 0))
    )
    one_way = f"meta skuid {users[first]} ip daddr {half.host}"
    return {
        "none": [],
        "initial": ["meta skuid 0 ip daddr 127.0.0.0/8"],
        "one-way": [one_way],
        "pair": [one_way, f"meta skuid {users[half]} ip daddr {first.host}"],
    }[which]


def main(folder: Path, which: str) -> None:
    """Make the farm, run it, and tell."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    users = iter(range(FIRST_USER, FIRST_USER + 100))
    with stand_in_farm(folder, "alexnet-5", net="127.0.48", user=lambda: next(users)) as farm:
        outcome = farm.run(SECONDS, told=Cutter(rules_of(farm, which)), stall_s=30.0)
    adapted = outcome.record.adapted or {}
    print(
        json.dumps(
            {
                "sent": outcome.sent,
                "lost": outcome.lost,
                "wrong": outcome.wrong,
                "repeated": outcome.repeated,
                "gap_s": outcome.longest_gap_s,
                "status": outcome.record.verdict.status.value,
                "sent_again": adapted.get("sent_again"),
                "why": [change["why"] for change in adapted.get("changes", [])],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
