"""Declarations: price and peak power with their sources, and nothing that could be measured."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_records import run_record

from harness.errors import BadInputError
from harness.records.canonical import canonical
from harness.records.check import check_record
from harness.records.declared import EXAMPLE, read_declared
from harness.records.manifest import seal


def written(folder: Path, text: str) -> Path:
    """A file with this text."""
    path = folder / "declared.json"
    path.write_text(text, encoding="utf-8")
    return path


def checked(declared):
    """What the checker says of a good record with this declaration."""
    document = json.loads(canonical(seal({**run_record().to_document(), "declared": declared})))
    return check_record(document)


def test_the_example_is_read_and_passes_the_checker(tmp_path: Path) -> None:
    """What the help shows is right, and a record with it is VALID."""
    found = read_declared(written(tmp_path, EXAMPLE))
    assert found == {
        "price_usd": 200.0,
        "price_date": "2017-08-11",
        "price_source": "shop, five at 40 USD",
        "peak_power_w": 32.5,
        "peak_power_source": "paper, Table 2: 6.5 W each",
    }
    assert checked(found).status == "VALID"


def test_half_a_declaration(tmp_path: Path) -> None:
    """What is not declared is None, not 0."""
    found = read_declared(written(tmp_path, '{"peak_power_w": 10, "peak_power_source": "data sheet"}'))
    assert (found["price_usd"], found["price_date"], found["peak_power_w"]) == (None, None, 10.0)
    assert checked(found).status == "VALID"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON"),
        ("[]", "declares nothing"),
        ("{}", "declares nothing"),
        ('{"ips": 100}', "ips: it is measured, not declared"),
        ('{"energy_total_j": 1}', "energy_total_j: it is measured, not declared"),
        ('{"frequency_khz": 1200000}', "it is measured, not declared"),
        ('{"accuracy": 0.5}', "it is measured, not declared"),
        ('{"colour": "red"}', "colour: no such field"),
        ('{"price_usd": 200}', "price_usd has no price_source"),
        ('{"price_usd": 200, "price_source": ""}', "price_usd has no price_source"),
        ('{"peak_power_w": 5, "price_source": "x"}', "peak_power_w has no peak_power_source"),
        ('{"price_usd": 0, "price_source": "x"}', "price_usd is 0, not a positive number"),
        ('{"price_usd": -1, "price_source": "x"}', "price_usd is -1, not a positive number"),
        ('{"price_usd": true, "price_source": "x"}', "price_usd is True, not a positive number"),
        ('{"price_usd": "200", "price_source": "x"}', "price_usd is 200, not a positive number"),
        ('{"price_usd": NaN, "price_source": "x"}', "NaN is no number"),
        ('{"price_usd": 1' + "0" * 400 + ', "price_source": "x"}', "not a positive number"),
        ('{"price_usd": 1, "price_usd": 2, "price_source": "x"}', "stands twice"),
        ('{"price_source": 5}', "price_source is no text"),
        ('{"price_date": "yesterday"}', "no date like 2017-08-11"),
        ('{"price_date": "2017-02-30"}', "no date like 2017-08-11"),
        ('{"price_date": "20170811"}', "no date like 2017-08-11"),
        ('{"price_source": "' + "x" * 10_001 + '"}', "more than 10,000 characters"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """One line that names file and field, and an example as the way out."""
    path = written(tmp_path, text)
    with pytest.raises(BadInputError) as caught:
        read_declared(path)
    assert told in caught.value.message
    assert "declared.json" in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400 + len(str(path))


values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)


@given(
    st.dictionaries(
        st.sampled_from(["price_usd", "price_date", "price_source", "peak_power_w", "peak_power_source"]), values
    )
)
def test_whatever_is_read_passes_the_checker(tmp_path_factory: pytest.TempPathFactory, document: dict) -> None:
    """A declaration that is taken makes no record INVALID after the run."""
    path = written(tmp_path_factory.mktemp("declared"), json.dumps(document))
    try:
        found = read_declared(path)
    except BadInputError:
        return
    assert checked(found).status == "VALID", checked(found).reasons


def test_a_declaration_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(BadInputError, match=r"nowhere\.json cannot be read"):
        read_declared(tmp_path / "nowhere.json")
