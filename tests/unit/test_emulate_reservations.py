"""Bookings of a medium: nothing overlaps and the rate is kept, whichever processes book."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.emulate.reservations import LONGEST_S, Booking, Reservations

BOOKER = """
import json, sys, time
from pathlib import Path
from harness.emulate.reservations import Reservations
air = Reservations(Path(sys.argv[1]), 1)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([air.book(0, float(seconds), time.monotonic()) for seconds in sys.argv[2:]]))
"""

demands = st.lists(
    st.tuples(st.floats(0, 5, allow_subnormal=False), st.floats(0, 3, allow_subnormal=False)), min_size=1, max_size=40
)


def overlaps(bookings: list[Booking]) -> bool:
    """Whether two of them take the same time; what ends as another one begins does not."""
    ordered = sorted(bookings)
    return any(later.begin_s < sooner.end_s for sooner, later in pairwise(ordered))


@given(demands)
def test_no_two_bookings_overlap_and_no_time_is_wasted(tmp_path_factory: pytest.TempPathFactory, asked: list) -> None:
    """Each booking begins when it may or when the one before ends, so that a busy medium is busy all the time."""
    air = Reservations(tmp_path_factory.mktemp("air") / "air", 2)
    now_s, free_s, found = 1000.0, 0.0, []
    for wait_s, seconds in asked:
        now_s += wait_s
        booking = air.book(1, seconds, now_s)
        assert booking == Booking(max(now_s, free_s), max(now_s, free_s) + seconds)
        free_s = booking.end_s
        found.append(booking)
    assert not overlaps(found)
    assert air.book(0, 1.0, 5.0) == Booking(5.0, 6.0), "another thing is free"
    air.close()


def test_two_processes_share_one_medium(tmp_path: Path) -> None:
    """Booked by two processes at the same time, every time is taken once; the control: media of their own overlap."""

    def both(first: Path, second: Path) -> list[Booking]:
        asked = [str(0.001 * (1 + number % 7)) for number in range(400)]
        started = [
            subprocess.Popen(
                [sys.executable, "-c", BOOKER, str(path), *asked],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for path in (first, second)
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        found = []
        for process in started:
            out, _ = process.communicate(timeout=60)
            found += [Booking(*one) for one in json.loads(out)]
        return found

    shared = both(tmp_path / "air", tmp_path / "air")
    assert len(shared) == 800
    assert not overlaps(shared)
    busy_s = sum(one.end_s - one.begin_s for one in shared)
    assert max(shared).end_s - min(shared).begin_s >= busy_s - 1e-6, "no more is carried than the rate allows"
    assert overlaps(both(tmp_path / "one", tmp_path / "other"))


def test_what_another_start_of_the_machine_booked_is_void(tmp_path: Path) -> None:
    """A file that outlives the clock does not hold messages for days; what was booked just now does."""
    air = Reservations(tmp_path / "air", 1)
    air.book(0, 3 * LONGEST_S, 1e6)
    assert air.book(0, 1.0, 10.0) == Booking(10.0, 11.0)
    assert air.book(0, 1.0, 10.0) == Booking(11.0, 12.0)
    air.clear()
    assert air.book(0, 1.0, 10.0) == Booking(10.0, 11.0)
    with pytest.raises(ValueError, match="there are 1 things"):
        air.book(1, 1.0, 0.0)


def test_a_file_has_one_identity(tmp_path: Path) -> None:
    """Two processes that open one file see one medium; another file is another one."""
    one, same = Reservations(tmp_path / "air", 1), Reservations(tmp_path / "air", 1)
    assert one.identity == same.identity != Reservations(tmp_path / "other", 1).identity
    one.book(0, 2.0, 50.0)
    assert same.book(0, 1.0, 50.0) == Booking(52.0, 53.0)
