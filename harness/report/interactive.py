"""Figures that one can point at: specifications for plotly, which the page carries inside itself."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from typing import Any

from plotly.graph_objects import Bar, Figure, Scatter
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from harness import palette
from harness.report import look
from harness.report.bars import ModelBars, SystemBars
from harness.report.trace_series import BaselineLine, TraceSeries

_ASIDE = 0.09
_STACK = 2
"""Panel of the stacked bars; only they need a legend."""
_WARNING = "#d33"
_TRACE = "#2a95d9"
"""Seen on a light page and on a dark one."""
_GREY = "rgba(128,128,128,0.9)"
_FEW = 3
"""More systems than this get slanted names."""


def bars_figure(bars: ModelBars) -> str:
    """The three panels of one model as JSON that may stand inside an HTML page."""
    figure: Figure = make_subplots(rows=1, cols=3, subplot_titles=look.PANELS, horizontal_spacing=0.08)
    systems = bars.systems
    places = list(range(len(systems)))
    names = [" · ".join(_text(line) for line in one.label) for one in systems]
    series = (
        (1, "IPS", palette.SPEED, [one.ips for one in systems], None),
        (2, "dynamic", palette.DYNAMIC, [one.dynamic_j for one in systems], None),
        (2, "static", palette.STATIC, [one.static_j for one in systems], [one.dynamic_j for one in systems]),
        (3, "total", palette.TOTAL, [one.total_j for one in systems], None),
    )
    for column, name, colour, heights, base in series:
        bar = Bar(
            x=places,
            y=heights,
            base=base,
            name=name,
            marker={"color": colour},
            width=0.6,
            showlegend=column == _STACK,
            customdata=names,
            hovertemplate="%{customdata}<br>" + name + " %{y:.5g}<extra></extra>",
        )
        figure.add_trace(bar, row=1, col=column)
    uncertainties = (
        (2, "u of dynamic", -_ASIDE, [(one.dynamic_j, one.u_dynamic_j) for one in systems]),
        (2, "u of static", _ASIDE, [(one.total_j, one.u_static_j) for one in systems]),
        (3, "u of total", 0.0, [(one.total_j, one.u_total_j) for one in systems]),
    )
    for column, name, aside, pairs in uncertainties:
        known = [(at + aside, y, u) for at, (y, u) in enumerate(pairs) if y is not None and u is not None]
        points = Scatter(
            x=[at for at, _, _ in known],
            y=[y for _, y, _ in known],
            error_y={"type": "data", "array": [u for _, _, u in known], "color": _GREY, "thickness": 1.4, "width": 4},
            mode="markers",
            marker={"size": 1, "color": _GREY},
            name=name,
            showlegend=False,
            hovertemplate=f"± %{{error_y.array:.3g}} ({_text(bars.k)})<extra>{name}</extra>",
        )
        figure.add_trace(points, row=1, col=column)
    figure.update_xaxes(
        tickvals=places,
        ticktext=["<br>".join(_text(line) for line in one.label) for one in systems],
        range=[-0.6, len(systems) - 0.4],
        tickangle=0 if len(systems) <= _FEW else -35,
        tickfont={"size": 12},
        showgrid=False,
        fixedrange=True,
    )
    for column, unit in enumerate(look.PANEL_UNITS, start=1):
        figure.update_yaxes(title_text=unit, rangemode="tozero", row=1, col=column)
    _say_words(figure, systems)
    figure.update_layout(height=430, barmode="overlay", margin={"l": 60, "r": 20, "t": 50, "b": 80})
    figure.update_layout(legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.2})
    return _inside_html(figure)


def trace_figure(series: TraceSeries) -> str:
    """The power over time of one run as JSON that may stand inside an HTML page."""
    figure = Figure()
    for phase in series.phases:
        figure.add_vrect(
            x0=phase.begin_s,
            x1=phase.end_s,
            fillcolor=look.PHASE_SHADES[phase.name],
            opacity=look.PHASE_OPACITY,
            line_width=0,
            layer="below",
            annotation_text=phase.name,
            annotation_position="top left",
        )
        for edge_s in (phase.begin_s, phase.end_s):
            figure.add_vline(x=edge_s, line={"color": _GREY, "width": 1, "dash": "dot"})
    low_w, high_w = series.view_w
    for number, (begin_s, end_s) in enumerate(series.gaps):
        hatched = Scatter(
            x=[begin_s, begin_s, end_s, end_s, begin_s],
            y=[low_w, high_w, high_w, low_w, low_w],
            fill="toself",
            fillcolor="rgba(0,0,0,0)",
            fillpattern={"shape": "/", "fgcolor": look.GAP, "size": 8},
            line={"width": 0},
            mode="lines",
            name="gap",
            legendgroup="gap",
            showlegend=number == 0,
            hoveron="fills",
            text=f"gap of {end_s - begin_s:.2f} s",
            hoverinfo="text",
        )
        figure.add_trace(hatched)
    if series.baseline is not None:
        for line in _baseline(series.baseline):
            figure.add_trace(line)
    power = Scatter(
        x=series.at_s,
        y=series.power_w,
        mode="lines",
        line={"color": _TRACE, "width": 1.3},
        name="power",
        connectgaps=False,
        hovertemplate="%{x:.3f} s<br>%{y:.4g} W<extra></extra>",
    )
    figure.add_trace(power)
    if series.ticks:
        flagged = Scatter(
            x=[tick.at_s for tick in series.ticks],
            y=[low_w] * len(series.ticks),
            mode="markers",
            marker={"symbol": "line-ns", "size": 12, "line": {"width": 2, "color": look.FLAGGED}},
            name="sample without a value",
            text=[f"{_text(tick.flag)}: {_text(tick.meaning)}" for tick in series.ticks],
            hovertemplate="%{x:.3f} s<br>%{text}<extra></extra>",
        )
        figure.add_trace(flagged)
    figure.update_xaxes(title_text="seconds from the begin of the window", zeroline=False, range=series.view_s)
    figure.update_yaxes(title_text="W", zeroline=False, range=series.view_w)
    figure.update_layout(
        height=380, margin={"l": 60, "r": 20, "t": 40, "b": 50}, legend={"orientation": "h", "y": -0.3}
    )
    return _inside_html(figure)


def plotly_script() -> str:
    """The library itself, to stand in a `script` element."""
    script: str = get_plotlyjs()
    return script


def script_hash(script: str) -> str:
    """What a content security policy calls this script: 'sha256-...'."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _baseline(line: BaselineLine) -> list[Any]:
    (begin_s, end_s), (begin_w, end_w), u_w = line.at_s, line.mean_w, line.u_w
    band = Scatter(
        x=[begin_s, end_s, end_s, begin_s],
        y=[begin_w + u_w, end_w + u_w, end_w - u_w, begin_w - u_w],
        fill="toself",
        fillcolor="rgba(213,94,0,0.25)",
        line={"width": 0},
        mode="lines",
        name="95 % band",
        hoverinfo="skip",
    )
    mean = Scatter(
        x=[begin_s, end_s],
        y=[begin_w, end_w],
        mode="lines",
        line={"color": look.BASELINE, "width": 1.8},
        name="idle power",
        hovertemplate=f"idle %{{y:.5g}} W ± {u_w:.2g} W (95 %)<extra></extra>",
    )
    return [band, mean]


