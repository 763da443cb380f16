"""Service times and message costs out of one measured run: what devices of the same kind need for any block.

Each node of a record tells how long its blocks took by the clock, and what processor time it used in all. Where nodes
share cores the clock also counts the time that others had them, so the quickest tenth of a block's times stands for the
block alone; what a node used beyond that goes to its messages. Two rates then explain the blocks, seconds for each
multiply-accumulate and for each weight that is read, so that blocks of another model can be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.errors import BadInputError
from harness.partition.partition import INITIAL
from harness.plan.network import Network, network_called
from harness.profile.fit import FEATURES_OF
from harness.profile.profile import Device, Fit, Profile, rounded
from harness.records.check import check_file
from harness.records.record import Status
from harness.records.statistics import percentile
from harness.records.store import read_record

_ALONE: Final = 10
"""Percentile of a block's times that stands for the block by itself, where nodes share cores."""
_IQR: Final = 1.349
"""Quartiles of a normal distribution are so many standard deviations apart."""
_LOOPBACK: Final = "127."


@dataclass(frozen=True)
class FittedNode:
    """One node of the record, and what the fit makes of it.

    Attributes:
        role: what it computed.
        part: which part of it.
        macs: of its block.
        parameters: of its block.
        block_s: of a frame, by itself, as measured.
        fitted_s: of a frame by the two rates.
        cpu_s: of a frame, all in all; None where the record is of an emulated device.
        messages: taken and sent for each frame.
    """

    role: str
    part: int
    macs: int
    parameters: int
    block_s: float
    fitted_s: float
    cpu_s: float | None
    messages: float


@dataclass(frozen=True)
class Calibration:
    """What a run says of its devices.

    Attributes:
        profile: of the device, with fits and no figures of any model.
        network: with the cost of a message.
        shared_cores: cores that all nodes share; None where each has a machine of its own.
        jitter: of a block's time, as a share of its mean.
        nodes: what it was made from; none where a profile was taken as it is.
        source: the record's file, or the name of the profile.
    """

    profile: Profile
    network: Network
    shared_cores: int | None
    jitter: float
    nodes: tuple[FittedNode, ...]
    source: str

    @property
    def largest_error(self) -> float:
        """Of the two rates on the record's own blocks, relative; 0 where nothing was fitted."""
        return max((abs(node.fitted_s / node.block_s - 1) for node in self.nodes), default=0.0)


