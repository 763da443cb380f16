"""What a plan is good at (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

from harness.errors import BadInputError
from harness.plan.assignment import Assignment
from harness.plan.cost import Prediction

Objective = Literal["throughput", "latency", "energy"]
OBJECTIVES: Final[tuple[Objective, ...]] = get_args(Objective)


@dataclass(frozen=True)
class Planned:
    """One assignment and what it will do.

    Attributes:
        assignment: stages on the site's devices; devices in none of them are left over.
        prediction: by the cost model.
        exact: whether no assignment of the model's space is better; otherwise the search was bounded.
    """

    assignment: Assignment
    prediction: Prediction
    exact: bool


def score(prediction: Prediction, objective: Objective) -> float:
    """What an objective makes smaller: seconds for each frame, seconds of latency, or joules for each frame."""
    if not prediction.feasible:
        return math.inf
    if objective == "throughput":
        return prediction.period_s
    if objective == "latency":
        return prediction.latency_s
    return math.inf if prediction.energy is None else prediction.energy.total_j


def objective_called(name: str) -> Objective:
    """An objective by its name.

    Raises:
        BadInputError: there is none of that name.
    """
    for objective in OBJECTIVES:
        if objective == name:
            return objective
    raise BadInputError(f"unknown objective '{name}'", f"choose {', '.join(OBJECTIVES)}")
