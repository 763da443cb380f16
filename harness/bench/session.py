"""A run from options to a judged record."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import psutil

from harness.bench.account import Account
from harness.bench.devices import Look, single_device
from harness.bench.energy import NoMeter, Phases, RunMeter, energy_metrics
from harness.bench.farm_run import run_on_farm
from harness.bench.host_run import prepare_device, run_on_host
from harness.bench.ledger import Ledger
from harness.bench.node_figures import contradictions, role_figures
from harness.bench.options import RunOptions
from harness.bench.preflight import require_emulation, require_nodes
from harness.bench.progress import Progress, Silent
from harness.bench.reference import Reference
from harness.bench.right_answers import host_model, plain_nodes, reference_for
from harness.bench.rounding import threads_of, wire_cost
from harness.bench.verdict import circumstances, judge
from harness.emulate.published import PUBLISHED, imitation
from harness.errors import BadInputError
from harness.farm.config import Address, FarmConfig
from harness.farm.key_folder import authentication, require_trust
from harness.farm.local import is_local, require_local_initial
from harness.models.catalogue import model
from harness.node.emulated import emulated_farm
from harness.node.serve import refuse_taken_port
from harness.partition.paper import partition_for
from harness.partition.wire import Wire
from harness.plan.plan import Plan, make_plan
from harness.records.environment import environment
from harness.records.record import Kind, Record
from harness.records.rules_devices import throttling_finding
from harness.records.rules_emulated import NO_MEASUREMENT, late_problems
from harness.records.rules_frames import unlike_tolerance
from harness.records.rules_wire import wire_figures
from harness.records.window import window_metrics
from harness.rpc import event_loop

_LOADED_UTC, _LOADED_S = datetime.now(UTC), time.monotonic()


def plan_of(options: RunOptions) -> Plan:
    """The plan of a farm run; opens no socket.

    Raises:
        NotFoundError: there is no such farm file.
        BadInputError: the farm file is unusable, or does not fit the partition.
    """
    if options.farm_file is None:
        raise BadInputError("the target host has no plan", "name a farm")
    farm = FarmConfig.load(options.farm_file)
    cut = partition_for(farm, model_name=options.model, name=options.partition)
    return make_plan(replace(cut, wire=Wire(options.wire)), farm)


def run_benchmark(
    options: RunOptions,
    *,
    progress: Progress | None = None,
    reference: Reference | None = None,
    meter: RunMeter | None = None,
    broken_off: Callable[[Record], None] = lambda _record: None,
) -> Record:
    """Measure a farm or this machine, and its energy where there is a meter.

    Args:
        options: what to measure.
        progress: is told where the run is.
        reference: right answers from an earlier call of `reference_for`, to spare computing them again.
        meter: of this run alone; it is let go of at the end, and keeps its trace.
        broken_off: takes the INCOMPLETE record of a run that fails, or is interrupted, in its measured window.

    Returns:
        The record, with its verdict; it is not written anywhere yet.

    Raises:
        UserError: the run could not be made; the message says why.
    """
    told, phases = progress or Silent(), meter or NoMeter()
    try:
        if options.farm_file:
            record = _farm(options, told, reference, phases, broken_off)
        else:
            record = _host(options, told, reference, phases, broken_off)
    finally:
        if meter is not None:
            meter.end()
    return record if meter is None else _with_energy(record, meter)


def _with_energy(record: Record, meter: RunMeter) -> Record:
    """The record with the energy of its distinct, verified frames; an INVALID energy leaves the speed as it is."""
    energy = meter.energy(record.metrics)
    valid = energy.status == "VALID"
    figures = {**(energy_metrics(energy) if valid else {}), "energy_valid": 1.0 if valid else 0.0}
    options = {**record.options, "power": meter.options.describe()}
    document = energy.to_document()
    document["notes"] += meter.problems
    return replace(record, metrics=record.metrics | figures, energy=document, options=options)


def _farm(
    options: RunOptions,
    progress: Progress,
    reference: Reference | None,
    meter: Phases,
    broken_off: Callable[[Record], None],
) -> Record:
    plan = plan_of(options)
    require_local_initial(plan.farm)
    require_trust(plan.farm)
    # Before anything is computed: another run at work would be disturbed, and this one refused in the end.
    refuse_taken_port(plan.farm.initial)
    graph = plan.partition.graph
    progress.phase("asking the nodes")
    # A farm that may change says by itself who is missing, once it is asked for its blocks.
    emulated = emulated_farm(plan, options.emulate)
    if emulated is not None and options.protocol == PUBLISHED:
        emulated.require_published()
    nodes = () if options.adapt else asyncio.run(require_nodes(plan))
    require_emulation(plan, nodes, emulated.identity if emulated else "")
    options = replace(options, plain=plain_nodes(nodes))
    # Before the reference too: a meter that is not there must not cost its seconds.
    pids = [int(node["pid"]) for node in nodes if is_local(Address(node["host"], node["port"]))]
    load = emulated.power_load() if emulated and not isinstance(meter, NoMeter) else None
    meter.begin(pids, plan.farm.devices, "pi3", elsewhere=len(nodes) - len(pids), load=load)
    progress.phase("computing the reference")
    threads = threads_of(nodes)
    reference = reference or reference_for(options, plan, threads)
    options = options.held(reference.separation)
    if reference.exact is not None and (threads is None or reference.threads != threads):
        options = replace(options, held_to=unlike_tolerance(reference.separation))
    started_utc = _now_utc()
    account, auth = Account(), authentication(plan.farm)
    target = {
        "name": options.target_name,
        "kind": "farm",
        "devices": plan.farm.devices,
        "roles": {role: [str(address) for address in found] for role, found in plan.farm.roles.items()},
    }

    def record(ledger: Ledger, **more: Any) -> Record:
        given: dict[str, Any] = {
            "model_name": graph.name,
            "target": target,
            "plan": plan.describe(),
            "devices": account.devices,
            "adapted": account.adapted,
            "wire": wire_cost(plan.partition, reference.outputs, reference.exact),
            "emulated": emulated.label(options.protocol) if emulated else None,
        }
        made = _record(options, started_utc, reference, ledger, run=account.run, **{**given, **more})
        return replace(made, options={**made.options, "auth": auth})

    with account.kept(lambda ledger, why: broken_off(record(ledger, broken_off=why))):
        outcome = event_loop.run(run_on_farm(plan, options, reference, progress, meter, account, emulated))
    extra: dict[str, float] = {
        "cpu_s": outcome.cpu_s,
        "bytes_per_frame": plan.partition.frame_bytes,
        "nodes_cpu_s": sum(node["statistics"]["cpu_s"] for node in outcome.nodes),
        "nodes_rss_bytes": sum(node["statistics"]["rss_bytes"] for node in outcome.nodes),
    }
    if outcome.in_flight is not None:
        extra["in_flight"] = outcome.in_flight
    if options.rate_fps is not None:
        extra["rate_fps"] = options.rate_fps
    reasons = contradictions(plan, outcome.nodes, outcome.ledger.frames_sent, outcome.adapted)
    if outcome.stale:
        reasons.append(f"{outcome.stale} results of another run came in: the farm was not idle")
    reasons += late_problems(outcome.nodes)
    imitated = imitation(outcome.replies, options.frames) if outcome.replies else None
    if imitated is not None:
        reasons.insert(0, NO_MEASUREMENT)
    description = plan.describe()
    description["roles"] = role_figures(plan, outcome.nodes)
    return record(
        outcome.ledger,
        plan=description,
        nodes=outcome.nodes,
        extra=extra,
        node_reasons=reasons,
        protocol=imitated,
    )


def _host(
    options: RunOptions,
    progress: Progress,
    reference: Reference | None,
    meter: Phases,
    broken_off: Callable[[Record], None],
) -> Record:
    graph = model(host_model(options))
    if options.device == "gpu":
        # Before the reference is computed: a missing GPU must not cost minutes.
        prepare_device(options)
    meter.begin([os.getpid()], 1, "tx2")
    progress.phase("computing the reference")
    reference = reference or reference_for(options)
    options = options.held(reference.separation)
    started_utc = _now_utc()
    before = Look(environment())
    account = Account(run=secrets.token_hex(8))
    target = {"name": options.target_name, "kind": "host", "devices": 1, "device": options.device}

    def record(ledger: Ledger, **more: Any) -> Record:
        devices = single_device(before, Look(environment()))
        given: dict[str, Any] = {"model_name": graph.name, "target": target, "plan": {}, "devices": devices}
        return _record(options, started_utc, reference, ledger, run=account.run, **{**given, **more})

    with account.kept(lambda ledger, why: broken_off(record(ledger, broken_off=why))):
        ledger, cpu_s, told = run_on_host(graph, options, reference, progress, meter, account)
    options = replace(options, plain=told.plain)
    return record(ledger, extra={"cpu_s": cpu_s}, target={**target, "runtime": str(told)})


def _now_utc() -> str:
    # Counted on from one look at the wall clock: set in mid-run, it would let a run end before it started.
    passed = timedelta(seconds=time.monotonic() - _LOADED_S)
    return (_LOADED_UTC + passed).isoformat(timespec="milliseconds")


def _record(
    options: RunOptions,
    started_utc: str,
    reference: Reference,
    ledger: Ledger,
    *,
    run: str,
    model_name: str,
    target: dict[str, Any],
    plan: dict[str, Any],
    devices: tuple[dict[str, Any], ...],
    nodes: tuple[dict[str, Any], ...] = (),
    extra: Mapping[str, float] = MappingProxyType({}),
    node_reasons: Sequence[str] = (),
    broken_off: str = "",
    adapted: dict[str, Any] | None = None,
    wire: dict[str, Any] | None = None,
    emulated: str | None = None,
    protocol: dict[str, Any] | None = None,
) -> Record:
    samples = ledger.samples()
    metrics: dict[str, float] = window_metrics(samples)
    metrics |= {
        "frames_sent": ledger.frames_sent,
        "frames_returned": ledger.frames_returned,
        "frames_distinct": ledger.frames_distinct,
        "frames_verified": ledger.frames_verified,
        "frames_dropped": ledger.dropped,
        "reference_separation": reference.separation,
    }
    if ledger.largest_error is not None and ledger.largest_error < float("inf"):
        metrics["largest_error"] = ledger.largest_error
    throttling = throttling_finding(devices)
    throttled = [] if throttling.passed is not False else [f"{throttling.rule}: {throttling.detail}"]
    verdict = judge(
        ledger,
        frames=options.frames,
        separation=reference.separation,
        window_s=metrics.get("window_s"),
        more=options.least_s > 0,
        node_reasons=[*node_reasons, *throttled],
    )
    described = options.describe()
    return Record(
        run=run,
        started_utc=started_utc,
        ended_utc=_now_utc(),
        target=target,
        model={
            "name": model_name,
            "weights": reference.weights,
            "seed": options.seed,
            "fingerprint": reference.model_fingerprint,
        },
        plan=plan,
        options=described,
        devices=devices,
        nodes=nodes,
        frames=samples,
        metrics={**metrics, **extra, **wire_figures({"wire": wire}), "rss_bytes": psutil.Process().memory_info().rss},
        verdict=replace(
            verdict,
            broken_off=broken_off,
            notes=(*verdict.notes, *circumstances(adapted, described.get("auth", ""), wire)),
        ),
        tolerance=options.tolerance,
        kind=Kind.OFFICIAL if options.official else Kind.QUICK,
        series=options.series,
        declared=options.declared,
        adapted=adapted,
        wire=wire,
        emulated=emulated,
        protocol=protocol,
    )
