"""Figures of simulated farms: speed, latency and energy against the number of devices, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness import palette
from harness.report.look import plain
from harness.report.paper_figures import style, svg_of

_COLOURS = (palette.TOTAL, palette.DYNAMIC, palette.STATIC, palette.SPEED)
_PANELS = (("speed", "frames per second"), ("latency", "s, p50 and p90"), ("energy", "J per frame"))


@dataclass(frozen=True)
class SimulatedPoint:
    """One number of devices.

    Attributes:
        devices: how many.
        ips: frames per second.
        p50_s: latency; None is unknown.
        p90_s: latency; None is unknown.
        energy_j: of a frame; None is unknown.
    """

    devices: int
    ips: float
    p50_s: float | None
    p90_s: float | None
    energy_j: float | None


@dataclass(frozen=True)
class SimulatedLine:
    """One model in one case.

    Attributes:
        model: its name.
        case: in words.
        points: by number of devices.
    """

    model: str
    case: str
    points: tuple[SimulatedPoint, ...]


def simulation_svg(lines: Sequence[SimulatedLine], title: str, counted: str) -> bytes:
    """Three panels for each model.

    Args:
        lines: what is drawn.
        title: above all.
        counted: how many farms were simulated, and how the others were counted; it stands below the title.

    Returns:
        An SVG file; the same lines give the same bytes.
    """
    models = list(dict.fromkeys(line.model for line in lines))
    with style():
        figure = Figure(figsize=(11.0, 1.2 + 3.2 * len(models)), layout="constrained")
        grid = figure.subplots(len(models), len(_PANELS), squeeze=False)
        for row, model in zip(grid, models, strict=True):
            own = [line for line in lines if line.model == model]
            for axes, (name, unit) in zip(row, _PANELS, strict=True):
                axes.set_title(f"{plain(model)}: {name}", parse_math=False)
                axes.set_ylabel(unit)
                axes.set_xlabel("devices")
                axes.set_xscale("log")
                axes.set_yscale("log")
                axes.grid(visible=True, which="major", linewidth=0.4, alpha=0.5)
            for number, line in enumerate(own):
                _draw(row, line, _COLOURS[number % len(_COLOURS)], dashed=number % 2 == 1)
            row[0].legend(fontsize="small")
        figure.suptitle(f"{plain(title)}\n{plain(counted)}", parse_math=False, fontsize="medium")
        return svg_of(figure, title, _summary(lines, counted))


def _draw(row: Sequence[Axes], line: SimulatedLine, colour: str, *, dashed: bool) -> None:
    look: dict[str, Any] = {"color": colour, "linestyle": "--" if dashed else "-", "linewidth": 1.2, "markersize": 3.5}
    speed, latency, energy = row
    speed.plot([one.devices for one in line.points], [one.ips for one in line.points], "o", label=line.case, **look)
    for marker, values in (("o", "p50_s"), ("^", "p90_s")):
        known = [(one.devices, getattr(one, values)) for one in line.points if getattr(one, values) is not None]
        latency.plot([at for at, _ in known], [value for _, value in known], marker, **look)
    joules = [(one.devices, one.energy_j) for one in line.points if one.energy_j is not None]
    energy.plot([at for at, _ in joules], [value for _, value in joules], "o", **look)


def _summary(lines: Sequence[SimulatedLine], counted: str) -> str:
    parts = [f"Simulated, not measured. {counted}."]
    for line in lines:
        speeds = ", ".join(f"{one.devices:,} devices: {one.ips:.3g} frames per second" for one in line.points)
        parts.append(f"{line.model}, {line.case}: {speeds or 'nothing fits'}.")
    return " ".join(parts)
