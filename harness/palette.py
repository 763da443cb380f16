"""Colours that the energy report and the scoreboard share."""

from __future__ import annotations

# Okabe and Ito's palette: told apart with any kind of colour vision, and in grey.
DYNAMIC, STATIC, TOTAL, SPEED = "#d55e00", "#56b4e9", "#009e73", "#8c7bb5"
IDLE_SHADE, RUN_SHADE = "#f0c674", "#9fd3b6"
"""Behind the parts of a power trace."""
