"""What is wrong with the options of `iot-farm simulate` before anything is simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.cli.options import typed_of
from harness.errors import BadInputError

_OF_STUDIES: Final = (
    "models", "own_links", "all_cases", "objective", "farm_devices", "distinct", "rate_fps", "between_s", "repair_s",
    "outages",
)  # fmt: skip


def require_fitting(*, devices: bool, record: Path | None, failing: bool, frames: int | None, out: Path | None) -> None:
    """See that options go together, and that what comes out can be written.

    Args:
        devices: whether farms are planned for numbers of devices; otherwise files are predicted.
        record: that is fitted.
        failing: whether devices fail at all.
        frames: of a window.
        out: folder of the output.

    Raises:
        BadInputError: an option would be ignored, or the folder cannot be written.
    """
    from harness.bench.options import MOST_FRAMES
    from harness.records.store import require_writable

    if not devices and (typed := typed_of(_OF_STUDIES)):
        raise BadInputError(f"{typed} is for --devices", "a farm file and a record say what runs; leave it out")
    if record is not None and typed_of(("device",)):
        raise BadInputError("--device and --fit exclude each other", "devices are as the record of --fit shows them")
    if devices and not failing and typed_of(("repair_s",)):
        raise BadInputError("--repair is for devices that fail", "say how often: --mtbf S")
    if frames is not None and not 1 <= frames <= MOST_FRAMES:
        raise BadInputError(f"{frames} frames cannot be simulated", f"give 1 to {MOST_FRAMES:,}")
    if out is not None:
        require_writable(out)
