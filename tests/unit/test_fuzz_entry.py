"""What reads a stranger's bytes, fed damaged ones; `python -m benchmarks.audit fuzz` does it guided by coverage."""

import importlib.util
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.audit import fuzz
from benchmarks.audit.fuzz_entries import ENTRIES, SEEDS
from harness.errors import BadInputError, MissingPackageError


@st.composite
def damaged(draw, entry):
    """A good input of this entry with some bytes replaced, inserted or removed; or any bytes."""
    data = bytearray(draw(st.sampled_from(SEEDS[entry]) | st.binary(max_size=200)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=12))
    return bytes(data)


@pytest.mark.parametrize("entry", ENTRIES)
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_nothing_undeclared_escapes(entry, data):
    """Whatever bytes come, an entry ends in a way that it declares, with all its promises kept."""
    ENTRIES[entry](data.draw(damaged(entry)))


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_seeds_are_taken(entry):
    """Every entry has good bytes to begin with, has a share of the runs, and ends well with each."""
    assert fuzz.SHARES[entry] > 0
    assert sum(fuzz.SHARES.values()) == 100
    for seed in SEEDS[entry]:
        ENTRIES[entry](seed)


def test_a_kept_input_is_run_again(tmp_path):
    """Control: input that breaks an entry does so again with its traceback, and other input does not."""

    def fragile(data):
        assert b"x" not in data, "found it"

    for name, content in (("fragile-crash-1", b"a x b"), ("fragile-crash-2", b"a b")):
        (tmp_path / name).write_bytes(content)
    assert "AssertionError: found it" in fuzz.replay(tmp_path / "fragile-crash-1", {"fragile": fragile})
    assert fuzz.replay(tmp_path / "fragile-crash-2", {"fragile": fragile}) == ""


def test_a_file_that_cannot_be_replayed_is_named(tmp_path):
    """A name without an entry, and a file that is not there, are errors of one line."""
    with pytest.raises(BadInputError, match="does not say its entry"):
        fuzz.replay(tmp_path / "crash-1")
    with pytest.raises(BadInputError, match="cannot be read"):
        fuzz.replay(tmp_path / "http-crash-1")


def test_without_atheris_the_way_to_it_is_said(tmp_path, monkeypatch, capsys):
    """Where the fuzzer is not installed one line says how to install it, and the exit code is that of the project."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingPackageError):
        fuzz.fuzz("http", 1, 1, tmp_path)
    monkeypatch.setattr(sys, "argv", ["fuzz", "--runs", "10", "--finds", str(tmp_path)])
    assert fuzz.main() == MissingPackageError.exit_code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install" in said
