"""Edits of good records, each against one rule; the others are kept as far as a careful liar would keep them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.audit.edits import Edit, analyzed, both, counted, drop, frames, lines, put, text, times, trace, unsealed
from benchmarks.audit.good_records import Case, count_again
from harness.metrics import ENERGY_FIGURES
from harness.records.index import INDEX_FILE
from power.verdict import Settings


@dataclass(frozen=True)
class Mutation:
    """One edit.

    Attributes:
        good: which good record it starts from.
        rule: the rule that must reject it; "unreadable" for what is no record any more; "series", "index" and
            "repeated" for what only the whole folder shows.
        name: what was done.
        edit: does it.
    """

    good: str
    rule: str
    name: str
    edit: Edit


def _shifted(by_s: float) -> Edit:
    return frames(lambda frame: frame.update(sent_s=frame["sent_s"] + by_s, verified_s=frame["verified_s"] + by_s))


RUNTIME = "nodes.0.description.runtime"


def _all_bytes(case: Case) -> None:
    for part in ("options", "plan"):
        case.document[part]["wire"] = "uint8"
    case.document["wire"]["encoding"] = "uint8"


def _at_a_rate(case: Case) -> None:
    del case.document["metrics"]["in_flight"]
    case.document["metrics"]["rate_fps"] = 4.0


def _half_the_times(case: Case) -> None:
    frames(lambda frame: frame.update(sent_s=frame["sent_s"] / 2, verified_s=frame["verified_s"] / 2))(case)
    kept = {name: case.document["metrics"][name] for name in ENERGY_FIGURES}
    count_again(case.document)
    case.document["metrics"] |= kept


def _another_device(case: Case) -> None:
    case.document["plan"]["nodes"][0]["address"] = "127.0.0.77:12345"
    case.document["nodes"][0]["description"]["host"] = "127.0.0.77"
    case.document["devices"][1]["name"] = "127.0.0.77"


def _twin(case: Case) -> None:
    """The first run of the series once more, under another name and number."""
    other = json.loads(case.others[0].read_bytes())
    case.document["frames"] = other["frames"]
    case.document["metrics"] = other["metrics"]
    for node in case.document["nodes"]:
        node["statistics"]["computed"] = len(other["frames"])
        node["statistics"]["compute_s"] = (node["statistics"]["compute_s"] * 2)[: len(other["frames"])]
    case.document["metrics"]["nodes_cpu_s"] = sum(n["statistics"]["cpu_s"] for n in case.document["nodes"])


def _without_newline(data: bytes) -> bytes:
    return data[:-1]


_BURST: Final = {
    "name": "published-2018",
    "burst": 1,
    "replies": [{"frame": 0, "at_s": 1.0, "right": False}, {"frame": 0, "at_s": 2.0, "right": True}],
    "as_published_ips": 1.0,
    "counted_ips": [0.0, 1.0],
    "right_share": 0.5,
    "window_s": 1.0,
    "makespan_s": 2.0,
}
_DEEP: Final = b"[" * 70 + b"]" * 70
M = Mutation
MUTATIONS: Final = (
    # No record any more
    M("farm", "unreadable", "a newer version", put("version", 3)),
    M("farm", "unreadable", "another format", put("format", "my own")),
    M("farm", "unreadable", "no frames at all", drop("frames")),
    M("farm", "unreadable", "NaN in place of a figure", text(lambda d: d.replace(b'"ips":5.0', b'"ips":NaN'))),
    M("farm", "unreadable", "a number beyond a float", text(lambda d: d.replace(b'"ips":5.0', b'"ips":1e999'))),
    M("farm", "unreadable", "a key twice", text(lambda d: d.replace(b'"ips":5.0', b'"ips":50.0,"ips":5.0'))),
    M("farm", "unreadable", "nested too deeply", text(lambda d: d.replace(b'"edges":[]', b'"edges":' + _DEEP))),
    M("farm", "unreadable", "half a surrogate pair", text(lambda d: d.replace(b'"alexnet"', b'"\\ud800"'))),
    M("farm", "unreadable", "half of the file", text(lambda d: d[: len(d) // 2])),
    # The form
    M("farm", "form", "a field of its own", put("ips", 100.0)),
    M("farm", "form", "a run without a name", put("run", "mine")),
    M("farm", "form", "an error below 0", put("frames.3.error", -1e-9)),
    M("farm", "form", "a tolerance of 0", put("tolerance", 0.0)),
    M("farm", "form", "no device", put("devices", [])),
    M("farm", "form", "another kind of run", put("kind", "superb")),
    M("farm", "form", "replies as text", put("frames.3.replies", "1")),
    M("farm", "form", "a price below 0", put("declared", {"price_usd": -1.0, "price_source": "shop"})),
    M("farm", "form", "laid out for people", text(lambda d: json.dumps(json.loads(d), indent=1).encode())),
    M("farm", "form", "without the last newline", text(_without_newline)),
    M("v1", "form", "first layout: a time below 0", put("frames.0.sent_s", -1.0)),
    # The seal
    M("farm", "seal", "a time edited", unsealed(times("frames.3.verified_s", 0.99))),
    M("farm", "seal", "the verdict edited", unsealed(put("verdict.notes", ["fine"]))),
    M("farm", "seal", "another digest", unsealed(put("manifest.record_sha256", 64 * "0"))),
    M("metered", "seal", "a digit of the trace edited", unsealed(trace(lambda t: t.replace("17.9", "17.8", 1)))),
    M("metered", "seal", "the trace deleted", unsealed(lambda case: case.trace.unlink())),
    M("metered", "seal", "the trace hidden from the manifest", put("manifest.files", {})),
    # Frames
    M("farm", "numbered", "a frame left out", counted(drop("frames.7"))),
    M(
        "farm",
        "numbered",
        "a frame counted twice",
        counted(lambda c: c.document["frames"].append(c.document["frames"][-1])),
    ),
    M("farm", "numbered", "no frames", counted(put("frames", []))),
    M("farm", "returned", "a frame came back twice", counted(put("frames.7.replies", 2))),
    M(
        "farm",
        "returned",
        "a frame never came back",
        counted(lambda c: c.document["frames"][7].update(replies=0, verified_s=None, error=None)),
    ),
    M("farm", "verified", "a wrong result", counted(put("frames.7.error", 0.1))),
    M("farm", "verified", "a result that nobody compared", counted(put("frames.7.error", None))),
    M("farm", "verified", "a result without a time", counted(put("frames.7.verified_s", None))),
    M("host", "times", "back before it was sent", counted(put("frames.7.verified_s", 0.5))),
    M("farm", "times", "a window that begins late", counted(_shifted(1.0))),
    M("farm", "times", "all back at once", counted(frames(lambda frame: frame.update(verified_s=60.0)))),
    M("farm", "asked", "fewer frames than asked for", both(counted(drop("frames.-1")), put("options.frames", 300))),
    M(
        "farm",
        "asked",
        "skipped frames called dropped",
        both(counted(drop("frames.-1")), put("options.frames", 300), put("metrics.frames_dropped", 1)),
    ),
    M("farm", "asked", "shorter than asked for", put("options.least_s", 120.0)),
    M("farm", "asked", "nobody knows how many were asked for", put("options.frames", "all")),
    M("host", "load", "two frames at once on one device", counted(times("frames.7.verified_s", 1.3))),
    M("farm", "load", "more under way than told", counted(put("frames.7.verified_s", 50.0))),
    M("farm", "load", "more asked for than told", put("options.in_flight", 8)),
    M("farm", "load", "two loads at once", put("metrics.rate_fps", 5.0)),
    M("farm", "load", "frames beside their due times", _at_a_rate),
    M("farm", "images", "one image for every frame", frames(lambda frame: frame.update(image=0))),
    M("farm", "images", "two images in turn", frames(lambda frame: frame.update(image=frame["frame"] % 2))),
    M("farm", "images", "two frames changed places", both(put("frames.7.image", 0), put("frames.8.image", 7))),
    M("farm", "tolerance", "a generous tolerance", counted(put("tolerance", 1e-3))),
    M("farm", "tolerance", "a GPU's tolerance", counted(put("tolerance", 1e-5), put("target.device", "gpu"))),
    M("farm", "separation", "references that are alike", put("metrics.reference_separation", 1e-9)),
    M("farm", "separation", "no separation", drop("metrics.reference_separation")),
    # Figures
    M("farm", "figures", "twice the speed", times("metrics.ips", 2.0)),
    M("farm", "figures", "a millionth more speed", times("metrics.ips", 1.000001)),
    M("farm", "figures", "half the time per frame", times("metrics.execution_time_classify", 0.5)),
    M("farm", "figures", "a shorter median", times("metrics.latency_p50_s", 0.9)),
    M("farm", "figures", "a percentile without samples", put("metrics.latency_p99_s", 0.2)),
    M("farm", "figures", "no mean latency", drop("metrics.latency_mean_s")),
    M("farm", "figures", "a frame more verified", put("metrics.frames_verified", 301)),
    M("farm", "figures", "no error at all", put("metrics.largest_error", 0.0)),
    M("farm", "figures", "an accuracy typed in", put("metrics.accuracy_top1", 0.99)),
    M("farm", "figures", "CPU time below 0", put("metrics.cpu_s", -1.0)),
    M("v1", "figures", "first layout: twice the speed", times("metrics.ips", 2.0)),
    # Nodes
    M("farm", "target", "a node that is no part of the target", _another_device),
    M("farm", "target", "a plan for fewer devices", put("plan.devices", 4)),
    M("farm", "nodes", "another model's fingerprint", put("nodes.1.description.model_fingerprint", "beef")),
    M("farm", "nodes", "other weights", put("nodes.1.description.weights", "seed:1:7")),
    M("farm", "nodes", "another run's counters", put("nodes.1.statistics.run", "fedcba9876543210")),
    M("farm", "nodes", "refused messages", put("nodes.1.statistics.refused", 3)),
    M("farm", "nodes", "times left out", drop("nodes.1.statistics.compute_s.0")),
    M("farm", "nodes", "computing for longer than there was", put("nodes.1.statistics.compute_s.0", 1000.0)),
    M("farm", "nodes", "a shorter window of a node", put("nodes.1.statistics.wall_s", 20.0)),
    M("farm", "nodes", "the plan of another model", put("plan.model", "vgg16")),
    M("farm", "nodes", "another role than planned", put("nodes.1.description.role", "fc9")),
    M("farm", "nodes", "a device more", both(put("target.devices", 6), put("plan.devices", 6))),
    M("host", "nodes", "one device called two", put("target.devices", 2)),
    M(
        "farm",
        "computed",
        "a node that skipped frames",
        both(put("nodes.1.statistics.computed", 299), drop("nodes.1.statistics.compute_s.0")),
    ),
    M("adapted", "computed", "a part that computed too often", put("nodes.1.statistics.shares.0.computed", 304)),
    M("adapted", "steady", "more late results than repetitions", put("adapted.late", 4)),
    M("adapted", "steady", "more repetitions than the budget grants", put("adapted.sent_again", 99_999)),
    M("adapted", "steady", "a table without holders", put("adapted.changes.0.holders", {})),
    M("adapted", "steady", "a table after the end", put("adapted.changes.1.at_s", 1e9)),
    M("adapted", "steady", "a reason with an escape sequence", put("adapted.changes.0.why", "a\x1b[2J")),
    M("adapted", "nodes", "a device that was not lost", put("adapted.lost", [])),
    M("adapted", "steady", "the same table twice", put("adapted.changes.1.epoch", 1)),
    M("adapted", "steady", "nobody asked for it", drop("options.adapt")),
    M("adapted", "steady", "changes left out", drop("adapted")),
    M(
        "adapted",
        "nodes",
        "tables left out, to hide nothing",
        both(put("adapted.changes", []), put("adapted.lost", [])),
    ),
    M("adapted", "official", "official on a farm that changed", put("kind", "official")),
    M("farm", "steady", "a change of a farm that may not", put("options.adapt", True)),
    # What computed
    M("farm", "runtime", "another runtime than was asked for", put("options.runtime", "onnx")),
    M("farm", "runtime", "fewer bits than were asked for", put("options.precision", "bf16")),
    M("farm", "runtime", "a node with a runtime that there is not", put(RUNTIME, "abacus 1; runtime=abacus")),
    M("host", "runtime", "a single device that does not tell", put("options.runtime", "openvino")),
    # What was imitated
    M("emulated", "emulated", "a farm called real", put("emulated", None)),
    M("emulated", "emulated", "another device", put("emulated", "tx2-gpu+wifi-n")),
    M("emulated", "emulated", "a node that imitated nothing", put("nodes.1.description.emulates", "")),
    M("emulated", "emulated", "another medium", put("nodes.1.description.emulates", "rpi3+wifi-n#0123456789ab@1f.3")),
    M("emulated", "emulated", "a machine too slow", put("nodes.1.statistics.late", 30)),
    M("emulated", "emulated", "requests of 2018 that are not told", put("options.protocol", "requests-2018")),
    M("emulated", "emulated", "requests of 2018 that were not", put("emulated", "rpi3+wifi-n/requests-2018")),
    M("farm", "emulated", "imitation without nodes that do", put("emulated", "rpi3+wifi-n")),
    M("emulated", "protocol", "replies counted as in 2018", put("options.protocol", "published-2018")),
    M("emulated", "protocol", "a figure of 2018 beside", put("protocol", _BURST)),
    M("farm", "protocol", "a figure of 2018 of a real farm", put("protocol", _BURST)),
    M("emulated", "form", "a protocol of its own", put("protocol", {**_BURST, "name": "mine"})),
    # The wire
    M("rounded", "wire", "rounding that is not told", drop("wire")),
    M("rounded", "wire", "rounding that nobody asked for", drop("options.wire")),
    M("rounded", "wire", "bytes called halves", put("wire.encoding", "uint8")),
    M("rounded", "wire", "bytes called halves everywhere", _all_bytes),
    M("rounded", "wire", "an exact plan", drop("plan.wire")),
    M("rounded", "wire", "more bytes spared than there were", put("wire.f32_bytes_per_frame", 9000)),
    M("rounded", "wire", "an image without its error", both(drop("wire.errors.7"), put("metrics.wire_error", 7e-5))),
    M("rounded", "wire", "an image without its class", both(drop("wire.same_class.7"), put("metrics.wire_top1", 1.0))),
    M("rounded", "wire", "a node that took float32", times("nodes.1.statistics.bytes_in", 2)),
    M("host", "wire", "a wire of a single device", put("options.wire", "fp16")),
    M("rounded", "counters", "a smaller error of the wire", times("metrics.wire_error", 0.5)),
    M("rounded", "counters", "every class the same", put("metrics.wire_top1", 1.0)),
    M("farm", "counters", "an error without a wire", put("metrics.wire_error", 0.0)),
    M("rounded", "tolerance", "more than a tenth of what tells images apart", put("tolerance", 1.1e-4)),
    M("rounded", "form", "a wire that there is not", put("wire.encoding", "int4")),
    M("farm", "counters", "less CPU time", times("metrics.nodes_cpu_s", 0.5)),
    M("farm", "counters", "less memory", times("metrics.nodes_rss_bytes", 0.5)),
    M("farm", "counters", "fewer bytes on the wire", put("metrics.bytes_per_frame", 10)),
    M("host", "counters", "nodes of a single device", put("metrics.nodes_cpu_s", 1.0)),
    # Devices
    M("farm", "devices", "no look after the run", put("devices.1.after", None)),
    M("farm", "devices", "a device left out", drop("devices.2")),
    M("farm", "devices", "throttling left out", drop("devices.1.after.throttled")),
    M("farm", "governor", "another governor after the run", put("devices.1.after.governor", "powersave")),
    M("farm", "governor", "a lower clock limit after the run", put("devices.1.after.frequency_max_khz", 600_000)),
    M("farm", "throttled", "throttled at the end", put("devices.1.after.throttled", 0x40004)),
    M("farm", "throttled", "short of voltage during the run", put("devices.1.after.throttled", 0x10000)),
    M("farm", "duration", "the end before the start", put("ended_utc", "2026-02-03T03:00:00Z")),
    M("farm", "duration", "a run shorter than its window", put("ended_utc", "2026-02-03T04:05:26.789Z")),
    M("farm", "duration", "a thirteenth month", put("started_utc", "2026-13-03T04:05:06Z")),
    # Energy
    M("metered", "energy", "less energy", times("metrics.energy_total_j", 0.9)),
    M(
        "metered",
        "energy",
        "less energy, twice told",
        both(times("metrics.energy_total_j", 0.9), times("energy.total_j_per_frame", 0.9)),
    ),
    M("metered", "energy", "less uncertainty", times("metrics.energy_dynamic_u_j", 0.1)),
    M("metered", "energy", "another trace, sealed anew", trace(lambda t: t.replace(",17.9", ",16.9"))),
    M("metered", "energy", "more frames in the trace", trace(lambda t: t.replace("# frames: 300", "# frames: 600"))),
    M("metered", "energy", "no trace, figures kept", put("energy", None)),
    M("metered", "energy", "judged by a narrow coverage factor", analyzed(settings=Settings(k=0.2))),
    M("metered", "energy", "judged by wide limits", analyzed(settings=Settings(coverage_min=0.1, gap_max_s=1e6))),
    M("metered", "energy", "the trace of a slower run", _half_the_times),
    M("metered", "energy", "a made-up pace", analyzed(pace=lambda p: replace(p, latency_mean_s=p.latency_mean_s / 2))),
    M("virtual", "energy", "virtual energy called measured", put("metrics.energy_measured", 1.0)),
    M("virtual", "energy", "the virtual analyzer called measured", analyzed(meter=lambda m: replace(m, measured=True))),
    M("farm", "energy", "energy typed in", put("metrics.energy_total_j", 0.5)),
    M("farm", "energy", "energy called valid that is not there", put("metrics.energy_valid", 1.0)),
    # Claims
    M("farm", "measured", "times of a model", put("measured", False)),
    M("farm", "official", "official by itself", put("kind", "official")),
    M("series", "official", "a series of two", put("series", {"id": "5e21e55e21e55e21", "number": 1, "of": 2})),
    M("series", "official", "half a minute", counted(lambda c: c.document["frames"].__delitem__(slice(120, None)))),
    M("farm", "declared", "a price without source", put("declared", {"price_usd": 200.0})),
    M("farm", "declared", "a peak power without source", put("declared", {"peak_power_w": 32.5})),
    M("farm", "verdict", "reasons under VALID", put("verdict.reasons", ["3 results differ"])),
    M("farm", "verdict", "INVALID without a reason", put("verdict.status", "INVALID")),
    # The folder
    M("series", "series", "a run of the series lost", lambda case: case.others.pop().unlink()),
    M("series", "series", "a number twice", put("series.number", 1)),
    M("series", "series", "a run of the series is not VALID", put("verdict.reasons", ["slow"])),
    M("series", "series", "a run on another target", put("target.name", "farm-5-fast")),
    M("series", "series", "a run with another load", put("options.in_flight", 1)),
    M("series", "repeated", "one run told twice", _twin),
    M("series", "index", "a record that was never filed", lines(lambda found: found[:-1])),
    M(
        "series",
        "index",
        "a record filed and gone",
        unsealed(lambda case: case.others.pop().unlink()),
    ),
    M("series", "index", "a line of the index lost", lines(lambda found: found[:1] + found[2:])),
    M("series", "index", "a line of the index edited", lines(lambda f: [f[0].replace('"file"', '"file" '), *f[1:]])),
    M("series", "index", "the last line torn", lines(lambda found: [*found[:-1], found[-1][:40]])),
    M("farm", "index", "no index", unsealed(lambda case: (case.folder / INDEX_FILE).unlink())),
)
