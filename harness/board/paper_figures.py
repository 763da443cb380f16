"""The paper's Figures 5 and 6 again, with our own records beside the published bars (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.look import GREY, RANGE, Specification, axis, label, layout
from harness.board.row import Row
from harness.board.words import range_text
from harness.palette import DYNAMIC, SPEED, STATIC, TOTAL

FIGURES = (("paper-5", "alexnet", "Figure 5"), ("paper-6", "vgg16", "Figure 6"))
"""Of "Musical Chair" (2018): which rows, which model, and what the paper calls it."""
MOST_BARS = 8
"""More of our systems would make the bars too thin to read; the newest stay."""
_SINGLE_DEVICES = {"GPU": 0, "CPU": 1}
"""Order of the paper: the GPU of the single device, its CPU, then farms by size."""
_LONGEST = 16
_BETWEEN = 0.5
_WIDTH = 0.72


@dataclass(frozen=True)
class PaperFigure:
    """One figure of the paper.

    Attributes:
        title: "Figure 5: alexnet".
        model: name of the network.
        bars: rows from left to right, published and ours mixed by kind of system.
        left_out: usable rows of ours that are not drawn: older runs of a system, and more systems than fit.
    """

    title: str
    model: str
    bars: tuple[Row, ...]
    left_out: int

    @property
    def ours(self) -> int:
        """How many bars are our records'."""
        return sum(row.origin == "run" for row in self.bars)

    @property
    def virtual(self) -> bool:
        """Some of its energies are made up."""
        return any(row.virtual and row.value("energy_total_j") is not None for row in self.bars)


def paper_figures(rows: Sequence[Row]) -> list[PaperFigure]:
    """The figures that rows allow, without those that nothing is known of.

    Args:
        rows: all rows; of ours only VALID ones are drawn, of each system the newest with an energy, else the newest.
    """
    figures = []
    for key, model, title in FIGURES:
        published = [row for row in rows if row.origin == "published" and row.figure == key]
        usable = [row for row in rows if row.origin == "run" and row.verdict == "VALID" and row.model == model]
        ours = _newest(usable)
        if published or ours:
            bars = sorted([*published, *ours], key=_order)
            figures.append(PaperFigure(f"{title}: {model}", model, tuple(bars), len(usable) - len(ours)))
    return figures


def panels(figure: PaperFigure) -> list[tuple[str, Specification]]:
    """The three panels of a figure: title and drawing."""
    return [
        ("Inferences per second", _panel(figure, "1/s", [("IPS", SPEED, "ips", "")], "ips")),
        (
            "Dynamic + static energy",
            _panel(
                figure,
                "J per inference",
                [
                    ("dynamic", DYNAMIC, "energy_dynamic_j", "energy_dynamic_u_j"),
                    ("static", STATIC, "energy_static_j", "energy_static_u_j"),
                ],
                "",
            ),
        ),
        (
            "Total energy",
            _panel(
                figure, "J per inference", [("total", TOTAL, "energy_total_j", "energy_total_u_j")], "energy_total_j"
            ),
        ),
    ]


def _panel(figure: PaperFigure, unit: str, stack: Sequence[tuple[str, str, str, str]], corrected: str) -> Specification:
    """Bars of one panel; `stack` holds name, colour, metric and uncertainty from the bottom up."""
    places, bars = _places(figure.bars), figure.bars
    base = [0.0] * len(bars)
    data: list[Specification] = []
    for name, colour, metric, uncertainty in stack:
        heights = [row.value(metric) for row in bars]
        data.append(
            {
                "type": "bar",
                "name": name,
                "x": places,
                "y": heights,
                "base": list(base),
                "width": _WIDTH,
                "marker": _marker(bars, colour, energy=bool(uncertainty)),
                "customdata": [_caption(row) for row in bars],
                "hovertemplate": "%{customdata}<br>" + name + ": %{y:.4g} " + unit + "<extra></extra>",
            }
        )
        if data[-1]["name"] != "dynamic":
            tops = [None if height is None else low + height for low, height in zip(base, heights, strict=True)]
            below = [
                bool(row.corrected.get(corrected, (0, 0))[0] >= 0.9 * (row.value(corrected) or 1.0)) for row in bars
            ]
            data.append(_values(places, tops, below))
        base = [low + (height or 0.0) for low, height in zip(base, heights, strict=True)]
        known = [
            (at, top, row.figures[uncertainty])
            for at, top, row, height in zip(places, base, bars, heights, strict=True)
            if height is not None and uncertainty in row.figures
        ]
        if known:
            data.append(_uncertainties(known, name))
    words = [
        _above(at, "none" if row.origin == "published" else "not measured", 0.0, turned=True)
        for at, row in zip(places, bars, strict=True)
        if row.value(stack[0][2]) is None
    ]
    if stack[0][3]:
        words += [
            _above(at, "virtual", top) for at, row, top in zip(places, bars, base, strict=True) if row.virtual and top
        ]
    ranges = [
        (at, *row.corrected[corrected]) for at, row in zip(places, bars, strict=True) if corrected in row.corrected
    ]
    if ranges:
        data.append(_ranges(ranges))
    return {
        "data": data,
        "layout": layout(
            height=380,
            barmode="overlay",
            annotations=words,
            showlegend=len(stack) > 1 or bool(ranges),
            margin={"l": 50, "r": 10, "t": 30, "b": 110},
            xaxis=axis(
                "",
                tickvals=places,
                ticktext=[_tick(row) for row in bars],
                tickangle=-45,
                showgrid=False,
                ticklabeloverflow="allow",
                fixedrange=True,
                range=[places[0] - 0.7, places[-1] + 0.7],
            ),
            yaxis=axis(unit, rangemode="tozero", fixedrange=True),
        ),
    }


