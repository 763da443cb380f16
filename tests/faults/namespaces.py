"""Network namespaces for rows that drop packets."""

from __future__ import annotations

import shutil
import subprocess

import pytest

TOOLS = ("unshare", "ip", "nft")


def namespace(row: int, *, instead: str, tools: tuple[str, ...] = TOOLS, root: bool = False) -> list[str]:
    """A command that has a network of its own in which nft works; skips where there is none.

    Args:
        row: of the fault matrix, for the reason of a skip.
        instead: what a reader should know who sees the skip.
        tools: programs that must be there.
        root: an unprivileged namespace is not enough.
    """
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"SKIPPED ROW {row} in part: {', '.join(lacking)} not installed; {instead}")
    for options in (["-n"],) if root else (["-n"], ["-rn"]):
        command = ["unshare", *options]
        if subprocess.run([*command, "nft", "list", "ruleset"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip(f"SKIPPED ROW {row} in part: this user may use nft in no network; {instead}")