def _say_words(figure: Figure, systems: Sequence[SystemBars]) -> None:
    """Why a bar is missing, and which energies are made up."""
    for at, one in enumerate(systems):
        for column, word in ((1, one.ips_word), (2, one.word), (3, one.word)):
            if word:
                figure.add_annotation(
                    x=at,
                    y=0.03,
                    yref="y domain" if column == 1 else f"y{column} domain",
                    xref="x" if column == 1 else f"x{column}",
                    text=_text(word),
                    textangle=-90,
                    showarrow=False,
                    yanchor="bottom",
                    font={"color": _WARNING},
                )
        if one.virtual and one.total_j is not None:
            top_j = one.total_j + max(one.u_total_j or 0.0, one.u_static_j or 0.0)
            for column in (2, 3):
                figure.add_annotation(
                    x=at,
                    y=top_j,
                    xref=f"x{column}",
                    yref=f"y{column}",
                    text="virtual",
                    showarrow=False,
                    yshift=9,
                    font={"color": _WARNING},
                )


def _text(text: str) -> str:
    """Text from elsewhere: plotly reads some HTML in labels, here it finds none."""
    return html.escape(look.plain(text))


def _inside_html(figure: Figure) -> str:
    """JSON without any character that could end the script element it stands in."""
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    text: str = figure.to_json()
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
