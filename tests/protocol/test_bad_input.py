"""The corpus of bad input against the handlers of a node; `python -m benchmarks.audit bad-input` attacks a process."""

from dataclasses import replace

import pytest
from protocol.raw_http import forward_message

from benchmarks.audit.bad_input import CASES, ask, attack, corpus, goals
from benchmarks.audit.bad_input_case import CLOSED, message
from benchmarks.audit.bad_input_node import ROLE, inner_node

STREAM_BYTES = 2**24


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node within this process, and its good frames."""
    with inner_node(tmp_path_factory.mktemp("node")) as found:
        yield found


def test_every_case_is_told_exactly_why(node):
    """Each case of at least 200 gets its own line, harms no good frame behind it, and takes no memory that stays."""
    target, frames = node
    found = attack(target, frames, corpus(target, STREAM_BYTES))
    assert found.wrong == []
    # How soon is the audit's to judge: this machine may be busy with other tests.
    assert [line for line in found.unserved if "a result after" not in line] == []
    assert found.growth_bytes <= 64e6, "twice what a node of its own may take: the tests' own memory is in it"
    assert found.cases >= CASES


def test_the_answer_does_not_depend_on_how_the_bytes_come(node):
    """Cases that arrive in three pieces are answered as in one."""
    target, _ = node
    for case in corpus(target, STREAM_BYTES):
        pieces = list(case.sent()) if not case.name.startswith("a stream") else []
        if len(pieces) == 1:
            whole = pieces[0]
            third = max(1, len(whole) // 3)
            cut = [whole[:third], whole[third : 2 * third], whole[2 * third :]]
            assert ask(target.address, replace(case, sent=lambda cut=cut: cut)) == case.expected, case.name


def test_the_names_of_the_cases_differ(node):
    """No case is counted twice, and none expects a call to go well."""
    cases = corpus(node[0])
    assert len({case.name for case in cases}) == len(cases)
    assert all(case.expected.text or case.expected == CLOSED for case in cases)
    assert all("\n" not in case.expected.text for case in cases)


def test_a_wrong_answer_is_found(node):
    """Control: a good call where an error is expected, an error where another one is, and the goals miss them."""
    target, frames = node
    good = message("good", forward_message(bytes(target.part_bytes), ROLE, target.tag(2**40)), "an error")
    other = message("other", forward_message(b"", "fc9", target.tag()), "a node does not compute role fc9")
    found = attack(target, frames, [good, other])
    assert [line.partition(":")[0] for line in found.wrong] == ["good", "other"]
    assert not all(goal.met for goal in goals(found))
