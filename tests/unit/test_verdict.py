"""The verdict: a run that breaks exactly one rule is refused for exactly that, and the untouched run passes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.bench.ledger import Ledger
from harness.bench.node_figures import contradictions, role_figures
from harness.bench.verdict import judge
from harness.farm.config import FarmConfig
from harness.partition.paper import partition
from harness.plan.plan import Plan, make_plan
from harness.records.record import Status, Verdict
from harness.records.window import window_metrics

FRAMES = 700
TOLERANCE = 1e-6


@dataclass
class Run:
    """What a run leaves to be judged; a good one, until a test spoils it.

    Attributes:
        frames: frames that were asked for.
        lost: frames that never come back.
        wrong: frame -> error of its reply.
        again: frame -> further replies to it.
        unknown: replies to a frame that was not sent.
    """

    frames: int = FRAMES
    sent: int = FRAMES
    dropped: int = 0
    lost: set[int] = field(default_factory=set)
    wrong: dict[int, float] = field(default_factory=dict)
    again: dict[int, int] = field(default_factory=dict)
    unknown: int = 0
    separation: float = 1e-3
    period_s: float = 0.1
    node_reasons: list[str] = field(default_factory=list)

    def judged(self) -> Verdict:
        """The verdict over it."""
        ledger = Ledger(TOLERANCE)
        for frame in range(self.sent):
            ledger.sent(frame, 0, frame * self.period_s)
            if frame not in self.lost:
                for _ in range(1 + self.again.get(frame, 0)):
                    ledger.replied(frame, self.wrong.get(frame, 1e-9), (frame + 1) * self.period_s)
        for frame in range(self.unknown):
            ledger.replied(10**6 + frame, 0.0, 1.0)
        ledger.dropped = self.dropped
        return judge(
            ledger,
            frames=self.frames,
            separation=self.separation,
            window_s=window_metrics(ledger.samples()).get("window_s"),
            node_reasons=self.node_reasons,
        )


def test_the_untouched_run_is_valid() -> None:
    """A long run in which every frame came back once and right is valid, and there is nothing to say about it."""
    verdict = Run().judged()
    assert verdict.valid
    assert verdict.status is Status.VALID
    assert verdict == Verdict((), ())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"sent": FRAMES - 1}, "699 of 700 frames were sent"),
        ({"sent": 0, "dropped": FRAMES}, "no frame was sent"),
        ({"lost": {5}}, "1 of 700 frames never came back"),
        ({"again": {5: 1, 6: 2}}, "3 replies were to frames that had come back before"),
        ({"unknown": 2}, "2 replies were to frames that were not sent in this window"),
        (
            {"wrong": {5: 2e-6}},
            "1 of 700 results differ from the single-device reference (largest error 2.0e-06, tolerance 1e-06)",
        ),
        (
            {"wrong": {5: math.nan}},
            "1 of 700 results differ from the single-device reference (largest error inf, tolerance 1e-06)",
        ),
        ({"separation": 9.9e-6}, "two references differ by 9.9e-06 only"),
        ({"separation": math.nan}, "two references differ by nan only"),
        (
            {"node_reasons": ["block1 computed 699 frames, 700 were sent"]},
            "block1 computed 699 frames, 700 were sent",
        ),
    ],
)
def test_each_rule_refuses_the_run_that_breaks_it(spoil: dict[str, Any], reason: str) -> None:
    """One fault gives one reason, which names it and its numbers."""
    verdict = Run(**spoil).judged()
    assert not verdict.valid
    assert verdict.status is Status.INVALID
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith(reason)


def test_every_broken_rule_is_told() -> None:
    """Faults do not hide each other: a lost frame and a repeated one add up to the right number of replies."""
    verdict = Run(lost={1}, again={2: 1}, wrong={3: 1.0}, separation=0.0).judged()
    assert [reason.split(" ", 1)[0] for reason in verdict.reasons] == ["1", "1", "1", "two"]
    assert len(verdict.reasons) == 4


@pytest.mark.parametrize("spoil", [{"separation": 1e-5}, {"wrong": {5: TOLERANCE}}])
def test_a_run_on_the_edge_of_a_rule_is_valid(spoil: dict[str, Any]) -> None:
    """An error of exactly the tolerance is equal; references ten tolerances apart are told apart."""
    assert Run(**spoil).judged().valid


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        ({"period_s": 0.01}, "quick run: the window lasts 7.0 s"),
        ({"frames": 600, "sent": 600}, "600 frames do not support every percentile: p99 needs 662"),
        ({"frames": 710, "dropped": 10}, "10 frames were due and dropped"),
    ],
)
def test_what_a_reader_should_know_is_no_fault(spoil: dict[str, Any], note: str) -> None:
    """A short window, a missing percentile and dropped frames leave a run valid, and are told."""
    verdict = Run(**spoil).judged()
    assert verdict.valid
    assert len(verdict.notes) == 1
    assert verdict.notes[0].startswith(note)


# What the nodes' own counters say


def farm_plan() -> Plan:
    """AlexNet on five devices."""
    roles = {"initial": ["127.0.0.1"], "block1": ["127.0.0.2"], "block2": ["127.0.0.3", "127.0.0.4"]}
    farm = FarmConfig.from_document({"node": {**roles, "block3": ["127.0.0.5"]}}, "farm.json")
    return make_plan(partition("alexnet-5"), farm)


def told_by_nodes(plan: Plan, frames: int) -> list[dict[str, Any]]:
    """What the nodes of a good run say."""
    return [
        {
            "description": {
                "role": node.role,
                "part": node.part,
                "host": node.address.host,
                "port": node.address.port,
            },
            "statistics": {
                "computed": frames,
                "refused": 0,
                "errors": [],
                "compute_s": [0.25] * frames,
                "queue_s": [0.5] * frames,
                "bytes_in": 10 * frames,
                "bytes_out": 5 * frames,
                "cpu_s": 1.5,
                "rss_bytes": 1000,
            },
        }
        for node in plan.placements
    ]


def _nothing(nodes: list[dict[str, Any]]) -> None:
    pass


def _one_less(nodes: list[dict[str, Any]]) -> None:
    nodes[2]["statistics"]["computed"] -= 1


def _one_more(nodes: list[dict[str, Any]]) -> None:
    nodes[0]["statistics"]["computed"] += 1


def _parts_swapped(nodes: list[dict[str, Any]]) -> None:
    nodes[2]["description"]["part"] = 0


def _refused(nodes: list[dict[str, Any]]) -> None:
    nodes[3]["statistics"] |= {"refused": 2, "errors": ["first", "wrong model"]}


@pytest.mark.parametrize(
    ("spoil", "reasons"),
    [
        (_nothing, []),
        (_one_less, ["block2 part 2 of 2 computed 9 frames, 10 were sent"]),
        (_one_more, ["block1 computed 11 frames, 10 were sent"]),
        (
            _parts_swapped,
            [
                "block2 part 1 of 2 computed 20 frames, 10 were sent",
                "block2 part 2 of 2 computed 0 frames, 10 were sent",
            ],
        ),
        (_refused, ["block3 at 127.0.0.5:12345 refused 2 messages: wrong model"]),
    ],
)
def test_nodes_that_contradict_the_account_are_named(
    spoil: Callable[[list[dict[str, Any]]], None], reasons: list[str]
) -> None:
    """Every part of every role computed each frame once, and refused nothing; else the node is named."""
    plan = farm_plan()
    nodes = told_by_nodes(plan, 10)
    spoil(nodes)
    assert contradictions(plan, nodes, 10) == reasons


def test_figures_of_a_role_add_its_nodes() -> None:
    """Counters of a role's nodes are added, its times taken over all of them; a role that computed nothing has none."""
    plan = farm_plan()
    nodes = told_by_nodes(plan, 10)
    nodes[3]["statistics"] |= {"compute_s": [], "queue_s": []}
    block1, block2, block3 = role_figures(plan, nodes)
    assert (block1["nodes"], block2["nodes"]) == (1, 2)
    assert (block1["bytes_in"], block2["bytes_in"], block2["bytes_out"]) == (100, 200, 100)
    assert (block2["frames"], block2["cpu_s"], block2["rss_bytes"]) == (20, 3.0, 2000)
    assert (block2["compute_p50_s"], block2["queue_p50_s"]) == (0.25, 0.5)
    assert (block3["compute_p50_s"], block3["queue_p50_s"]) == (None, None)