def valid_record(path: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """A record of a farm whose figures may be used, and those figures, made again from its raw data.

    Raises:
        BadInputError: it is no record, no valid one, or none of a farm that stayed as it was.
    """
    audit, document = check_file(path), read_record(path)
    if audit.status is not Status.VALID:
        raise BadInputError(
            f"{path} is {audit.status}: {(*audit.reasons, 'unknown')[0]}", "a simulation is held to VALID records only"
        )
    if document["target"]["kind"] != "farm" or not document["plan"] or document.get("adapted"):
        raise BadInputError(f"{path} is no run of a farm that stayed as it was", "iot-farm run --target FARM")
    return document, audit.figures


def fit_record(path: Path, *, network: str = "") -> Calibration:
    """Fit devices and messages to a run.

    Args:
        path: the record.
        network: name or file of the network between devices that have machines of their own; "" is loopback.

    Raises:
        BadInputError: it is no valid record of a farm, or its nodes tell too little.
    """
    document, figures = valid_record(path)
    emulated = document["emulated"] is not None
    if emulated and not network:
        # Such a record tells DEVICE+NETWORK.
        network = str(document["emulated"]).rpartition("+")[2] if "+" in str(document["emulated"]) else ""
    local = all(str(node["address"]).startswith(_LOOPBACK) for node in document["plan"]["nodes"])
    shared = local and not emulated
    if not shared and not network:
        raise BadInputError(
            f"the devices of {path} have machines of their own, so the network between them must be said",
            "for example --network wifi-n",
        )
    found = _nodes(document, shared=shared)
    rates = _rates(found, path)
    nodes = tuple(
        replace(node, fitted_s=rates["macs"] * node.macs + rates["parameters"] * node.parameters) for node in found
    )
    base = network_called(network or "loopback")
    if shared:
        base = replace(
            base,
            name=f"{base.name}, fitted",
            message_s=_message_s(document, figures, nodes),
            source=f"{base.source}; message cost fitted to {path.name}",
        )
    environment = document["devices"][0]["before"]
    cores = environment.get("cores")
    if shared and not isinstance(cores, int):
        raise BadInputError(f"{path} does not tell how many cores the nodes share", "measure again with this version")
    return Calibration(
        _profile(rates, path, environment),
        base,
        cores if shared else None,
        _jitter(document),
        nodes,
        path.name,
    )


def unfitted(profile: Profile, network: Network, jitter: float) -> Calibration:
    """Devices by a profile as it is, each with a machine of its own."""
    return Calibration(profile, network, None, jitter, (), profile.name)


def _nodes(document: Mapping[str, Any], *, shared: bool) -> list[FittedNode]:
    planned = {(node["role"], node["part"]): node for node in document["plan"]["nodes"]}
    by_share: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for node in document["nodes"]:
        key = (node["description"]["role"], node["description"]["part"])
        if node["statistics"]["computed"]:
            by_share.setdefault(key, []).append(node["statistics"])
    nodes = []
    for (role, part), found in by_share.items():
        block = planned[role, part]
        computed = sum(one["computed"] for one in found)
        times_s = [value for one in found for value in one["compute_s"]]
        cpu_s = sum(one["cpu_s"] for one in found) / computed
        # Processor time bounds a block's from above where others hardly ever left it a core.
        block_s = min(percentile(times_s, _ALONE), cpu_s) if shared else percentile(times_s, 50)
        messages = sum(one["received"] + one["sent"] for one in found) / computed
        nodes.append(
            FittedNode(
                role, part, block["macs"], block["parameters"], block_s, 0.0, cpu_s if shared else None, messages
            )
        )
    return nodes


def _rates(nodes: Sequence[FittedNode], path: Path) -> dict[str, float]:
    """Seconds for a multiply-accumulate and for a weight: least squares of relative errors, none negative."""
    usable = [node for node in nodes if node.block_s > 0]
    if not usable:
        raise BadInputError(f"the nodes of {path} tell no time of any block", "measure again with this version")
    matrix = np.array([[node.macs / node.block_s, node.parameters / node.block_s] for node in usable])
    best: tuple[float, dict[str, float]] | None = None
    for columns in ([0, 1], [0], [1]):
        found, _, rank, _ = np.linalg.lstsq(matrix[:, columns], np.ones(len(usable)), rcond=None)
        if rank < len(columns) or (found < 0).any():
            continue
        error = float(((matrix[:, columns] @ found - 1) ** 2).sum())
        if best is None or error < best[0]:
            rates = dict.fromkeys(("macs", "parameters"), 0.0)
            rates |= {("macs", "parameters")[at]: float(value) for at, value in zip(columns, found, strict=True)}
            best = (error, rates)
    if best is None:
        raise BadInputError(f"no rate explains the blocks of {path}", "fit a run whose roles differ")
    return best[1]


def _message_s(document: Mapping[str, Any], figures: Mapping[str, float], nodes: Sequence[FittedNode]) -> float:
    """Processor time of a message at either end: what nodes and initial used beyond the blocks."""
    edges = document["plan"]["edges"]
    ends = sum(edge["messages_per_frame"] for edge in edges if INITIAL in (edge["from"], edge["to"]))
    initial_s = document["metrics"].get("cpu_s", 0.0) / figures["frames_verified"]
    beyond_s = initial_s + sum(max(0.0, (node.cpu_s or 0.0) - node.block_s) for node in nodes)
    return rounded(beyond_s / (ends + sum(node.messages for node in nodes)))


def _jitter(document: Mapping[str, Any]) -> float:
    """Spread of the steadiest node's times: that of the others also holds the wait for a core."""
    spreads = []
    for node in document["nodes"]:
        times_s = node["statistics"]["compute_s"]
        if len(times_s) >= 4:  # noqa: PLR2004  quartiles
            low, middle, high = (percentile(times_s, percent) for percent in (25, 50, 75))
            spreads.append((high - low) / _IQR / middle)
    return min([*spreads, 0.9]) if spreads else 0.0


def _profile(rates: Mapping[str, float], path: Path, environment: Mapping[str, Any]) -> Profile:
    source = f"two rates fitted to the blocks of {path.name}"
    per = {name: rounded(value) for name, value in rates.items()}
    fits = {
        kind: Fit(per if kind in ("Conv2D", "Dense") else {"one": 0.0}, 1, None, None, source) for kind in FEATURES_OF
    }
    memory = environment.get("memory_bytes")
    cores = environment.get("cores")
    device = Device(
        title=f"a device of {path.name}",
        cores=cores if isinstance(cores, int) else 1,
        # A run that came to its end had memory enough; what it had is nothing that time depends on here.
        memory_bytes=max(memory if isinstance(memory, int) else 0, 1 << 40),
        runtime_bytes=0,
        weight_copies=1.0,
        idle_w=None,
        load_w=None,
        swap=None,
        sources={"memory_bytes": "not bounded: blocks of the fitted run did not swap"},
    )
    return Profile(f"fit of {path.name}", device, {}, fits)
