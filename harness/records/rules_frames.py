"""Rules over the raw frames of a record, and the figures that follow from them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final

from harness.metrics import ENERGY_FIGURES, METRICS
from harness.records.finding import Finding, judged, unknown
from harness.records.record import FrameSample
from harness.records.rules_runtime import plain_kernels
from harness.records.rules_wire import WIRE_FIGURES, wire_of
from harness.records.window import window_metrics

TOLERANCES: Final = {"cpu": 1e-6, "gpu": 1e-5}
"""Largest difference of a softmax output that may count as equal: two float32 CPU runs; a GPU and the CPU reference."""
OTHER_KERNELS: Final = 3e-5
"""The same where something else than the plain Keras function computes, which adds the terms of a sum in another order.

Whole models against the reference, largest difference: AlexNet, 8 seeds of 32 images: 2.5e-6; VGG16, 3 seeds of 6
images: 7.8e-6, of an answer with probability 0.31, near to where a softmax is steepest. Two images differ by 1.5e-3 at
least (`harness.models.weights.LOGITS_GAIN`).
"""
SEPARATION: Final = 10.0
"""References of two images must differ by this many tolerances, or an equality check proves nothing."""
LEAST_IMAGES: Final = 8
"""Fewer images could hide a mix-up of frames."""
BATCHES: Final = 10
UNSTABLE: Final = 0.10
"""Standard deviation over mean of the batches' rates from which a run is called unstable (pyperf's threshold)."""
_SAME: Final = 1e-9
_JUST_BELOW: Final = 1 - 1e-9
_BRIEF_S: Final = 0.1
"""A window that had to last for some time may end so much before: its edges are frames."""
_OUT_OF_STEP: Final = 1e-3
"""Share of a period by which a frame of the open loop may stand beside its due time: rounding of floats."""
_RAW: Final = {"cpu_s", "rss_bytes", "in_flight", "rate_fps", "reference_separation", "frames_dropped", "energy_valid"}
"""Readings of a clock or a counter that nothing else in the record repeats."""
_FROM_ELSEWHERE: Final = {
    *("nodes_cpu_s", "nodes_rss_bytes", "bytes_per_frame", "energy_measured"),
    *WIRE_FIGURES,
    *ENERGY_FIGURES,
}
"""Figures that other rules make again: from the nodes, the plan, the trace."""


def unlike_tolerance(separation: float) -> float:
    """The tolerance of what rounds otherwise than the reference: fewer bits than float32, or a wire that rounds.

    Of a wire, where nodes add up in another order than the reference:
    A sum that ends in another last bit lets a value be rounded the other way, which moves an output by as much as all
    rounding together (decision 0019). So this is the widest at which two images can still be told apart.
    """
    return max(TOLERANCES["cpu"], separation / SEPARATION * _JUST_BELOW)


def tolerance_of(device: str, *, plain: bool) -> float:
    """Largest difference that may count as equal.

    Args:
        device: "cpu" or "gpu".
        plain: whether nothing but the plain Keras function computed.
    """
    return TOLERANCES[device] if plain else max(TOLERANCES[device], OTHER_KERNELS)


def frames_of(document: dict[str, Any]) -> list[FrameSample]:
    """The raw frames."""
    return [FrameSample(**frame) for frame in document["frames"]]


def counted(frames: list[FrameSample], tolerance: float) -> dict[str, float]:
    """The account of a window, from its frames alone."""
    equal = [frame for frame in frames if frame.verified_s is not None and _within(frame.error, tolerance)]
    errors = [frame.error for frame in frames if frame.error is not None]
    figures: dict[str, float] = {
        "frames_sent": len(frames),
        "frames_returned": sum(frame.replies for frame in frames),
        "frames_distinct": len({frame.frame for frame in frames if frame.replies > 0}),
        "frames_verified": len({frame.frame for frame in equal}),
    }
    return figures | ({"largest_error": max(errors)} if errors else {})


def frame_findings(document: dict[str, Any], frames: list[FrameSample]) -> list[Finding]:
    """Every frame was sent, came back once, and was equal to the reference."""
    tolerance = document["tolerance"]
    numbers = [frame.frame for frame in frames]
    gaps = [f"frame {a} is followed by {b}" for a, b in pairwise(numbers) if b != a + 1]
    replies = [f"frame {f.frame} came back {f.replies} times" for f in frames if f.replies != 1]
    wrong = [
        f"frame {f.frame} differs by {f.error if f.error is None else format(f.error, '.1e')}"
        for f in frames
        if f.replies and not (f.verified_s is not None and _within(f.error, tolerance))
    ]
    return [
        judged("numbered", "frames are numbered one after the other, each once", gaps or ([] if frames else ["none"])),
        judged("returned", "every frame that was sent came back exactly once", replies),
        judged("verified", "every result equals the single-device reference", wrong),
        judged("times", "times of a frame follow each other, from the first send on", _time_problems(frames)),
        judged(
            "asked", "as many frames as were asked for, for as long as was asked", _asked_problems(document, frames)
        ),
        judged("load", "no more frames were under way than the load allows", _load_problems(document, frames)),
        judged("images", "frames carry several images, in turn", _image_problems(document, frames)),
        judged("tolerance", "differences count as equal up to the tolerance of the device", _tolerance(document)),
        judged("separation", "the references of two images can be told apart", _separation(document)),
    ]


def figure_finding(document: dict[str, Any], figures: dict[str, float]) -> Finding:
    """The stored metrics are those that the raw frames give; percentiles only where there are samples for them."""
    stored = document["metrics"]
    problems = [
        f"{name} is {stored[name]!r}, the frames give {value!r}" if name in stored else f"{name} is missing"
        for name, value in figures.items()
        if name not in stored or not math.isclose(stored[name], value, rel_tol=_SAME, abs_tol=_SAME)
    ]
    problems += [f"{name} is {stored[name]!r}" for name in sorted(_RAW & stored.keys()) if stored[name] < 0]
    known = figures.keys() | _RAW | _FROM_ELSEWHERE
    for name in stored:
        if name in METRICS and name not in known:
            problems.append(f"{name} is more than {len(document['frames'])} frames support")
        elif name not in METRICS:
            problems.append(f"{name[:60]} is no metric")
    return judged("figures", "every figure follows from the raw frames", problems)


def raw_figures(document: dict[str, Any]) -> dict[str, float]:
    """Stored readings that are raw data themselves."""
    return {name: value for name, value in document["metrics"].items() if name in _RAW - {"energy_valid"}}


def stability_finding(frames: list[FrameSample]) -> Finding:
    """The rate of ten equal batches of completions, as pyperf warns: a note, not a verdict."""
    import numpy as np  # noqa: PLC0415  every command that takes a number of frames would load it

    title = f"the rate of {BATCHES} batches varies by less than {UNSTABLE:.0%}"
    done = np.sort([frame.verified_s for frame in frames if frame.verified_s is not None])
    if len(done) < BATCHES * BATCHES:
        return unknown("stable", title, f"{len(done)} frames are too few to tell; at least {BATCHES * BATCHES}")
    edges = done[np.linspace(0, len(done) - 1, BATCHES + 1).astype(int)]
    spans_s = np.diff(edges)
    if not (spans_s > 0).all():
        return unknown("stable", title, "whole batches came back at one instant")
    rates = np.diff(np.linspace(0, len(done) - 1, BATCHES + 1).astype(int)) / spans_s
    spread = float(rates.std(ddof=1) / rates.mean())
    if spread <= UNSTABLE:
        return Finding("stable", title, passed=True)
    remedy = "close other programs, let the devices cool, use --seconds 60"
    return unknown("stable", title, f"it varies by {spread:.1%}: {remedy}")


def recomputed(document: dict[str, Any], frames: list[FrameSample]) -> dict[str, float]:
    """Every figure that the raw frames give."""
    return window_metrics(frames) | counted(frames, document["tolerance"])


def _within(error: float | None, tolerance: float) -> bool:
    return error is not None and error <= tolerance


def _time_problems(frames: list[FrameSample]) -> list[str]:
    problems = [
        f"frame {f.frame} was back {f.sent_s - f.verified_s:.3g} s before it was sent"
        for f in frames
        if f.verified_s is not None and f.verified_s < f.sent_s
    ]
    if frames and min(f.sent_s for f in frames) != 0:
        problems.append("the window does not begin with its first frame")
    ends = [f.verified_s for f in frames if f.verified_s is not None]
    if len(ends) > 1 and len(set(ends)) < len(ends) / 2:
        problems.append("most frames were back at one and the same instant")
    return problems


def _asked_problems(document: dict[str, Any], frames: list[FrameSample]) -> list[str]:
    options, dropped = document["options"], document["metrics"].get("frames_dropped", 0)
    asked, least_s = options.get("frames"), options.get("least_s") or 0.0
    if not isinstance(asked, int):
        return ["options.frames is no number"]
    if dropped and document["metrics"].get("rate_fps") is None:
        return [f"{dropped:g} frames dropped, where each is sent when one comes back"]
    found = len(frames) + dropped
    problems = []
    if found < asked or (found > asked and not least_s):
        problems.append(f"{asked} were asked for, {found:g} sent or dropped")
    window_s = max((frame.verified_s or 0.0 for frame in frames), default=0.0)
    if window_s < least_s - _BRIEF_S:
        problems.append(f"{least_s:g} s were asked for, the window lasts {window_s:.1f} s")
    return problems


def _load_problems(document: dict[str, Any], frames: list[FrameSample]) -> list[str]:
    """One frame after the other on a single device, `in_flight` at once (closed loop), or `rate_fps` due (open)."""
    metrics, options = document["metrics"], document["options"]
    in_flight, rate_fps = metrics.get("in_flight"), metrics.get("rate_fps")
    if document["target"]["kind"] == "host":
        if in_flight is not None or rate_fps is not None:
            return ["in_flight and rate_fps are for farms"]
        in_flight = 1
    elif (in_flight is None) == (rate_fps is None):
        return ["a farm is loaded with frames in flight, or at a rate: one of the two"]
    problems = []
    for name, value in (("in_flight", metrics.get("in_flight")), ("rate_fps", rate_fps)):
        if options.get(name) not in {None, value}:
            problems.append(f"{name} {options[name]} was asked for, {value} is told")
    if in_flight is not None:
        most = _most_under_way(frames)
        return problems + (
            [f"{most} frames were under way at once, {in_flight:g} are told"] if most > in_flight else []
        )
    due = [frame.sent_s * rate_fps for frame in frames]
    early = [
        f"frame {frame.frame} was not due when it was sent" for frame, at in zip(frames, due, strict=True) if _odd(at)
    ]
    return problems + early


def _most_under_way(frames: list[FrameSample]) -> int:
    """Most frames that were sent and not back at one time; one that comes back makes room at that instant."""
    events = [(frame.sent_s, 1) for frame in frames if frame.verified_s is not None]
    events += [(frame.verified_s, -1) for frame in frames if frame.verified_s is not None]
    under_way = most = 0
    for _, step in sorted(events):
        under_way += step
        most = max(most, under_way)
    return most


def _odd(due: float) -> bool:
    """Not at a whole number of periods."""
    return abs(due - round(due)) > _OUT_OF_STEP


def _image_problems(document: dict[str, Any], frames: list[FrameSample]) -> list[str]:
    images = [frame.image for frame in frames]
    different = len(set(images))
    least = min(LEAST_IMAGES, len(frames))
    if different < least:
        return [f"{different} different images among {len(frames)} frames, at least {least}"]
    in_flight = document["metrics"].get("in_flight") or 1
    if different < min(in_flight, len(frames)):
        return [f"{different} images for {in_flight:g} frames in flight: two of them look alike"]
    last = {before for before, after in pairwise(images) if after == 0}
    out_of_turn = [
        frame.frame for before, frame in pairwise(frames) if frame.image not in {0, before.image + 1} or len(last) > 1
    ]
    return [f"frame {out_of_turn[0]} does not carry the next image of the pool"] if out_of_turn else []


def _tolerance(document: dict[str, Any]) -> list[str]:
    # The nodes of a farm compute on processors: the looser bound is for one GPU against the CPU's reference.
    device = "gpu" if document["target"]["kind"] == "host" and document["target"].get("device") == "gpu" else "cpu"
    plain = plain_kernels(document)
    allowed, where = tolerance_of(device, plain=plain), f"on a {device}{'' if plain else ' with other kernels'}"
    precision = document["options"].get("precision", "f32")
    if precision != "f32":
        separation = document["metrics"].get("reference_separation", 0.0)
        allowed, where = max(allowed, unlike_tolerance(separation)), f"in {precision}"
    if (wire := wire_of(document)) != "f32":
        allowed, where = unlike_tolerance(document["metrics"].get("reference_separation", 0.0)), f"with {wire} messages"
    return [f"{document['tolerance']:g} {where}, allowed is {allowed:g}"] if document["tolerance"] > allowed else []


def _separation(document: dict[str, Any]) -> list[str]:
    separation = document["metrics"].get("reference_separation")
    if separation is None:
        return ["reference_separation is missing"]
    needed = SEPARATION * document["tolerance"]
    return [] if separation >= needed else [f"they differ by {separation:.1e} only, at least {needed:.1e}"]