def _marker(bars: Sequence[Row], colour: str, *, energy: bool) -> Specification:
    """Full for a verified bar, pale with an outline for a published one, hatched where the energy is made up."""
    return {
        "color": colour,
        "opacity": [0.4 if row.origin == "published" else 1.0 for row in bars],
        "line": {"color": colour, "width": [2 if row.origin == "published" else 0 for row in bars]},
        "pattern": {
            "shape": ["/" if energy and row.virtual else "" for row in bars],
            "fillmode": "overlay",
            "fgcolor": "rgba(255,255,255,0.85)",
            "size": 7,
        },
    }


def _values(places: Sequence[float], tops: Sequence[float | None], below: Sequence[bool]) -> Specification:
    """The height of each bar as a number: above it, or below its top where a corrected range stands on it."""
    known = [(at, top, low) for at, top, low in zip(places, tops, below, strict=True) if top is not None]
    return {
        "type": "scatter",
        "mode": "text",
        "showlegend": False,
        "x": [at for at, _, _ in known],
        "y": [top for _, top, _ in known],
        "text": [f"{top:.3g}" for _, top, _ in known],
        "textposition": ["bottom center" if low else "top center" for _, _, low in known],
        "textfont": {"size": 10.5},
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _uncertainties(known: Sequence[tuple[float, float, float]], name: str) -> Specification:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"u of {name}",
        "showlegend": False,
        "x": [at for at, _, _ in known],
        "y": [top for _, top, _ in known],
        "error_y": {"type": "data", "array": [u for _, _, u in known], "color": GREY, "thickness": 1.4, "width": 4},
        "marker": {"size": 1, "color": GREY},
        "hovertemplate": "± %{error_y.array:.3g} (k=2)<extra></extra>",
    }


def _ranges(ranges: Sequence[tuple[float, float, float]]) -> Specification:
    """What honest counting leaves of published figures, as brackets over their bars."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "corrected range",
        "x": [at for at, _, _ in ranges],
        "y": [(low + high) / 2 for _, low, high in ranges],
        "error_y": {
            "type": "data",
            "array": [(high - low) / 2 for _, low, high in ranges],
            "color": RANGE,
            "thickness": 2.5,
            "width": 7,
        },
        "marker": {"size": 7, "symbol": "line-ew", "color": RANGE, "line": {"width": 2, "color": RANGE}},
        "customdata": [range_text(f"{low:.4g}", f"{high:.4g}") for _, low, high in ranges],
        "hovertemplate": "corrected: %{customdata}<extra></extra>",
    }


def _places(bars: Sequence[Row]) -> list[float]:
    """Middles of the bars; between kinds of systems there is some room."""
    at, places = 0.0, []
    for number, row in enumerate(bars):
        if number:
            at += 1.0 if _order(row)[:2] == _order(bars[number - 1])[:2] else 1.0 + _BETWEEN
        places.append(at)
    return places


def _order(row: Row) -> tuple[int, int, int, str]:
    rank = _SINGLE_DEVICES.get(row.device, 2) if row.kind == "host" else 3
    return rank, row.devices, row.origin == "run", row.system


def _newest(rows: Sequence[Row]) -> list[Row]:
    """The newest run of each system; official ones before quick ones, and those with an energy before others."""
    best: dict[tuple[str, str, int, str, str, str], Row] = {}

    def worth(row: Row) -> tuple[bool, bool, str]:
        return "quick" not in row.marks, row.value("energy_total_j") is not None, row.started_utc

    for row in sorted(rows, key=worth):
        best[(row.system, row.device, row.devices, row.emulated, row.wire, row.computed)] = row
    return sorted(best.values(), key=lambda row: row.started_utc)[-MOST_BARS:]


def _tick(row: Row) -> str:
    if row.origin == "published":
        return label(f"{_size(row)}, {next(iter(row.marks), '2018')[-4:]}")
    system = row.system if len(row.system) <= _LONGEST else row.system[: _LONGEST - 1] + "…"
    device = f" {row.device}" if row.device else ""
    marks = (f" ~{label(row.emulated)}" if row.emulated else "") + "".join(
        f" {label(word)}" for word in (row.wire, row.computed) if word
    )
    return f"<b>{label(system + device)}</b>{marks}"


def _size(row: Row) -> str:
    return f"TX2 {row.device}" if row.kind == "host" and "TX2" in row.system else row.size


def _caption(row: Row) -> str:
    return label(f"{row.label}; {', '.join(row.marks) or 'verified'}")


def _above(at: float, text: str, height: float, *, turned: bool = False) -> Specification:
    return {
        "x": at,
        "y": height,
        "text": text,
        "showarrow": False,
        "yanchor": "bottom",
        "yshift": 4 if turned else 17,
        "textangle": -90 if turned else 0,
        # The page colours it, by day and by night.
        "name": "warning",
        "font": {"size": 11},
    }
