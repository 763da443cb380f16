"""`iot-farm simulate` as a user meets it: figures that are the same each time, and one line for what is wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.app import cli
from harness.errors import UserError

SMALL = ("simulate", "--model", "alexnet", "--frames", "40", "--distinct", "2")


def typed(*arguments: str) -> Result:
    """What a command line gives, in this process."""
    return CliRunner().invoke(cli, arguments)


def test_figures_and_data_are_written_and_stay_the_same(tmp_path: Path) -> None:
    """Proves that --out leaves data and a figure, the same bytes for the same seed, and other data for another."""
    runs = [("one", "3"), ("two", "3"), ("three", "4")]
    for name, seed in runs:
        ended = typed(
            *SMALL, "--devices", "5,24", "--farm-devices", "12", "--seed", seed, "--out", str(tmp_path / name)
        )
        assert ended.exit_code == 0, ended.output
        assert "simulated, not measured" in ended.output
        assert "2 of 2 farms of 12 devices simulated" in ended.output
    one, two, three = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())} for name, _ in runs
    )
    assert set(one) == {"simulation.json", "simulation.svg"}
    assert one == two
    assert one["simulation.json"] != three["simulation.json"]


def test_json_says_that_nothing_was_measured() -> None:
    """Proves that the JSON document names seed, farms simulated and how the others were counted."""
    ended = typed(*SMALL, "--devices", "60", "--farm-devices", "12", "--fail", "0.5:1:3", "--json")
    document = json.loads(ended.stdout)
    assert document["measured"] is False
    assert document["seed"] == 0
    point = document["curves"][0]["points"][0]
    assert (point["farms"], point["farms_simulated"]) == (5, 2)
    assert "counted as their mean" in point["counted"]
    assert point["sizes"][0]["outcomes"][0]["failures"] == 1


def test_a_farm_file_is_predicted_by_a_profile() -> None:
    """Proves that a farm nobody measured has the plan's pace by the Pi's profile, and that nothing is fitted to it."""
    farm = Path(__file__).parents[2] / "ck-machines/farms/farm-11.json"
    ended = typed("simulate", "--predict", str(farm), "--frames", "200", "--jitter", "0.01", "--json")
    figures = json.loads(ended.stdout)["predictions"][0]["figures"]
    assert figures["ips"]["predicted"] == pytest.approx(0.907, rel=0.03)
    assert figures["ips"]["error"] is None
    assert "nothing is fitted" in typed("simulate", "--predict", str(farm), "--frames", "20").output


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((), "--fit"),
        (("--devices", "5", "--fit", "x.json"), "--devices"),
        (("--devices", "5", "--predict", "x.json"), "--devices"),
        (("--predict", "nowhere.json"), "nowhere.json"),
        (("--fit", "nowhere.json"), "--predict"),
        (("--fit", "nowhere.json", "--predict", "x.json"), "nowhere.json"),
        (("--devices", "five"), "five"),
        (("--devices", "1"), "1 devices"),
        (("--devices", "5", "--fail", "now"), "now"),
        (("--devices", "5", "--fail", "1:99"), "99"),
        (("--devices", "5", "--fail", "-1:0"), "-1"),
        (("--devices", "5", "--fail", "nan:0"), "nan"),
        (("--devices", "5", "--mtbf", "nan"), "nan"),
        (("--devices", "5", "--mtbf", "-1"), "-1"),
        (("--devices", "5", "--jitter", "2"), "jitter"),
        (("--devices", "5", "--rate", "0"), "0.0"),
        (("--devices", "5", "--frames", "-1"), "-1"),
        (("--devices", "5", "--farm-devices", "2000"), "2000"),
        (("--devices", "5", "--network", "pigeon"), "pigeon"),
        (("--devices", "5", "--device", "abacus"), "abacus"),
        (("--devices", "5", "--objective", "fame"), "fame"),
        (("--devices", "5", "--model", "lenet"), "lenet"),
    ],
)
def test_what_is_typed_wrong_is_named(arguments: tuple[str, ...], names: str) -> None:
    """Proves that each wrong input is told in one line that names it."""
    ended = typed("simulate", *arguments)
    assert isinstance(ended.exception, UserError), ended.output
    assert names in ended.exception.message
    assert "\n" not in ended.exception.message
