"""Cores that a process really has: affinity and control groups of version 1 and 2, laid out in a folder."""

import os

import pytest

from harness.runtime.cores import usable_cores


@pytest.fixture
def many(monkeypatch):
    """A process that may run on eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))


def write(root, files: dict[str, str]):
    """Files below a root; returns the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = {"proc/self/cgroup": "0::/farm/node\n"}
V1 = {"proc/self/cgroup": "3:cpu,cpuacct:/farm\n2:memory:/farm\n"}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        (V2, 8),
        (V2 | {"sys/fs/cgroup/farm/node/cpu.max": "max 100000\n"}, 8),
        (V2 | {"sys/fs/cgroup/farm/node/cpu.max": "300000 100000\n"}, 3),
        (V2 | {"sys/fs/cgroup/farm/node/cpu.max": "150000 100000\n"}, 1),
        (V2 | {"sys/fs/cgroup/farm/node/cpu.max": "50000 100000\n"}, 1),
        # A group above that grants less bounds all below it.
        (V2 | {"sys/fs/cgroup/farm/node/cpu.max": "600000 100000", "sys/fs/cgroup/farm/cpu.max": "200000 100000"}, 2),
        # In a container the root of its own groups is where the bound stands.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/../../outside\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        (
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/farm/cpu.cfs_quota_us": "200000",
                "sys/fs/cgroup/cpu,cpuacct/farm/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        (
            V1
            | {"sys/fs/cgroup/cpu/farm/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/farm/cpu.cfs_period_us": "100000"},
            8,
        ),
        # What cannot be read bounds nothing.
        (V2 | {"sys/fs/cgroup/farm/node/cpu.max": "garbage"}, 8),
        (V2 | {"sys/fs/cgroup/farm/node/cpu.max": "100000 0"}, 8),
    ],
)
def test_quotas_bound_the_cores(many, tmp_path, files, cores):
    """The least of affinity and every quota on the way up, rounded down, one at least."""
    assert usable_cores(write(tmp_path, files)) == cores


def test_affinity_bounds_the_quota(monkeypatch, tmp_path):
    """A quota of more cores than the process may run on gives it no more."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5})
    write(tmp_path, V2 | {"sys/fs/cgroup/farm/node/cpu.max": "600000 100000"})
    assert usable_cores(tmp_path) == 2


def test_this_machine_has_one_at_least():
    """On the real files of this machine the answer is between one and the affinity."""
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
