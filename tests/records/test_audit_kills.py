"""Writers that are killed at random moments lose nothing that they had acknowledged."""

from benchmarks.audit.kills import file_plainly, kill_writers


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(tmp_path):
    """25 SIGKILLs: every acknowledged record is readable, VALID, indexed; every file is whole."""
    found = kill_writers(tmp_path, 25, seed=7)
    assert (found.lost, found.unreadable) == (0, 0)
    assert found.acknowledged > 0


def test_a_plain_writer_leaves_half_records(tmp_path):
    """The control: with open and write, the same account finds files that are no records."""
    found = kill_writers(tmp_path, 25, file_plainly, seed=7)
    assert found.unreadable > 0
