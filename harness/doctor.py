"""Checks as data: what is looked at, whether it is well, why it matters, and how to mend it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata

import psutil

from harness.bench.preflight import ANSWER_S, NodeReport, ask_nodes
from harness.errors import MissingPackageError, UserError
from harness.farm.local import is_local
from harness.plan.plan import Plan
from harness.rpc.binding import listen
from harness.rpc.client import RpcClient
from harness.rpc.errors import RpcError
from harness.rpc.security import Security, security_of

_PROBES = 5
_LOADED = 0.5
"""Share of the cores that may be busy with other work before it disturbs a measurement."""

_OPTIONAL = (
    ("onnx", "onnx", "--runtime onnx needs it"),
    ("onnxruntime", "onnx", "--runtime onnx needs it"),
    ("openvino", "openvino", "--runtime openvino needs it"),
    ("ai_edge_litert", "litert", "--runtime litert needs it"),
    ("simpy", "simulate", "iot-farm simulate needs it"),
)
"""Module, this project's extra that installs it, and what does not work without it."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        ok: True when it is well; None when it is only worth knowing.
        found: what was seen.
        why: what goes wrong without it.
        fix: what to do about it; empty when all is well.
    """

    name: str
    ok: bool | None
    found: str
    why: str = ""
    fix: str = ""

    def mark(self) -> str:
        """`[x]`, `[ ]`, or `[-]` for a remark."""
        return {True: "[x]", False: "[ ]", None: "[-]"}[self.ok]


def check_machine() -> Iterator[Check]:
    """Python, packages, memory and load of this machine."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check(
        "Python",
        sys.version_info >= (3, 11),
        version,
        "the engine needs 3.11 or newer",
        "" if sys.version_info >= (3, 11) else "install Python 3.11",
    )
    yield _check_ck()
    yield _check_package("avro", "nodes talk Avro", "pip install avro")
    for package in ("tensorflow", "keras"):
        yield _check_package(package, "nodes and the reference run Keras blocks", "pip install 'ck-iot-farm[cpu]'")
    for module, extra, why in _OPTIONAL:
        yield _check_optional(module, extra, why)
    memory = psutil.virtual_memory()
    yield Check("memory", None, f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free")
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    quiet = load < _LOADED * cores
    yield Check(
        "load",
        True if quiet else None,
        f"{load:.1f} on {cores} cores",
        "other work slows what is measured",
        "" if quiet else "end other programs before a run that you want to publish",
    )


def check_farm(plan: Plan) -> Iterator[Check]:
    """The initial's address, and every node of a plan: reachable, role, fingerprint, version, way."""
    yield _check_initial(plan)
    for report in asyncio.run(ask_nodes(plan)):
        yield _check_node(report)
        if report.problem is None and report.description is not None:
            yield asyncio.run(_check_way(report, int(report.description["input_bytes"]), security_of(plan.farm)))


def _check_ck() -> Check:
    why = "`ck run ...` needs Collective Knowledge; `iot-farm run` does not"
    if sys.version_info >= (3, 12):
        return Check(
            "ck", None, "not usable with this Python", why, "ck imports a module that Python 3.12 removed: use 3.11"
        )
    try:
        return Check("ck", True, metadata.version("ck"), why)
    except metadata.PackageNotFoundError:
        return Check("ck", False, "not installed", why, "pip install ck==2.6.4")


def _check_package(name: str, why: str, fix: str) -> Check:
    if importlib.util.find_spec(name) is None:
        return Check(name, False, "not installed", why, fix)
    for distribution in (name, f"{name}-cpu", name.replace("_", "-")):
        try:
            return Check(name, True, metadata.version(distribution), why)
        except metadata.PackageNotFoundError:
            continue
    return Check(name, True, "version unknown", why)


def _check_optional(module: str, extra: str, why: str) -> Check:
    """What only some commands need is worth knowing, and no fault where it is missing."""
    found = _check_package(module, why, f"pip install 'ck-iot-farm[{extra}]'")
    return found if found.ok else replace(found, ok=None)


def _check_initial(plan: Plan) -> Check:
    address = plan.farm.initial
    name, why = f"initial {address}", "results come back to it"
    if not is_local(address):
        return Check(name, None, "another machine's address", why, "type `iot-farm run` there")
    try:
        listen(address.host, address.port).close()
    except UserError as error:
        return Check(name, False, error.message, why, error.hint)
    return Check(name, True, "free", why)


def _check_node(report: NodeReport) -> Check:
    name = f"node {report.placement}"
    why = "it stands in where a device is lost" if report.placement.spare else "every role is needed"
    if report.problem is not None:
        return Check(name, False, report.problem.message, why, report.problem.hint)
    if report.description is None:
        raise MissingPackageError(f"{name} gave neither a description nor a reason")
    told = report.description
    found = f"{told['software']}, weights {told['weights']}, block {told['block_fingerprint']}, {told['runtime']}"
    return Check(name, True, found, why)


async def _check_way(report: NodeReport, size: int, security: Security | None) -> Check:
    """Round trip of an empty probe, and bandwidth of one as large as the node's input."""
    address = report.placement.address
    name, why = f"way to {address}", "a slow way bounds the farm"
    client = RpcClient(address.host, address.port, connect_timeout_s=ANSWER_S, security=security)
    # Half of what a role with two parts takes is one message: never more than the node accepts.
    payload = bytes(size // 2)
    try:
        await client.call("probe", {"input": b""}, timeout_s=ANSWER_S)
        empty_s = await _best_s(client, b"")
        full_s = await _best_s(client, payload)
    except RpcError as error:
        return Check(name, False, error.message, why, error.hint)
    finally:
        await client.close()
    rate = len(payload) / max(full_s - empty_s, 1e-9) / 1e6
    return Check(name, True, f"round trip {empty_s * 1e3:.2f} ms, {rate:,.0f} MB/s with {len(payload):,} bytes", why)


async def _best_s(client: RpcClient, payload: bytes) -> float:
    times = []
    for _ in range(_PROBES):
        begun_s = time.monotonic()
        await client.call("probe", {"input": payload}, timeout_s=ANSWER_S)
        times.append(time.monotonic() - begun_s)
    return min(times)
