"""Published and imitated rates of one model's farms, side by side: SVG by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import Figure

from harness.report.paper_figures import style, svg_of

_PUBLISHED, _PROTOCOL, _REQUESTS, _HONEST = "#999999", "#d55e00", "#56b4e9", "#0072b2"
_WIDTH: Final = 0.2


@dataclass(frozen=True)
class FarmRates:
    """What is drawn of one publication of a farm.

    Attributes:
        label: below its bars.
        published_ips: as published.
        corrected_ips: the range that counting each frame once leaves; None draws none.
        protocol_ips: of the imitated protocol.
        requests_ips: of its requests, counted honestly.
        honest_ips: of this project.
    """

    label: str
    published_ips: float
    corrected_ips: tuple[float, float] | None
    protocol_ips: float
    requests_ips: float
    honest_ips: float


def audit_svg(farms: Sequence[FarmRates], title: str) -> bytes:
    """Four bars for each farm, and the corrected range across those that are counted honestly.

    Returns:
        An SVG file; its text is text.
    """
    with style():
        figure = Figure(figsize=(max(8.4, 1.5 + 1.9 * len(farms)), 3.6), layout="constrained")
        axes = figure.subplots()
        bars = (
            ("as published", _PUBLISHED, [one.published_ips for one in farms]),
            ("protocol of 2018, imitated", _PROTOCOL, [one.protocol_ips for one in farms]),
            ("its requests, counted honestly", _REQUESTS, [one.requests_ips for one in farms]),
            ("sent and counted by this project", _HONEST, [one.honest_ips for one in farms]),
        )
        for place, (name, colour, values) in enumerate(bars):
            at = [number + (place - 1.5) * _WIDTH for number in range(len(farms))]
            axes.bar(at, values, _WIDTH, color=colour, label=name)
        for number, one in enumerate(farms):
            if one.corrected_ips is not None:
                low, high = one.corrected_ips
                axes.fill_between([number, number + 2 * _WIDTH], low, high, color="black", alpha=0.25, linewidth=0)
        axes.set_xticks(range(len(farms)), [one.label for one in farms])
        axes.set_ylabel("frames per second")
        axes.set_title(title)
        figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
        return svg_of(figure, title, in_words(farms))


def in_words(farms: Sequence[FarmRates]) -> str:
    """What the bars show, for those who do not see them."""
    return "; ".join(
        f"{one.label.replace(chr(10), ' ')}: published {one.published_ips:.3g}, protocol {one.protocol_ips:.3g}, "
        f"requests {one.requests_ips:.3g}, this project {one.honest_ips:.3g}"
        for one in farms
    )
