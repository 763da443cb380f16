"""Who counts as gone, who is used, and how a device that flaps is held back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.farm.config import Address
from harness.membership import FIRST_REST_S, LONGEST_REST_S, MISSED_BEATS, MISSED_WHILE_LOADING, Membership

A, B, C, SPARE, STRANGER = (Address("127.0.0.1", port) for port in range(1, 6))


def members() -> Membership:
    """Three devices with a role each, and a spare."""
    return Membership((A, B, C), (SPARE,))


def test_a_spare_stands_in_and_stays() -> None:
    """The spare works when a device is gone, and the one that comes back is the spare then: nothing changes twice."""
    farm = members()
    seated = farm.chosen((A, B, C), 0.0)
    assert seated == (A, B, C)  # the control: while all are there the spare does nothing
    farm.gone(B)
    seated = farm.chosen(seated, 0.1)
    assert set(seated) == {A, C, SPARE}
    farm.answered(B, 1.0)
    assert set(farm.chosen(seated, 100.0)) == {A, C, SPARE}
    farm.gone(A)
    assert set(farm.chosen(seated, 100.0)) == {B, C, SPARE}


def test_one_missed_beat_is_none() -> None:
    """A device is gone after two beats in a row without an answer, not after one, and later while it loads a block."""
    farm = members()
    for _ in range(5):
        farm.missed(A, 1.0)
        assert farm.alive(A)
        farm.answered(A, 1.0)
    farm.loading(A, until_s=10.0)
    for _ in range(MISSED_WHILE_LOADING - 1):
        farm.missed(A, 9.0)
        assert farm.alive(A)
    farm.missed(A, 9.0)
    assert not farm.alive(A)
    for number in range(MISSED_BEATS):
        assert farm.alive(B)
        farm.missed(B, 11.0 + number)
    assert not farm.alive(B)


def test_a_device_that_flaps_rests_longer_each_time() -> None:
    """Each return is put to use later than the one before, up to a bound; one that stays for long is forgiven."""
    farm = Membership((A, B), ())
    rests, now_s = [], 0.0
    for _ in range(5):
        farm.gone(B)
        farm.answered(B, now_s)
        rest_s = 0.0
        while B not in farm.chosen((A,), now_s + rest_s):
            rest_s += 0.25
        rests.append(rest_s)
        now_s += 10
    assert rests == [FIRST_REST_S, 2 * FIRST_REST_S, LONGEST_REST_S, LONGEST_REST_S, LONGEST_REST_S]
    farm.answered(B, now_s + 1000)
    farm.gone(B)
    farm.answered(B, now_s + 1001)
    assert B in farm.chosen((A,), now_s + 1001 + FIRST_REST_S)


def test_who_joins_makes_the_farm_larger_and_who_leaves_is_not_used() -> None:
    """A new device is used beside all others once it answers; one that was asked to leave is not, until it joins."""
    farm = members()
    farm.join(STRANGER)
    assert farm.chosen((A, B, C), 0.0) == (A, B, C)
    farm.answered(STRANGER, 1.0)
    assert len(farm.chosen((A, B, C), 9.0)) == 4
    farm.leave(A)
    assert set(farm.chosen((A, B, C, SPARE), 9.0)) == {B, C, SPARE, STRANGER}
    assert farm.left(A)
    farm.join(A)
    farm.leave(STRANGER)
    assert set(farm.chosen((B, C, SPARE), 9.0)) == {A, B, C, SPARE}


@given(st.lists(st.tuples(st.sampled_from(["gone", "answered", "missed"]), st.sampled_from([A, B, C, SPARE]))))
def test_only_the_living_work_and_no_more_than_needed(events: list[tuple[str, Address]]) -> None:
    """Whatever happens, those chosen are alive, differ, are no more than the roles need, and those at work go on."""
    farm, seated, now_s = members(), (A, B, C), 0.0
    for kind, address in events:
        now_s += 0.25
        if kind == "gone":
            farm.gone(address)
        else:
            getattr(farm, kind)(address, now_s)
        chosen = farm.chosen(seated, now_s)
        assert len(set(chosen)) == len(chosen) <= 3
        assert all(farm.alive(one) for one in chosen)
        assert set(chosen) >= {one for one in seated if farm.alive(one)}
        seated = chosen
