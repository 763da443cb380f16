"""Kept references are those that would be computed, for exactly the same question; whatever is damaged is not used."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness.bench import kept_reference
from harness.bench.kept_reference import kept_or_computed
from harness.bench.reference import Reference, compute_reference
from harness.models.frames import frame_pool
from harness.partition.paper import partition
from harness.partition.wire import Wire

CUT = partition("alexnet-5")
BLOCKS = tuple(CUT.block(role.name, 0) for role in CUT.roles)
QUESTION = {"seed": 7, "weights": None, "count": 2, "blocks": BLOCKS}


really_computed = cache(compute_reference)
"""Each question takes seconds, and is really computed once."""


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, object]]:
    """A cache of its own, and the questions that had to be computed."""
    monkeypatch.setenv("IOT_FARM_CACHE", str(tmp_path))
    asked: list[dict[str, object]] = []

    def compute(model_name: str, **question: object) -> Reference:
        asked.append({"model": model_name, **question})
        return really_computed(model_name, **question)

    monkeypatch.setattr(kept_reference, "compute_reference", compute)
    return asked


def same(one: Reference, other: Reference) -> bool:
    """Whether two references are equal to the last bit."""
    return (
        np.array_equal(one.images, other.images)
        and np.array_equal(one.outputs, other.outputs)
        and (one.weights, one.model_fingerprint, one.block_fingerprints)
        == (other.weights, other.model_fingerprint, other.block_fingerprints)
    )


def test_second_time(computed: list[dict[str, object]]) -> None:
    """The second question is answered from the cache, with the same bits, fingerprints of blocks included."""
    first, second = (kept_or_computed("alexnet", **QUESTION) for _ in range(2))
    assert len(computed) == 1
    assert same(first, second)
    assert len(second.block_fingerprints) == len(CUT.roles)
    other = kept_or_computed("alexnet", **{**QUESTION, "seed": 8})
    assert len(computed) == 2
    assert not same(first, other), "control"


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:0],
        lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:],
        lambda raw: raw[:4] + bytes(100),
        lambda raw: raw[:-400] + bytes([raw[-400] ^ 1]) + raw[-399:],
    ],
)
def test_damaged_file(computed: list[dict[str, object]], tmp_path: Path, damage) -> None:
    """A file that was cut off or changed is computed anew, and replaced."""
    first = kept_or_computed("alexnet", **QUESTION)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    assert same(first, kept_or_computed("alexnet", **QUESTION))
    assert same(first, kept_or_computed("alexnet", **QUESTION))
    assert len(computed) == 2


def test_what_the_answers_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number of images, TensorFlow, processor or setting is another question."""
    key = kept_reference._key
    plain = key("alexnet", 7, None, 2, ())
    assert plain == key("alexnet", 7, None, 2, ()), "control"
    assert plain != key("alexnet", 7, None, 3, ())
    assert plain != key("vgg16", 7, None, 2, ())
    with monkeypatch.context() as changed:
        changed.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
        assert plain != key("alexnet", 7, None, 2, ())
    for name in ("_version", "_processor", "_sources_digest"):
        with monkeypatch.context() as changed:
            changed.setattr(kept_reference, name, lambda *_: "other")
            assert plain != key("alexnet", 7, None, 2, ())


def test_each_wire_and_each_cut_is_another_question() -> None:
    """A rounded reference counts for its encoding, its cuts and its number of threads alone."""
    cuts = [replace(partition(name), wire=wire) for name in ("vgg16-9", "vgg16-11") for wire in (Wire.FP16, Wire.UINT8)]
    keys = [kept_reference._key("vgg16", 7, None, 2, (), cut, threads) for cut in cuts for threads in (None, 1)]
    keys.append(kept_reference._key("vgg16", 7, None, 2, ()))
    assert len(set(keys)) == len(keys) == 9
    # Replicas compute the same, so they are no other question.
    more = replace(cuts[2], roles=(replace(cuts[2].roles[0], replicas=2), *cuts[2].roles[1:]))
    assert kept_reference._key("vgg16", 7, None, 2, (), more) == keys[4]


def test_a_rounded_reference_is_kept_with_both_answers(tmp_path: Path) -> None:
    """What was rounded and what was not come back with the same bits; a change of either is found."""
    images = frame_pool(7, 2, (224, 224, 3))
    rounded, exact = (np.random.default_rng(seed).random((2, 1000), np.float32) for seed in (1, 2))
    kept = Reference(images, rounded, "seed:1:7", "00ff", (), exact, 1)
    path = tmp_path / "kept.npz"
    kept_reference._write(path, kept)
    found = kept_reference._read(path, "alexnet", 7, 2, 0)
    assert same(kept, found)
    assert np.array_equal(found.exact, exact)
    assert found.threads == 1
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["exact"][0, 0] += 1
    np.savez(path, **arrays)
    assert kept_reference._read(path, "alexnet", 7, 2, 0) is None


def test_weights_file_by_content(tmp_path: Path) -> None:
    """A weights file counts by what is in it, not by its name."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"1")
    assert kept_reference._key("alexnet", 7, one, 2, ()) == kept_reference._key("alexnet", 7, two, 2, ())
    two.write_bytes(b"2")
    assert kept_reference._key("alexnet", 7, one, 2, ()) != kept_reference._key("alexnet", 7, two, 2, ())


def test_folder_that_takes_nothing(computed: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be kept, everything is computed, and nothing is lost."""
    monkeypatch.setenv("IOT_FARM_CACHE", "/proc/nothing")
    first, second = (kept_or_computed("alexnet", **QUESTION) for _ in range(2))
    assert len(computed) == 2
    assert same(first, second)
