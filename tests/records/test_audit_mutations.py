"""Good records spoilt in one way each: every rule finds what breaks it, and passes what does not."""

import pytest

from benchmarks.audit.good_records import GOOD
from benchmarks.audit.mutation_list import MUTATIONS
from benchmarks.audit.mutations import OVER_ALL, good_ones, judge
from harness.records.check import check_file

NOTES_ONLY = {"software", "stable"}
"""Rules that never reject: they tell what a reader should know."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.good} {one.rule}: {one.name}")
def test_a_mutated_record_is_rejected_for_its_own_reason(tmp_path, mutation):
    """One edit, sealed anew as a liar would: not VALID, by the rule that it breaks, in words."""
    judged = judge(mutation, tmp_path)
    assert judged.found, (judged.rules, judged.why)
    assert judged.why


def test_the_good_records_pass(tmp_path):
    """The control: what every mutation starts from is VALID, in a folder without a problem."""
    assert good_ones(tmp_path) == dict.fromkeys(GOOD, "")


def test_every_rule_is_broken_by_one_mutation_and_kept_by_a_good_record(tmp_path):
    """No rule stands in the checker that nothing can break, or that nothing keeps."""
    kept, known = set(), set()
    for name, make in GOOD.items():
        for finding in check_file(make(tmp_path / name).path).findings:
            known.add(finding.rule)
            kept |= {finding.rule} if finding.passed else set()
    assert kept == known
    assert {one.rule for one in MUTATIONS} == known - NOTES_ONLY | set(OVER_ALL) | {"unreadable"}
    assert len({(one.good, one.name) for one in MUTATIONS}) == len(MUTATIONS) >= 60
