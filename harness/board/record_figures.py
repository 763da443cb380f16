"""Drawings of one record's raw samples (pure)."""

from __future__ import annotations

from harness.board.look import GREY, LINE, LOST, Specification, axis, label, layout
from harness.board.samples import FrameSeries, PowerSeries
from harness.palette import IDLE_SHADE, RUN_SHADE

_PERCENTILES = ("latency_p50_s", "latency_p90_s", "latency_p99_s")
_MS = 1000.0


def latency_figure(frames: FrameSeries, figures: dict[str, float]) -> Specification:
    """Latency of each frame over the time at which its result was there.

    Args:
        frames: the raw frames.
        figures: of the row; percentiles among them are drawn as lines.
    """
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "verified frame",
            "x": list(frames.done_s),
            "y": [_MS * one for one in frames.latency_s],
            "marker": {"size": 5, "color": LINE, "opacity": 0.75},
            "hovertemplate": "%{x:.3f} s<br>%{y:.1f} ms<extra></extra>",
        }
    ]
    if frames.lost_s:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "frame without a verified result, at its send",
                "x": list(frames.lost_s),
                "y": [0.0] * len(frames.lost_s),
                "marker": {"size": 9, "symbol": "x", "color": LOST},
                "hovertemplate": "sent at %{x:.3f} s<extra>no verified result</extra>",
            }
        )
    heights: dict[float, list[str]] = {}
    for metric in _PERCENTILES:
        if metric in figures:
            heights.setdefault(_MS * figures[metric], []).append(metric[8:11])
    lines = [_line(y0=height, y1=height) for height in heights]
    words = [
        _word(x=1, xref="x domain", y=height, text=", ".join(names), xanchor="right", yanchor="bottom")
        for height, names in heights.items()
    ]
    return {
        "data": data,
        "layout": layout(
            xaxis=axis("seconds since the first send"),
            yaxis=axis("latency, ms", rangemode="tozero"),
            shapes=lines,
            annotations=words,
            showlegend=bool(frames.lost_s),
        ),
    }


def completed_figure(frames: FrameSeries, ips: float | None) -> Specification:
    """How many frames were verified by each instant; the slope is the throughput."""
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "verified frames",
            "line": {"shape": "hv", "color": LINE, "width": 2},
            "x": [0.0, *frames.finished_s],
            "y": [0, *frames.finished],
            "hovertemplate": "%{y} frames by %{x:.3f} s<extra></extra>",
        }
    ]
    if ips is not None and frames.finished_s:
        end_s = frames.finished_s[-1]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": label(f"{ips:.4g} per second"),
                "line": {"color": GREY, "width": 1.5, "dash": "dash"},
                "x": [0.0, end_s],
                "y": [0.0, ips * end_s],
                "hoverinfo": "skip",
            }
        )
    return {
        "data": data,
        "layout": layout(
            xaxis=axis("seconds since the first send", rangemode="tozero"),
            yaxis=axis("verified frames", rangemode="tozero"),
        ),
    }


def power_figure(power: PowerSeries) -> Specification:
    """Power over time, with the phases shaded."""
    shades, words = [], []
    for name, begin_s, end_s in power.phases:
        shade = {"type": "rect", "xref": "x", "yref": "y domain", "x0": begin_s, "x1": end_s, "y0": 0, "y1": 1}
        colour = RUN_SHADE if name == "run" else IDLE_SHADE
        shades.append({**shade, "fillcolor": colour, "opacity": 0.22, "line": {"width": 0}, "layer": "below"})
        middle_s = (begin_s + end_s) / 2
        words.append(_word(x=middle_s, y=1, yref="y domain", text=label(name), xanchor="center", yanchor="bottom"))
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "name": "virtual power" if power.virtual else "power",
                "x": list(power.at_s),
                "y": list(power.power_w),
                "line": {"color": LINE, "width": 1.3},
                "connectgaps": False,
                "hovertemplate": "%{x:.3f} s<br>%{y:.4g} W<extra></extra>",
            }
        ],
        "layout": layout(
            xaxis=axis("seconds since the begin of the window"),
            yaxis=axis("virtual power, W" if power.virtual else "power, W"),
            shapes=shades,
            annotations=words,
            showlegend=False,
        ),
    }


def _line(**place: float) -> Specification:
    return {
        "type": "line",
        "xref": "x domain",
        "x0": 0,
        "x1": 1,
        "line": {"color": GREY, "width": 1, "dash": "dot"},
    } | place


def _word(**place: object) -> Specification:
    return {"showarrow": False, "font": {"size": 12}} | place
