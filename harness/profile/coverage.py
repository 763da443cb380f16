"""Whether a profile is of a model: fits are for sizes that nobody timed, and not for a model that nobody looked at."""

from __future__ import annotations

from typing import Final

from harness.errors import BadInputError
from harness.models.graph import ModelGraph
from harness.profile.profile import Profile

EXTRAPOLATE: Final = "or take its fits: --extrapolate"
"""The other way, where a command has it."""


def require_figures(profile: Profile, graph: ModelGraph, otherwise: str = "") -> None:
    """See that a profile has a figure for every layer of a model.

    Args:
        profile: of the device.
        graph: the model.
        otherwise: what else to do, for the hint.

    Raises:
        BadInputError: it has none of the model, not of all its layers, or is of another model of that name.
    """
    figures = profile.figures(graph)
    hint = f"make one: iot-farm profile {graph.name} --out FILE.json{otherwise and f'; {otherwise}'}"
    if figures is None:
        known = ", ".join(profile.models) or "no model"
        raise BadInputError(f"profile {profile.name} is of {known}, not of {graph.name}", hint)
    timed = {figure.layer for figure in figures.layers if figure.parts == 1}
    gap = next((layer.name for layer in graph.layers if layer.name not in timed), None)
    if gap is not None:
        raise BadInputError(f"profile {profile.name} has no figure for {gap} of {graph.name}", hint)
