"""The protocol of 2018 as rules: two replies a frame, half of them of two frames, and a clock that flatters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.emulate.published import (
    HONEST,
    PROTOCOLS,
    Reply,
    SlidingWindow,
    imitation,
    protocol_of,
    published_figures,
    run_name,
)
from harness.records.rules_emulated import NO_MEASUREMENT, emulated_findings, late_problems


def pipeline(frames: int, first_s: float, join_s: float, *, sliding: bool) -> tuple[list[Reply], list[tuple[int, int]]]:
    """A farm in two stages: one takes `first_s` a frame and gives two halves, one joins them in `join_s`.

    Returns:
        Replies, and the frames of the two halves behind each.
    """
    window: SlidingWindow[int] = SlidingWindow(2)
    window.offer(-1)  # the farm is warm: what it computed before left halves
    window.offer(-1)
    replies, behind, free_s = [], [], 0.0
    for frame in range(frames):
        for half in range(2):
            latest = window.offer(frame)
            if sliding or half == 1:
                free_s = max(free_s, (frame + 1) * first_s) + join_s
                assert latest is not None
                replies.append(Reply(frame, free_s, latest == [frame, frame]))
                behind.append((latest[0], latest[1]))
    return replies, behind


@given(st.integers(2, 60), st.floats(0.01, 2), st.floats(0.001, 2))
def test_every_half_gives_a_reply_and_half_of_them_mix_frames(frames: int, first_s: float, join_s: float) -> None:
    """2R replies for R frames, of which every other one is over halves of two frames; an honest join gives R."""
    replies, behind = pipeline(frames, first_s, join_s, sliding=True)
    figures = published_figures(replies, frames)
    assert len(replies) == 2 * frames
    assert [one == other for one, other in behind] == [False, True] * frames
    assert figures.right_share == 0.5
    honest, _ = pipeline(frames, first_s, join_s, sliding=False)
    assert len(honest) == frames
    with pytest.raises(ValueError, match="the clock stops at"):
        published_figures(honest, frames)


@given(st.integers(2, 60), st.floats(0.01, 2), st.floats(0.001, 2))
def test_the_printed_figure_is_about_twice_the_frames(frames: int, first_s: float, join_s: float) -> None:
    """(2R - 1) / window lies between twice the frames that fit into the window, counted as R - 1 and as R."""
    replies, _ = pipeline(frames, first_s, join_s, sliding=True)
    figures = published_figures(replies, frames)
    low, high = figures.counted_ips
    assert 2 * low < figures.as_published_ips < 2 * high
    assert figures.as_published_ips > frames / figures.makespan_s, "the clock from the first reply on flatters"
    document = imitation(replies, frames)
    assert document["as_published_ips"] == (2 * frames - 1) / document["window_s"]


def test_a_cold_window_gives_one_reply_less() -> None:
    """Defect D7: the first half of a cold farm is not answered, so the clock of the artifact never stopped."""
    window: SlidingWindow[str] = SlidingWindow(2)
    answers = [window.offer(half) for half in ("a0", "a1", "b1", "b0")]
    assert answers == [None, ["a0", "a1"], ["a1", "b1"], ["b1", "b0"]]


def test_names_of_runs_tell_the_protocol() -> None:
    """Nodes know the protocol by the run's name alone, and no name of an honest run passes for another's."""
    for protocol in PROTOCOLS:
        name = run_name(protocol)
        assert protocol_of(name) == protocol
        assert set(name) <= set("0123456789abcdef")
        assert len(name) <= 64
    assert protocol_of("") == protocol_of("2018051900000000") == protocol_of("20180519" + "0" * 25) == HONEST


def _nodes(*late: int, emulates: str = "rpi3+wifi-n#ab@1.2") -> list[dict]:
    return [
        {
            "description": {"role": f"block{n}", "host": "127.0.0.1", "port": n, "emulates": emulates},
            "statistics": {"late": count, "computed": 100},
        }
        for n, count in enumerate(late)
    ]


def test_a_machine_that_is_too_slow_is_named() -> None:
    """Two late frames in a hundred are borne, three are not, and the reason names the block."""
    assert late_problems(_nodes(0, 2)) == []
    (problem,) = late_problems(_nodes(0, 3))
    assert problem.startswith("this machine is too slow to imitate rpi3+wifi-n: block1 at 127.0.0.1:1")
    assert "3 of 100" in problem


def test_the_checker_tells_imitations_apart() -> None:
    """Nodes that imitate what the record does not say, or another medium, or are late: not VALID; alike: no finding."""

    def problems(emulated: str | None, nodes: list[dict], asked: str = "", **more: object) -> list[str]:
        options = {"protocol": asked} if asked else {}
        found = emulated_findings({"emulated": emulated, "nodes": nodes, "options": options, **more})
        return [finding.detail for finding in found if finding.passed is False]

    assert problems("rpi3+wifi-n", _nodes(0, 0)) == []
    assert problems("rpi3+wifi-n/requests-2018", _nodes(0, 0), "requests-2018") == []
    assert "sent by requests-2018" in problems("rpi3+wifi-n", _nodes(0, 0), "requests-2018")[0]
    assert problems("rpi3+wifi-n", _nodes(0, 0), "published-2018") == [NO_MEASUREMENT]
    assert emulated_findings({"emulated": None, "nodes": _nodes(0, emulates=""), "options": {}}) == []
    assert "imitated rpi3+wifi-n" in problems(None, _nodes(0))[0]
    assert "imitated rpi3+wifi-n" in problems("tx2-cpu+wifi-n", _nodes(0))[0]
    assert "imitated nothing" in problems("rpi3+wifi-n", _nodes(0, emulates=""))[0]
    assert "do not share" in problems("rpi3+wifi-n", _nodes(0) + _nodes(0, emulates="rpi3+wifi-n#ab@3.4"))[0]
    assert "too slow" in problems("rpi3+wifi-n", _nodes(50))[0]
    replies, _ = pipeline(10, 0.3, 0.1, sliding=True)
    protocol = imitation(replies, 10)
    assert problems("rpi3+wifi-n", _nodes(0), protocol=protocol) == [NO_MEASUREMENT]
    (told,) = problems("rpi3+wifi-n", _nodes(0), protocol=protocol | {"as_published_ips": 99.0})
    assert "as_published_ips is 99.0" in told
