"""Rates out of a run: what a record was made of comes out of it again, and what tells nothing is refused."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from run_records import run_record, steady_frames

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.partition.paper import partition
from harness.plan.plan import Plan, make_plan
from harness.records.record import Record, Verdict
from harness.records.store import write_record
from harness.simulate.against import asked_by, predict_run
from harness.simulate.fit import fit_record

FRAMES = 200
S_PER_MAC, S_PER_WEIGHT, MESSAGE_S, JITTER = 2e-11, 1.5e-10, 2e-4, 0.05


def plan_of(name: str) -> Plan:
    """A paper's farm on loopback addresses."""
    cut = partition(name)
    hosts = (f"127.0.0.{number}" for number in range(1, 100))
    roles = {"initial": [next(hosts)], **{role.name: [next(hosts) for _ in range(role.nodes)] for role in cut.roles}}
    return make_plan(cut, FarmConfig.from_document({"node": roles}, "made up"))


def record_of(name: str = "alexnet-5", *, step_s: float = 0.01, jitter: float = JITTER, cores: int = 2) -> Record:
    """A run whose blocks take what the rates above say, and whose messages cost what is said above."""
    plan, chance = plan_of(name), random.Random(5)
    cut = plan.partition
    made = run_record(
        model=cut.graph.name, target=name, devices=1 + len(plan.placements), frames=steady_frames(FRAMES, step_s)
    )
    nodes = []
    for placement, node in zip(plan.placements, made.nodes, strict=True):
        role, count = cut.role(placement.role), FRAMES // placement.replicas
        mean_s = S_PER_MAC * cut.macs(role.name) + S_PER_WEIGHT * cut.parameters(role.name)
        times_s = [mean_s * chance.gammavariate(jitter**-2, jitter**2) if jitter else mean_s for _ in range(count)]
        received = len(cut.slots(role.name))
        sent = sum(edge.copies for edge in cut.edges if edge.source == role.name)
        description = node["description"] | {
            "host": placement.address.host,
            "role": placement.role,
            "part": placement.part,
            "parts": placement.parts,
            "replica": placement.replica,
            "partition": cut.name,
        }
        statistics = node["statistics"] | {
            "computed": count,
            "received": received * count,
            "sent": sent * count,
            "compute_s": times_s,
            "queue_s": [1e-4] * count,
            "cpu_s": sum(times_s) + MESSAGE_S * (received + sent) * count,
        }
        nodes.append({"description": description, "statistics": statistics})
    first, last = cut.edges[0], cut.edges[-1]
    metrics = made.metrics | {
        "bytes_per_frame": cut.frame_bytes,
        "nodes_cpu_s": sum(node["statistics"]["cpu_s"] for node in nodes),
        "cpu_s": MESSAGE_S * (first.parts * first.copies + last.parts * last.copies) * FRAMES,
    }
    target = made.target | {"roles": {role: [str(a) for a in found] for role, found in plan.farm.roles.items()}}
    looks = {key: made.devices[0][key] | {"cores": cores} for key in ("before", "after")}
    at = {plan.farm.initial.host: "initial"} | {node.address.host: node.role for node in plan.placements}
    devices = tuple({"name": host, "roles": [role], **looks} for host, role in at.items())
    description = plan.describe() | {"roles": []}
    return replace(made, nodes=tuple(nodes), metrics=metrics, target=target, plan=description, devices=devices)


def test_a_run_gives_back_what_it_was_made_of(tmp_path: Path) -> None:
    """Proves that rates, cost of a message and jitter come out of the counters that nodes have."""
    found = fit_record(write_record(record_of(), tmp_path))
    rates = found.profile.fits["Conv2D"].seconds_per
    assert rates["macs"] == pytest.approx(S_PER_MAC, rel=0.1)
    assert rates["parameters"] == pytest.approx(S_PER_WEIGHT, rel=0.1)
    assert found.jitter == pytest.approx(JITTER, rel=0.25)
    assert found.shared_cores == 2
    assert found.largest_error < 0.02
    steady = fit_record(write_record(record_of(jitter=0.0), tmp_path / "steady"))
    assert steady.network.message_s == pytest.approx(MESSAGE_S, rel=0.01)
    assert steady.profile.fits["Dense"].seconds_per["parameters"] == pytest.approx(S_PER_WEIGHT, rel=1e-3)


def test_another_machine_gives_other_rates(tmp_path: Path) -> None:
    """Control: a run whose blocks take twice as long does not pass for the first."""
    slow = record_of(jitter=0.0)
    nodes = tuple(
        node | {"statistics": node["statistics"] | {"compute_s": [2 * one for one in node["statistics"]["compute_s"]]}}
        for node in slow.nodes
    )
    cpu = tuple(
        node | {"statistics": node["statistics"] | {"cpu_s": 2 * node["statistics"]["cpu_s"]}} for node in nodes
    )
    metrics = slow.metrics | {"nodes_cpu_s": sum(node["statistics"]["cpu_s"] for node in cpu)}
    found = fit_record(write_record(replace(slow, nodes=cpu, metrics=metrics), tmp_path))
    assert found.profile.fits["Conv2D"].seconds_per["macs"] != pytest.approx(S_PER_MAC, rel=0.1)


def test_a_record_is_predicted_with_its_own_frames(tmp_path: Path) -> None:
    """Proves that a prediction simulates the very run: its farm, frames and load, and stands beside its figures."""
    record = write_record(record_of(), tmp_path)
    found = fit_record(record)
    asked = asked_by(record)
    assert (asked.frames, asked.in_flight, asked.plan.partition.name) == (FRAMES, 1, "alexnet-5")
    one = predict_run(found, asked)
    assert one.outcome.returned == FRAMES
    assert one.measured("ips") == pytest.approx(100.0)
    error, predicted = one.error("ips"), one.predicted("ips")
    assert error is not None
    assert predicted is not None
    assert error == pytest.approx(predicted / 100 - 1)
    assert one.error("latency_p90_s") is not None


def test_a_farm_file_is_predicted_without_anything_measured(tmp_path: Path) -> None:
    """Proves that a farm that nobody measured has a prediction, and no error: unknown is not 0."""
    found = fit_record(write_record(record_of(), tmp_path))
    one = predict_run(found, asked_by(Path(__file__).parents[2] / "ck-machines/farms/farm-11.json", frames=70))
    assert one.asked.plan.partition.name == "vgg16-11"
    assert one.predicted("latency_p90_s") is not None
    assert one.measured("ips") is None
    assert one.error("ips") is None


def test_what_tells_nothing_is_refused(tmp_path: Path) -> None:
    """Proves that a record which is not VALID, of a host, or of devices with an unknown network is told in one line."""
    invalid = write_record(replace(record_of(), verdict=Verdict(reasons=("made up",))), tmp_path)
    with pytest.raises(BadInputError, match="VALID"):
        fit_record(invalid)
    host = write_record(run_record(device="cpu"), tmp_path / "host")
    with pytest.raises(BadInputError, match="farm"):
        fit_record(host)
    emulated = write_record(replace(record_of(), emulated="rpi3"), tmp_path / "emulated")
    with pytest.raises(BadInputError):
        fit_record(emulated)
    with pytest.raises(BadInputError):
        fit_record(tmp_path / "nowhere.json")
