"""The timer file: how figures get from a run into Collective Knowledge.

CK reads `tmp-ck-timer.json` after the program, merges its keys into `characteristics.run` and keeps
statistics of every number in it. A run that is not valid must leave none: its absence is how CK learns of a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import InvalidRunError
from harness.records.store import write_document

TIMER_FILE = "tmp-ck-timer.json"
PER_FRAME = "execution_time_classify"
"""Seconds per distinct, verified frame: the metric whose two CK names are below."""
WHOLE = "execution_time"


def write_timer(path: Path, metrics: Mapping[str, float]) -> None:
    """Write the timer file: CK's two keys and every metric under its own name; whole or not at all.

    Args:
        path: usually `tmp-ck-timer.json` in the working directory.
        metrics: figures of a valid run by their name in `harness.metrics`.

    Raises:
        InvalidRunError: the time per frame is missing, or a figure is not a finite number.
        BadInputError: the folder cannot be written.
    """
    per_frame = metrics.get(PER_FRAME)
    if per_frame is None or not per_frame > 0:
        raise InvalidRunError(f"the run has no {PER_FRAME}, so there is nothing to tell CK")
    try:
        write_document(path, {**metrics, WHOLE: per_frame, PER_FRAME: per_frame})
    except ValueError as error:
        raise InvalidRunError(f"a figure of the run is not a finite number: {error}") from None
