"""What computes, as a line of text, and what a record must tell of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.records.computing import PRECISIONS, RUNTIMES, Choice, Computing, Wanted, joined

SOFTWARE = st.text(st.characters(categories=("L", "N"), include_characters=" .,"), min_size=1)
CHOICES = st.builds(
    Choice,
    st.sampled_from(["function", "xla", "function+packed"]),
    st.none() | st.floats(0.01, 100).map(lambda value: float(f"{value:.2f}")),
    st.none() | st.floats(0, 1).map(lambda value: float(f"{value:.1e}")),
)


@given(st.builds(Computing, SOFTWARE, st.sampled_from(RUNTIMES), st.sampled_from(PRECISIONS), CHOICES))
def test_lines_come_back_as_they_were(computing):
    """Writing and reading a line changes nothing of it."""
    assert Computing.parse(str(computing)) == computing


def test_lines_of_older_nodes_are_plain_keras():
    """A line without fields is of the plain Keras function in f32, as it was."""
    told = Computing.parse("tensorflow 2.21.0, keras 3.15.1, cpu")
    assert (told.runtime, told.precision, told.choice) == ("keras", "f32", Choice("function"))


@pytest.mark.parametrize(
    "line",
    [
        "x; runtime=abacus",
        "x; precision=f8",
        "x; runtime=onnx; runtime=keras",
        "x; colour=red",
        "x; way",
        "x; way=Some Thing",
        "x; gain=nan",
        "x; gain=-1",
        "x; differs=much",
    ],
)
def test_other_lines_are_refused(line):
    """Unknown names, fields told twice and numbers that are none are no line; the same without them is (control)."""
    with pytest.raises(ValueError, match=r"."):
        Computing.parse(line)
    assert Computing.parse("x; runtime=onnx; precision=f32; way=session").runtime == "onnx"


def test_several_choices_as_one():
    """Every way once, the least gain and the largest difference."""
    choices = [Choice("xla", 1.5, 1e-7), Choice("function", 1.0, 0.0), Choice("xla", 1.2, 3e-7)]
    assert joined(choices) == Choice("function+xla", 1.0, 3e-7)
    assert joined([Choice("session")]) == Choice("session")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("abacus",), "unknown runtime"),
        (("onnx", "int8"), "does not compute in int8"),
        (("keras", "bf16"), "does not compute in bf16"),
        (("keras", "f32", "guess"), "unknown way"),
        (("onnx", "f32", "xla"), "--way is for the runtime keras"),
    ],
)
def test_what_does_not_fit_is_refused(wanted, message):
    """A runtime, precision or way that there is not, or not together, is one line with the way out."""
    with pytest.raises(BadInputError, match=message):
        Wanted(*wanted)


def test_only_what_was_asked_for_stands_in_a_record():
    """The defaults leave no trace among the options, as in records from before there was a choice."""
    assert Wanted().describe() == {}
    assert Wanted("litert", "int8").describe() == {"runtime": "litert", "precision": "int8"}
