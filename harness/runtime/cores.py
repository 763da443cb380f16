"""How many cores this process really has: those it may run on, and no more than its control groups grant it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_UNIFIED = "sys/fs/cgroup"


def usable_cores(root: Path = _ROOT) -> int:
    """Cores that threads of this process can keep busy, one at least.

    A quota of 1.5 cores counts as one: a second thread would spend half of each period stopped, and whoever computes
    with it would wait for it.

    Args:
        root: where its /proc and /sys are.
    """
    return max(1, min([len(os.sched_getaffinity(0)), *(int(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Cores granted by each control group above this process; groups without a bound give none."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield from _walk(root / _UNIFIED, path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for mount in (controllers, "cpu"):
                yield from _walk(root / _UNIFIED / mount, path, _quota_v1)


def _walk(mount: Path, path: str, read: Callable[[Path], float | None]) -> Iterator[float]:
    """Quotas of a group and of all that hold it; in a container the path may be one of the host's, and is not there."""
    below = PurePosixPath(path.lstrip("/"))
    for group in (below, *below.parents):
        if ".." not in group.parts and (quota := read(mount / group)) is not None:
            yield quota


def _quota_v2(folder: Path) -> float | None:
    """`cpu.max` holds "quota period" in microseconds, or "max period"."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(folder: Path) -> float | None:
    """Quota and period stand in files of their own; -1 is no bound."""
    try:
        quota, period = (
            int((folder / name).read_text(encoding="ascii")) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
        return None if quota < 0 else quota / period
    except (OSError, ValueError, ZeroDivisionError):
        return None
