"""Which of our runs stand in the paper's figures."""

from board.rows import key_of, row

from harness.board.paper_figures import paper_figures
from harness.board.row import Row


def _drawn(*rows: Row) -> list[str]:
    (figure,) = [one for one in paper_figures(rows) if one.model == "alexnet"]
    return [one.id for one in figure.bars]


def test_an_older_run_with_an_energy_is_drawn_before_a_newer_one_without() -> None:
    """Proves that a bar says "not measured" only where no run of the system has an energy."""
    speed = {"ips": 40.0}
    energy = speed | {"energy_total_j": 1.0, "energy_static_j": 0.6, "energy_dynamic_j": 0.4}
    older = row(key_of(1), started_utc="2026-11-20T00:00:00.000+00:00", figures=energy)
    newer = row(key_of(2), started_utc="2026-11-21T00:00:00.000+00:00", figures=speed)
    newest = row(key_of(3), started_utc="2026-11-22T00:00:00.000+00:00", figures=energy)
    assert _drawn(older, newer) == [older.id]
    assert _drawn(newer) == [newer.id]
    assert _drawn(older, newer, newest) == [newest.id]
