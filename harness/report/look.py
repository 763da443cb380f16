"""Colours and words that both renderers share."""

from __future__ import annotations

from harness.palette import IDLE_SHADE, RUN_SHADE

TRACE, BASELINE, GAP, FLAGGED = "#0072b2", "#d55e00", "#999999", "#cc0000"
PHASE_SHADES = {"idle before": IDLE_SHADE, "run": RUN_SHADE, "idle after": IDLE_SHADE}
PHASE_OPACITY = 0.28

PANELS = ("speed", "dynamic + static energy", "total energy")
PANEL_UNITS = ("inferences per second", "J per inference", "J per inference")


def plain(text: str) -> str:
    """Text from elsewhere for a drawing: what cannot be printed would break an SVG file, and is shown as �."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def plain_lines(lines: tuple[str, ...]) -> str:
    """Several such texts, one below the other."""
    return "\n".join(plain(line) for line in lines)
