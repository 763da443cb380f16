"""Before a run: does every node of the plan answer, and is it the one that the plan expects?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import harness
from harness.errors import FarmError
from harness.plan.plan import Placement, Plan
from harness.records.computing import Computing
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, PeerUntrustedError, RpcError
from harness.rpc.security import Security, security_of

ANSWER_S = 5.0
"""A node that does not answer `describe` for so long counts as hung."""


@dataclass(frozen=True)
class Expected:
    """What a node must be.

    Attributes:
        weights: identity of the weights.
        model_fingerprint: fingerprint over graph and weights.
        block_fingerprints: (role, part) -> fingerprint of the block; empty checks no block.
        runtime: what must compute.
        precision: in which precision.
        emulates: what it must imitate, as `EmulatedFarm.identity` tells; "" for nothing.
    """

    weights: str
    model_fingerprint: str
    block_fingerprints: dict[tuple[str, int], str]
    runtime: str = "keras"
    precision: str = "f32"
    emulates: str = ""


@dataclass(frozen=True)
class NodeReport:
    """What a node said of itself, or why it said nothing.

    Attributes:
        placement: its share of the plan.
        description: the Avro record NodeDescription; None when it did not answer.
        problem: what is wrong with it; None when nothing is.
        round_trip_s: time of one `describe` call.
    """

    placement: Placement
    description: dict[str, Any] | None
    problem: FarmError | None
    round_trip_s: float | None = None


async def ask_nodes(plan: Plan, expected: Expected | None = None) -> tuple[NodeReport, ...]:
    """Ask every node of a plan who it is, all at once.

    Args:
        plan: the plan.
        expected: model and fingerprints that each node must show; None checks only role and version.
    """
    keys = security_of(plan.farm)
    return tuple(await asyncio.gather(*(_ask(plan, placement, expected, keys) for placement in plan.placements)))


async def require_nodes(plan: Plan, expected: Expected | None = None) -> tuple[dict[str, Any], ...]:
    """Descriptions of all nodes, in plan order.

    Raises:
        FarmError: one or more nodes are down, hung, or of another role, model, seed or version.
    """
    reports = await ask_nodes(plan, expected)
    problems = [report.problem for report in reports if report.problem is not None]
    if problems:
        more = f"; {len(problems) - 1} more nodes have a problem" if len(problems) > 1 else ""
        raise FarmError(problems[0].message + more, problems[0].hint)
    return tuple(report.description for report in reports if report.description is not None)


async def _ask(plan: Plan, placement: Placement, expected: Expected | None, security: Security | None) -> NodeReport:
    address = placement.address
    client = RpcClient(address.host, address.port, connect_timeout_s=ANSWER_S, security=security)
    begun_s = time.monotonic()
    try:
        description = await client.call("describe", {}, timeout_s=ANSWER_S)
    except PeerUnreachableError as error:
        why = FarmError(
            f"node {placement} is down: {error.message}",
            f"start it on that machine: iot-farm farm up {plan.farm.source}; where others are up already: "
            f"iot-farm node --target {plan.farm.source} --address {address}",
        )
        return NodeReport(placement, None, why)
    except PeerTimeoutError:
        why = FarmError(
            f"node {placement} does not answer within {ANSWER_S:.0f} s: it hangs, or its machine does",
            "look at its log, then stop and start it again",
        )
        return NodeReport(placement, None, why)
    except PeerUntrustedError as error:
        return NodeReport(
            placement, None, FarmError(f"node {placement} cannot be trusted: {error.message}", error.hint)
        )
    except RpcError as error:
        why = FarmError(f"{placement} is not a node of this harness: {error.message}", "what listens there?")
        return NodeReport(placement, None, why)
    finally:
        await client.close()
    round_trip_s = time.monotonic() - begun_s
    return NodeReport(placement, description, _compare(plan, placement, description, expected), round_trip_s)


def require_emulation(plan: Plan, nodes: Sequence[dict[str, Any]], emulates: str) -> None:
    """See that nodes that were asked imitate what the run does.

    Raises:
        FarmError: one does not; the message says what it imitates.
    """
    for placement, node in zip(plan.placements, nodes, strict=False):
        if problem := emulation_problem(placement, node["emulates"], emulates):
            raise problem


def emulation_problem(placement: Placement, told: str, wanted: str) -> FarmError | None:
    """Why a node that imitates one thing is no node of a run that imitates another; None where they fit."""
    if told == wanted:
        return None
    (what, _, figures), (ours, _, our_figures) = told.partition("#"), wanted.partition("#")
    if what != ours:
        says = f"imitates {what}" if what else "imitates nothing"
        needs = f"this run needs {ours}" if ours else "this run is of the machine as it is"
        both = f"--emulate {ours or what}"
        return FarmError(f"node {placement} {says}, {needs}", f"give farm up and run the same: {both}, or none")
    if figures.partition("@")[0] != our_figures.partition("@")[0]:
        return FarmError(
            f"node {placement} imitates another {what}: the figures of its profile or network differ",
            "start the farm anew: iot-farm farm down, up",
        )
    return FarmError(
        f"node {placement} shares another medium than this run",
        "farm up and run need the same IOT_FARM_STATE; start the farm anew: iot-farm farm down, up",
    )


def _compare(
    plan: Plan, placement: Placement, description: dict[str, Any], expected: Expected | None
) -> FarmError | None:
    wanted: dict[str, Any] = {
        "software": f"ck-iot-farm {harness.__version__}",
        "partition": plan.partition.name,
        "model": plan.partition.graph.name,
        "role": placement.role,
        "part": placement.part,
        "parts": placement.parts,
        "replica": placement.replica,
    }
    try:
        told = Computing.parse(description["runtime"])
    except ValueError as error:
        return FarmError(f"node {placement} tells of no runtime: {error}", "start it with this version")
    if expected is not None:
        if problem := emulation_problem(placement, description["emulates"], expected.emulates):
            return problem
        wanted["weights"] = expected.weights
        wanted["model_fingerprint"] = expected.model_fingerprint
        if (placement.role, placement.part) in expected.block_fingerprints:
            wanted["block_fingerprint"] = expected.block_fingerprints[placement.role, placement.part]
        if (told.runtime, told.precision) != (expected.runtime, expected.precision):
            return FarmError(
                f"node {placement} computes with {told.runtime} in {told.precision}, this run is of "
                f"{expected.runtime} in {expected.precision}",
                "give farm up and run the same --runtime and --precision",
            )
    for key, value in wanted.items():
        if description[key] != value:
            return FarmError(
                f"node {placement} has {key.replace('_', ' ')} {description[key]}, this run needs {value}",
                "start the farm anew with the same --seed, --weights and version as the run: iot-farm farm down, up",
            )
    return None
