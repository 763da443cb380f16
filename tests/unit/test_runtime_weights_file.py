"""A user's own Keras weights file in place of seeded weights."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness.errors import BadInputError
from harness.models.frames import frame_pool
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.models.weights import SeededWeights
from harness.partition.block import Block, whole_model
from harness.runtime import configure, load_block
from harness.runtime.device import import_keras
from harness.runtime.keras_block import build_keras_model
from harness.runtime.weights_file import open_weights


@pytest.fixture(scope="module", autouse=True)
def _cpu():
    configure("cpu", threads=1)


def tiny(units: int = 6) -> ModelGraph:
    """A model of few weights."""
    return ModelGraph(
        "tiny",
        "Tiny",
        (8, 8, 3),
        (
            Rescale("rescale", (FRAME,), scale=1 / 255),
            Conv2D("conv1", ("rescale",), filters=4, kernel_size=(3, 3)),
            MaxPool2D("pool1", ("conv1",)),
            Flatten("flatten", ("pool1",)),
            Dense("fc1", ("flatten",), units=units),
            Dense("predictions", ("fc1",), units=5, activation="softmax"),
        ),
    )


def save(graph: ModelGraph, seed: int, path: Path) -> Path:
    """Let Keras itself save a seeded model under a name, in the format of its suffix."""
    keras_model = build_keras_model(whole_model(graph), SeededWeights(seed))
    if path.name.endswith(".weights.h5"):
        keras_model.save_weights(path)
    else:
        keras_model.save(path)
    return path


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "w.h5"])
def test_round_trip(tmp_path, name):
    """Each format gives back every bit: weights, slices, fingerprints and answers. Control: another seed."""
    graph = tiny()
    seeded, other = SeededWeights(3), SeededWeights(4)
    source = open_weights(save(graph, 3, tmp_path / name), graph)
    for layer in graph.layers:
        for part, parts in ((0, 1), *(((0, 2), (1, 2)) if layer.name == "fc1" else ())):
            from_file, expected = (s.layer(graph, layer.name, part, parts) for s in (source, seeded))
            assert list(from_file) == list(expected)
            for key, array in expected.items():
                np.testing.assert_array_equal(from_file[key], array)
                assert from_file[key].flags.c_contiguous
    block = Block(graph, ("fc1",), ("flatten",), ("fc1",), 1, 2)
    assert load_block(block, source).fingerprint == load_block(block, seeded).fingerprint
    assert load_block(block, source).fingerprint != load_block(block, other).fingerprint
    frame = frame_pool(0, 1, graph.input_shape)[0]
    answers = [load_block(whole_model(graph), s)(frame)[0] for s in (source, seeded, other)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[0] - answers[2]).max() > 1e-4


def test_identity_is_that_of_the_file(tmp_path):
    """The identity follows the bytes of the file, not its name."""
    graph = tiny()
    first = save(graph, 3, tmp_path / "a.weights.h5")
    copy = tmp_path / "b.weights.h5"
    copy.write_bytes(first.read_bytes())
    other = save(graph, 4, tmp_path / "c.weights.h5")
    identities = [open_weights(path, graph).identity for path in (first, copy, other)]
    assert identities[0] == identities[1] != identities[2]
    assert identities[0].startswith("file:")
    assert len(identities[0]) == len("file:") + 16


@pytest.mark.parametrize("name", ["u.weights.h5", "u.keras", "u.h5"])
def test_a_users_model_of_the_same_layers_fits(tmp_path, name):
    """A model that a user trained under layer names of his own, without our pre-processing, is accepted."""
    layers = import_keras().layers
    theirs = import_keras().Sequential(
        [
            import_keras().Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="mine"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(6, activation="relu", name="hidden"),
            layers.Dense(5, activation="softmax", name="classes"),
        ]
    )
    path = tmp_path / name
    if name.endswith(".weights.h5"):
        theirs.save_weights(path)
    else:
        theirs.save(path)
    kernel = open_weights(path, tiny()).layer(tiny(), "fc1")["kernel"]
    np.testing.assert_array_equal(kernel, theirs.get_layer("hidden").kernel.numpy())


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "w.h5"])
def test_wrong_shape_names_file_and_layer(tmp_path, name):
    """A file of another width is refused in one line that names the file, the layer and what it needs."""
    path = save(tiny(units=8), 3, tmp_path / name)
    with pytest.raises(BadInputError) as caught:
        open_weights(path, tiny())
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert "layer fc1 needs kernel (64, 6) and bias (6,)" in message
    assert caught.value.hint


def broken_files(folder: Path) -> dict[str, Path]:
    """Files that are no weights of `tiny`, each under a name that Keras would read."""
    good = save(tiny(), 3, folder / "good.weights.h5").read_bytes()
    contents = {
        "empty.weights.h5": b"",
        "text.weights.h5": b"not weights\n" * 100,
        "text.keras": b"not weights\n" * 100,
        "text.h5": b"not weights\n" * 100,
        "cut.weights.h5": good[: len(good) // 2],
    }
    paths = {name: folder / name for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    with zipfile.ZipFile(folder / "zip.keras", "w") as archive:
        archive.writestr("hello.txt", "hello")
    paths["zip.keras"] = folder / "zip.keras"
    keras = import_keras()
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save(folder / "other.h5")
    paths["other.h5"] = folder / "other.h5"
    only_dense = keras.Sequential([keras.Input((64,)), keras.layers.Dense(6), keras.layers.Dense(5)])
    only_dense.save_weights(folder / "partial.weights.h5")
    paths["partial.weights.h5"] = folder / "partial.weights.h5"
    return paths


def test_files_that_are_no_weights_of_the_model(tmp_path):
    """Empty, truncated, foreign and partial files: one line each with the file's name and a way out."""
    for path in broken_files(tmp_path).values():
        with pytest.raises(BadInputError) as caught:
            open_weights(path, tiny())
        message = str(caught.value)
        assert "\n" not in message, path.name
        assert str(path) in message
        assert caught.value.hint, path.name


@pytest.mark.parametrize(
    ("name", "message"), [("none.weights.h5", "does not exist"), ("w.npz", "of no kind that Keras reads")]
)
def test_missing_file_and_unknown_kind(tmp_path, name, message):
    """A path that leads nowhere and a file of another kind are told apart."""
    (tmp_path / "w.npz").write_bytes(b"x")
    with pytest.raises(BadInputError, match=message):
        open_weights(tmp_path / name, tiny())
