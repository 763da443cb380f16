"""Profiles: published figures come out as they were published, fits say how wrong they are, gaps are errors."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError, NotFoundError
from harness.models.catalogue import model
from harness.models.graph import FRAME, Dense, Flatten, ModelGraph
from harness.profile import published_figures as published
from harness.profile.fit import Point, dense_features, estimate_s, fit
from harness.profile.origin import published_names, published_profile
from harness.profile.profile import profile_document, profile_from, profile_text, read_profile
from harness.profile.shipped import profile_called, shipped_names, shipped_profile
from harness.profile.times import BlockTimes


def numbers_of(document: object) -> list[float]:
    """All numbers in plain data, in order."""
    if isinstance(document, dict):
        return [number for key in sorted(document) for number in numbers_of(document[key])]
    if isinstance(document, list | tuple):
        return [number for value in document for number in numbers_of(value)]
    return [float(document)] if isinstance(document, int | float) else []


def texts_of(document: object) -> object:
    """Plain data without its numbers."""
    if isinstance(document, dict):
        return {key: texts_of(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [texts_of(value) for value in document]
    return None if isinstance(document, int | float) else document


@pytest.mark.parametrize("name", published_names())
def test_a_shipped_profile_is_what_the_published_figures_give(name: str) -> None:
    """Each JSON file comes out of one function, so that no figure in it was typed in; another device's differs."""
    made, kept = profile_document(published_profile(name)), profile_document(shipped_profile(name))
    assert texts_of(made) == texts_of(kept)
    assert numbers_of(made) == pytest.approx(numbers_of(kept), rel=1e-4)
    other = profile_document(shipped_profile("tx1-gpu" if name != "tx1-gpu" else "tx1-cpu"))
    assert texts_of(made) != texts_of(other)


def test_every_published_device_is_shipped() -> None:
    """Nothing is shipped that no published figure stands behind, and nothing is missing."""
    assert set(shipped_names()) == set(published_names())


def test_the_cliff_of_a_large_layer_is_the_published_one() -> None:
    """fc1 of VGG16 takes 2.483 s whole, since it swaps, and .35 s in halves, which do not; fc2 does not either."""
    times = BlockTimes(shipped_profile("rpi3"), model("vgg16"))
    whole, half = times.block(["fc1"]), times.block(["fc1"], 2)
    assert whole.seconds == pytest.approx(published.VGG16_FC1_SWAPPING_S, rel=2e-3)
    assert half.seconds == pytest.approx(0.35, rel=0.01)
    assert half.swap_s == times.block(["fc2"]).swap_s == 0
    # The control: the largest published layer without a cliff lies below it.
    assert whole.weight_bytes > 1.05 * published.FC_LARGEST_IN_MEMORY * published.FC_INPUTS * 4


def test_layers_add_up_to_the_published_sums() -> None:
    """Blocks of VGG16 need what the authors' layers add up to, and AlexNet what the whole took on one Pi."""
    vgg16, alexnet = model("vgg16"), model("alexnet")
    pi = shipped_profile("rpi3")
    names = [layer.name for layer in vgg16.layers]
    convolutions = names[names.index("block1_conv1") : names.index("flatten")]
    assert BlockTimes(pi, vgg16).block(convolutions).seconds == pytest.approx(7.703, abs=1e-6)
    whole = BlockTimes(pi, alexnet).block([layer.name for layer in alexnet.layers])
    assert (whole.seconds, whole.basis) == (pytest.approx(0.5255, abs=1e-4), "extrapolated")


def test_a_fit_of_vgg16_foretells_alexnet() -> None:
    """The fits know no figure of AlexNet, and come within a tenth of its published whole."""
    pi, alexnet = shipped_profile("rpi3"), model("alexnet")
    without = replace(pi, models={"vgg16": pi.models["vgg16"]})
    whole = BlockTimes(without, alexnet).block([layer.name for layer in alexnet.layers])
    assert whole.seconds == pytest.approx(0.5255, rel=0.1)


def test_whole_jetsons_are_divided_without_loss() -> None:
    """Layers of a device of which whole models alone are known add up to them."""
    times = BlockTimes(shipped_profile("tx2-cpu"), model("vgg16"))
    whole = times.block([layer.name for layer in times.graph.layers])
    assert whole.seconds == pytest.approx(1.9274, rel=1e-4)


