"""Figures for a paper: SVG by matplotlib, without a display and without anything from outside."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness import palette
from harness.report import look
from harness.report.bars import ModelBars, SystemBars
from harness.report.systems import VIRTUAL
from harness.report.trace_series import TraceSeries

_BAR_WIDTH = 0.6
_ASIDE = 0.09
"""Error bars of the two parts of a stack stand beside each other."""
_WARNING = "#b00020"


def bars_svg(bars: ModelBars, title: str) -> bytes:
    """The three panels of one model.

    Args:
        bars: what they show.
        title: above them.

    Returns:
        An SVG file; its text is text.
    """
    with style():
        width = max(11.0, 1.0 + 3 * 0.95 * len(bars.systems))
        figure = Figure(figsize=(width, 3.9), layout="constrained")
        speed, parts, total = figure.subplots(1, 3)
        for axes, name, unit in zip((speed, parts, total), look.PANELS, look.PANEL_UNITS, strict=True):
            axes.set_title(name)
            axes.set_ylabel(unit)
            _name_systems(axes, bars.systems)
        _draw(speed, bars.systems, lambda one: one.ips, None, palette.SPEED, "IPS")
        _draw(parts, bars.systems, lambda one: one.dynamic_j, None, palette.DYNAMIC, "dynamic")
        _draw(parts, bars.systems, lambda one: one.static_j, lambda one: one.dynamic_j, palette.STATIC, "static")
        _draw(total, bars.systems, lambda one: one.total_j, None, palette.TOTAL, "total")
        for at, one in enumerate(bars.systems):
            _error_bar(parts, at - _ASIDE, one.dynamic_j, one.u_dynamic_j)
            _error_bar(parts, at + _ASIDE, one.total_j, one.u_static_j)
            _error_bar(total, at, one.total_j, one.u_total_j)
            _word(speed, at, one.ips_word)
            for axes in (parts, total):
                _word(axes, at, one.word)
                _above(axes, at, one)
        for axes in (speed, parts, total):
            axes.set_ylim(bottom=0)
            axes.margins(y=0.12)
        if any(one.dynamic_j is not None for one in bars.systems):
            parts.legend(loc="upper left", fontsize="small")
        figure.suptitle(_title(look.plain(title), virtual=bars.virtual), parse_math=False)
        return svg_of(figure, title, bars.summary)


def trace_svg(series: TraceSeries, title: str) -> bytes:
    """The power over time of one run.

    Args:
        series: what is drawn.
        title: above it.

    Returns:
        An SVG file; its text is text.
    """
    with style():
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.subplots()
        for phase in series.phases:
            axes.axvspan(
                phase.begin_s,
                phase.end_s,
                color=look.PHASE_SHADES[phase.name],
                alpha=look.PHASE_OPACITY,
                linewidth=0,
                label=phase.name,
            )
            for edge_s in (phase.begin_s, phase.end_s):
                axes.axvline(edge_s, color="0.4", linewidth=0.7, linestyle=":")
        for number, (begin_s, end_s) in enumerate(series.gaps):
            axes.axvspan(
                begin_s,
                end_s,
                facecolor="none",
                edgecolor=look.GAP,
                hatch="////",
                linewidth=0,
                label="_" if number else "gap",
            )
        axes.plot(_numbers(series.at_s), _numbers(series.power_w), color=look.TRACE, linewidth=0.8, label="power")
        idle = series.baseline
        if idle is not None:
            low_w, high_w = ([mean_w + side * idle.u_w for mean_w in idle.mean_w] for side in (-1, 1))
            axes.fill_between(idle.at_s, low_w, high_w, color=look.BASELINE, alpha=0.25, linewidth=0)
            axes.plot(idle.at_s, idle.mean_w, color=look.BASELINE, linewidth=1.1, label="idle power, 95 % band")
        if series.ticks:
            axes.plot(
                [tick.at_s for tick in series.ticks],
                [0.02] * len(series.ticks),
                "|",
                color=look.FLAGGED,
                transform=axes.get_xaxis_transform(),
                label="sample without a value",
            )
        axes.set_xlim(series.view_s)
        axes.set_ylim(series.view_w)
        axes.set_xlabel("seconds from the begin of the window")
        axes.set_ylabel("W")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
        axes.set_title(_title(look.plain(title), virtual=series.virtual), parse_math=False)
        return svg_of(figure, title, series.summary)


def style() -> AbstractContextManager[None]:
    """Settings that all figures share."""
    # Text stays text, and the same data give the same file.
    return mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "ck-iot-farm",
            "font.size": 9,
            "font.family": ["DejaVu Sans"],
            "axes.spines.top": False,
            "axes.spines.right": False,
            "hatch.linewidth": 0.6,
        }
    )


def _title(title: str, *, virtual: bool) -> str:
    return f"{title}\n{VIRTUAL}" if virtual else title


def _name_systems(axes: Axes, systems: Sequence[SystemBars]) -> None:
    axes.set_xticks(range(len(systems)), [look.plain_lines(one.label) for one in systems], fontsize="small")
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    axes.set_xlim(-0.6, len(systems) - 0.4)


Amount = Callable[[SystemBars], float | None]


def _draw(
    axes: Axes, systems: Sequence[SystemBars], amount: Amount, below: Amount | None, colour: str, name: str
) -> None:
    drawn = [(at, one) for at, one in enumerate(systems) if amount(one) is not None]
    bottoms = [(below(one) or 0.0) if below else 0.0 for _, one in drawn]
    heights = [amount(one) or 0.0 for _, one in drawn]
    axes.bar([at for at, _ in drawn], heights, _BAR_WIDTH, bottom=bottoms, color=colour, label=name)


def _error_bar(axes: Axes, at: float, value: float | None, u: float | None) -> None:
    if value is not None and u is not None:
        axes.errorbar([at], [value], yerr=[u], color="black", capsize=2.5, linewidth=0.9)


def _word(axes: Axes, at: int, word: str) -> None:
    if word:
        axes.text(
            at, 0.03, word, rotation=90, ha="center", va="bottom", color=_WARNING, transform=axes.get_xaxis_transform()
        )


def _above(axes: Axes, at: int, one: SystemBars) -> None:
    """The word "virtual" above an energy that nobody measured."""
    if one.virtual and one.total_j is not None:
        top_j = one.total_j + max(one.u_total_j or 0.0, one.u_static_j or 0.0)
        axes.annotate("virtual", (at, top_j), (0, 3), textcoords="offset points", ha="center", color=_WARNING)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def svg_of(figure: Figure, title: str, summary: str) -> bytes:
    """A figure as SVG, with its title and what it shows in words."""
    stream = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None, "Title": look.plain(title), "Description": look.plain(summary)}
    figure.savefig(stream, format="svg", metadata=metadata)
    return stream.getvalue()
