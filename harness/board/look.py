"""Colours and plain forms that all drawings share."""

from __future__ import annotations

import html
import json
from typing import Any

from harness.board.words import plain

LINE, LOST, RANGE = "#2a95d9", "#d33", "#b58900"
GREY = "rgba(128,128,128,0.9)"
FONT = {"family": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 13}

Specification = dict[str, Any]
"""Data and layout of one drawing, as plotly.js reads them."""


def label(text: str) -> str:
    """Text for a drawing: plotly reads some HTML in labels, here it finds none."""
    return html.escape(plain(text))


def layout(**changes: Any) -> dict[str, Any]:
    """The layout that drawings begin with; colours of text and grid are set by the page, by day and by night."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": FONT,
        "height": 340,
        "margin": {"l": 60, "r": 16, "t": 30, "b": 50},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        **changes,
    }


def axis(title: str, **changes: Any) -> dict[str, Any]:
    """An axis with its title."""
    return {"title": {"text": title}, "zeroline": False, "automargin": True, **changes}


def inside_html(document: Any) -> str:
    """JSON without any character that could end the element it stands in.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