@given(
    call_s=st.floats(1e-4, 0.1),
    pace_s=st.floats(1e-10, 1e-7),
    units=st.lists(st.integers(16, 20_000), min_size=4, max_size=12, unique=True),
)
def test_a_fit_finds_the_law_that_made_its_points(call_s: float, pace_s: float, units: list[int]) -> None:
    """Points on a line are fitted without error; the control: a point off the line shows in the largest error."""
    points = [
        Point(dense_features(512, one), call_s + pace_s * dense_features(512, one)["parameters"]) for one in units
    ]
    found = fit("Dense", points, "made up")
    # Where one of the terms is below a billionth of the others, a fit may leave it out.
    assert found.largest_error is not None
    assert found.largest_error < 1e-2
    for point in points:
        assert math.isclose(estimate_s(found, point.features), point.seconds, rel_tol=1e-3)
    off = fit("Dense", [*points[1:], Point(points[0].features, 10 * points[0].seconds)], "made up")
    assert off.largest_error is not None
    assert off.largest_error > 0.3


def test_too_few_points_have_no_known_error() -> None:
    """An error that nobody could see is unknown, and not zero."""
    found = fit("Dense", [Point(dense_features(10, 10), 0.1)], "made up")
    assert found.median_error is None
    assert found.largest_error is None


def test_memory_decides_what_swaps_and_what_cannot_run() -> None:
    """With half of the memory the half swaps too, with less than the weights nothing runs, nor without a swap."""
    vgg16 = model("vgg16")
    times = BlockTimes(shipped_profile("rpi3"), vgg16)
    assert 0 < times.block(["fc1"], 2, memory_bytes=512_000_000).swap_s < math.inf
    assert times.block(["fc1"], memory_bytes=512_000_000).swap_s == math.inf
    jetson = BlockTimes(shipped_profile("tx2-cpu"), vgg16)
    assert jetson.block(["fc1"]).swap_s == 0
    assert jetson.block(["fc1"], memory_bytes=1_000_000_000).swap_s == math.inf


def test_a_profile_survives_its_file(tmp_path: Path) -> None:
    """What is written is read back equal."""
    path = tmp_path / "pi.json"
    path.write_text(profile_text(shipped_profile("rpi3")))
    assert read_profile(path) == shipped_profile("rpi3") == profile_called("pi.json", tmp_path)


def broken(**changes: object) -> dict[str, object]:
    """The Pi's profile with fields of the first layer of VGG16 changed."""
    document = json.loads(profile_text(shipped_profile("rpi3")))
    document["models"]["vgg16"]["layers"][0].update(changes)
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (broken(warm_s=-0.1), "warm_s"),
        (broken(warm_s="fast"), "warm_s"),
        (broken(parts=0), "parts"),
        (broken(basis="guessed"), "basis"),
        (broken(layer="block1_conv1"), "twice"),
        ({"format": "ck-iot-farm profile", "version": 99}, "version"),
        ([], "no profile"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(document: object, said: str) -> None:
    """Each wrong field is one line that names it; the document without the change is taken."""
    with pytest.raises(BadInputError) as caught:
        profile_from(document, "p.json")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert profile_from(broken(), "p.json") == shipped_profile("rpi3")


def test_nan_in_a_profile_is_refused(tmp_path: Path) -> None:
    """A time that is no number stops at the file."""
    path = tmp_path / "p.json"
    path.write_text(profile_text(shipped_profile("rpi3")).replace("0.247", "NaN"))
    with pytest.raises(BadInputError, match="NaN"):
        read_profile(path)


def test_gaps_and_other_models_are_errors() -> None:
    """A layer with neither figure nor fit, a model of the same name with other layers, a profile that is not there."""
    pi = shipped_profile("rpi3")
    tiny = ModelGraph("tiny", "Tiny", (4, 4, 1), (Flatten("flat", (FRAME,)), Dense("out", ("flat",), 4)))
    assert BlockTimes(pi, tiny).block(["out"]).seconds > 0
    without = replace(pi, fits={kind: found for kind, found in pi.fits.items() if kind != "Dense"})
    with pytest.raises(BadInputError, match="no figure for out of tiny"):
        BlockTimes(without, tiny).block(["out"])
    with pytest.raises(BadInputError, match="another model"):
        BlockTimes(pi, replace(tiny, name="vgg16"))
    with pytest.raises(NotFoundError, match="no profile 'pi3'"):
        profile_called("pi3")
