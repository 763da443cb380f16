"""May the figures of a run be used? A pure function of what was counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.bench.ledger import Ledger
from harness.records.record import Verdict
from harness.records.rules_adapted import changed
from harness.records.rules_frames import SEPARATION
from harness.records.statistics import PERCENTILES, samples_needed

SHORT_WINDOW_S = 10.0


def judge(
    ledger: Ledger,
    *,
    frames: int,
    separation: float,
    window_s: float | None,
    more: bool = False,
    node_reasons: Sequence[str] = (),
) -> Verdict:
    """Check the account of a run.

    Args:
        ledger: the account.
        frames: frames that the run was asked to send.
        separation: smallest difference between the references of two images.
        window_s: length of the measured window, None when nothing was verified.
        more: more frames than asked for are right: the window had to last for some time.
        node_reasons: what the nodes' own counters contradict.
    """
    reasons = []
    sent = ledger.frames_sent
    again = ledger.frames_returned - ledger.unknown - ledger.frames_distinct
    asked = sent + ledger.dropped
    if asked < frames or (asked > frames and not more):
        reasons.append(f"{sent} of {frames} frames were sent")
    if sent == 0:
        reasons.append("no frame was sent")
    if ledger.frames_distinct < sent:
        reasons.append(f"{sent - ledger.frames_distinct} of {sent} frames never came back")
    if again:
        reasons.append(f"{again} replies were to frames that had come back before")
    if ledger.unknown:
        reasons.append(f"{ledger.unknown} replies were to frames that were not sent in this window")
    wrong = ledger.frames_distinct - ledger.frames_verified
    if wrong:
        reasons.append(
            f"{wrong} of {ledger.frames_distinct} results differ from the single-device reference "
            f"(largest error {ledger.largest_error:.1e}, tolerance {ledger.tolerance:.0e})"
        )
    if not separation >= SEPARATION * ledger.tolerance:  # NaN tells nothing apart either
        reasons.append(
            f"two references differ by {separation:.1e} only: the check cannot tell frames apart, use other weights"
        )
    reasons += node_reasons
    return Verdict(tuple(reasons), tuple(_notes(ledger, window_s)))


def circumstances(adapted: dict[str, Any] | None, auth: str, wire: dict[str, Any] | None = None) -> tuple[str, ...]:
    """What a reader should know of the farm: that it changed, that it rounds, that anybody could talk to it."""
    notes = []
    if adapted is not None and changed(adapted):
        notes.append(
            f"the farm changed: tables of addresses: {len(adapted['changes'])}, "
            f"frames sent again: {adapted['sent_again']}, late results dropped: {adapted['late']}, "
            f"devices lost for a time: {len(adapted['lost'])}"
        )
    if wire is not None:
        notes.append(
            f"{wire['encoding']} between blocks: outputs are off those of f32 by up to {max(wire['errors']):.1e}, the "
            f"most likely class is the same for {sum(wire['same_class'])} of {len(wire['same_class'])} images"
        )
    if auth == "none":
        notes.append("auth: none, whoever reached the farm's network could send to it")
    return tuple(notes)


def _notes(ledger: Ledger, window_s: float | None) -> list[str]:
    notes = []
    if window_s is not None and window_s < SHORT_WINDOW_S:
        notes.append(f"quick run: the window lasts {window_s:.1f} s; use more --frames for a figure to publish")
    missing = [p for p in PERCENTILES if ledger.frames_verified < samples_needed(p)]
    if missing:
        needed = ", ".join(f"p{p} needs {samples_needed(p)}" for p in missing)
        notes.append(f"{ledger.frames_verified} frames do not support every percentile: {needed}")
    if ledger.dropped:
        notes.append(f"{ledger.dropped} frames were due and dropped: the farm is slower than the offered rate")
    return notes
