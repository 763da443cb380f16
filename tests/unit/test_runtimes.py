"""Every runtime on real packages: what it computes is the model, whichever way and precision it takes."""

import subprocess
import sys

import numpy as np
import pytest
from tiny_model import by_hand, tiny

from harness.errors import BadInputError
from harness.models.frames import frame_pool
from harness.models.graph import FRAME, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.models.weights import SeededWeights
from harness.partition.block import Block, whole_model
from harness.records.computing import Computing, Wanted
from harness.runtime import load_block, open_runtime
from harness.runtime.opening import computing_of

TOLERANCE = 1e-6
CLEARLY_DIFFERENT = 1e-4
PACKAGES = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "openvino": "openvino"}
ALL = [
    *(Wanted("keras", "f32", way) for way in ("auto", "function", "packed", "xla")),
    *(Wanted(name) for name in PACKAGES),
]
NAMES = [f"{wanted.runtime}-{wanted.way}" for wanted in ALL]


def opened(wanted: Wanted):
    """The runtime, or a skipped test where its extra is not installed."""
    if wanted.runtime in PACKAGES:
        pytest.importorskip(PACKAGES[wanted.runtime])
    return open_runtime(wanted, threads=1)


@pytest.mark.parametrize("wanted", ALL, ids=NAMES)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_layers_compute_what_they_say(wanted, stride):
    """Every kind of layer agrees with the same network written out in float64; another seed does not (control)."""
    graph = tiny(stride)
    frame = frame_pool(2, 1, graph.input_shape)[0]
    loaded = opened(wanted).load(whole_model(graph), SeededWeights(1))
    (answer,) = loaded(frame)
    assert answer.dtype == np.float32
    assert np.abs(by_hand(graph, SeededWeights(1), frame) - answer).max() <= TOLERANCE
    assert np.abs(by_hand(graph, SeededWeights(2), frame) - answer).max() > CLEARLY_DIFFERENT


@pytest.mark.parametrize("wanted", ALL, ids=NAMES)
def test_several_inputs_and_outputs_keep_their_order(wanted):
    """A block with two inputs and two outputs, a picture among them, takes and returns them in the order it names."""
    graph = ModelGraph(
        "branches",
        "Branches",
        (2, 4, 3),
        (
            Rescale("left", (FRAME,), 0.5),
            Rescale("right", (FRAME,), 2.0),
            MaxPool2D("left_pool", ("left",), (2, 2)),
            Flatten("right_flat", ("right",)),
            Dense("end", ("right_flat",), 3),
        ),
    )
    block = Block(graph, ("left_pool", "right_flat"), ("right", "left"), ("right_flat", "left_pool"))
    loaded = opened(wanted).load(block, SeededWeights(0))
    right = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    left = -np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    right_flat, left_pool = loaded(right, left)
    assert loaded.input_bytes == {"right": 96, "left": 96}
    np.testing.assert_array_equal(right_flat, np.arange(24))
    np.testing.assert_array_equal(left_pool, left.reshape(1, 2, 2, 2, 3).max(axis=(1, 3)))


@pytest.mark.parametrize("wanted", ALL, ids=NAMES)
def test_results_are_not_overwritten_by_the_next_frame(wanted):
    """A result keeps its values while later frames are computed; those have others (control)."""
    graph = tiny(1)
    loaded = opened(wanted).load(whole_model(graph), SeededWeights(1))
    one, other = frame_pool(2, 2, graph.input_shape)
    (first,) = loaded(one)
    kept = first.copy()
    for _ in range(20):
        loaded(other)
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(loaded(other)[0], kept)
    with pytest.raises(ValueError, match="expected uint8"):
        loaded(one.astype(np.float32))


@pytest.mark.parametrize("wanted", ALL, ids=NAMES)
def test_fingerprints_are_those_of_the_reference(wanted):
    """A part of a layer has the fingerprint and the columns that the plain Keras block has; the other part not."""
    graph = tiny(1)
    parts = [Block(graph, ("fc",), ("flatten",), ("fc",), part, 2) for part in (0, 1)]
    runtime = opened(wanted)
    loaded = runtime.load(parts[1], SeededWeights(1))
    open_runtime(Wanted("keras"), threads=1)
    plain = load_block(parts[1], SeededWeights(1))
    features = np.random.default_rng(1).random(graph.shape("flatten"), dtype=np.float32)
    assert loaded.fingerprint == plain.fingerprint
    np.testing.assert_allclose(loaded(features)[0], plain(features)[0], atol=TOLERANCE)
    other = runtime.load(parts[0], SeededWeights(1))
    assert other.fingerprint != plain.fingerprint
    assert np.abs(other(features)[0] - plain(features)[0]).max() > CLEARLY_DIFFERENT


@pytest.mark.parametrize("wanted", ALL, ids=NAMES)
def test_a_runtime_tells_what_it_is(wanted):
    """Its line names runtime, precision and packages with versions, and can be read again."""
    runtime = opened(wanted)
    told = Computing.parse(str(computing_of(runtime, "cpu")))
    assert (told.runtime, told.precision) == (wanted.runtime, "f32")
    assert told.software.endswith(", cpu")
    assert all(version[0].isdigit() for version in runtime.versions().values())


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_fewer_bits_are_really_fewer(precision):
    """fp16 and int8 weights give other answers than f32, near to them; another seed's are far (control)."""
    graph = ModelGraph("wide", "Wide", (24, 24, 3), (Flatten("flat", (FRAME,)), Dense("out", ("flat",), 64)), "float32")
    features = np.random.default_rng(0).random((24, 24, 3), dtype=np.float32)
    block = whole_model(graph)
    (exact,) = opened(Wanted("litert")).load(block, SeededWeights(1))(features)
    rounded = opened(Wanted("litert", precision)).load(block, SeededWeights(1))
    difference = np.abs(rounded(features)[0] - exact).max()
    assert 1e-6 < difference < 0.1
    (other,) = opened(Wanted("litert", precision)).load(block, SeededWeights(2))(features)
    assert np.abs(other - exact).max() > 5 * difference


def test_what_the_processor_cannot_is_refused():
    """OpenVINO in bf16 on a processor without it is an error that names the way out, never f32 by another name."""
    openvino = pytest.importorskip("openvino")
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in capabilities:
        loaded = open_runtime(Wanted("openvino", "bf16")).load(whole_model(tiny(1)), SeededWeights(1))
        assert loaded.fingerprint
    else:
        with pytest.raises(BadInputError, match="does not compute in bf16"):
            open_runtime(Wanted("openvino", "bf16"))


@pytest.mark.parametrize("name", [*PACKAGES, "keras"])
def test_a_missing_package_is_named_with_its_extra(name):
    """A runtime that is not installed is one line with the command that installs it; another still opens (control)."""
    module = PACKAGES.get(name, "tensorflow")
    code = f"""
import sys
sys.modules["{module}"] = None
from harness.errors import MissingPackageError
from harness.records.computing import Wanted
from harness.runtime import open_runtime
try:
    open_runtime(Wanted("{name}"))
except MissingPackageError as error:
    print(error.message, "|", error.hint, "|", error.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    extra = "cpu" if name == "keras" else name
    assert "cannot be imported" in done.stdout
    assert f"pip install '.[{extra}]'" in done.stdout
    assert done.stdout.strip().endswith("| 5")


def test_no_tensorflow_where_none_is_needed():
    """ONNX Runtime and OpenVINO compute seeded weights in a process that never imports TensorFlow."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    code = """
import sys
from harness.models.graph import FRAME, Dense, Flatten, ModelGraph
from harness.models.weights import SeededWeights
from harness.partition.block import whole_model
from harness.records.computing import Wanted
from harness.runtime import open_runtime
graph = ModelGraph("t", "T", (2, 2, 1), (Flatten("f", (FRAME,)), Dense("d", ("f",), 2, "softmax")), "float32")
for name in ("onnx", "openvino"):
    loaded = open_runtime(Wanted(name)).load(whole_model(graph), SeededWeights(0))
    print(loaded.fingerprint, "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    one, other = done.stdout.splitlines()
    assert one == other
    assert one.endswith(" False")


def test_a_gpu_is_for_keras_alone():
    """Another runtime on a GPU is refused before anything is imported."""
    with pytest.raises(BadInputError, match="computes on the CPU"):
        open_runtime(Wanted("onnx"), device="gpu")


def test_a_choice_is_measured_once(tmp_path, monkeypatch):
    """What was measured is kept and taken again; a damaged file is measured anew (control)."""
    from harness.runtime import keras_runtime

    monkeypatch.setenv("IOT_FARM_CACHE", str(tmp_path))
    measured = []
    choose = keras_runtime.choose

    def counting(*arguments, **named):
        measured.append(arguments[0])
        return choose(*arguments, **named)

    monkeypatch.setattr(keras_runtime, "choose", counting)
    block = whole_model(tiny(1))
    first = open_runtime(Wanted()).load(block, SeededWeights(1))
    again = open_runtime(Wanted()).load(block, SeededWeights(1))
    assert len(measured) == 1
    assert again.choice.way == first.choice.way
    frame = frame_pool(2, 1, block.graph.input_shape)[0]
    np.testing.assert_array_equal(first(frame)[0], again(frame)[0])
    (kept,) = (tmp_path / "ways").glob("*.json")
    kept.write_text('{"way": "telepathy", "gain": 9, "differs": 0}')
    open_runtime(Wanted()).load(block, SeededWeights(1))
    assert len(measured) == 2


def test_packed_kernels_are_those_of_their_block():
    """Two blocks of one graph with other weights, computed in turn, keep the kernels that each packed at first."""
    graph = tiny(1)
    frame = frame_pool(2, 1, graph.input_shape)[0]
    packed = {seed: opened(Wanted(way="packed")).load(whole_model(graph), SeededWeights(seed)) for seed in (1, 2)}
    assert {block.choice.way for block in packed.values()} <= {"packed", "function"}
    for seed in (1, 2, 1, 2):
        answer = packed[seed](frame)[0]
        assert np.abs(by_hand(graph, SeededWeights(seed), frame) - answer).max() <= TOLERANCE
        assert np.abs(by_hand(graph, SeededWeights(3 - seed), frame) - answer).max() > CLEARLY_DIFFERENT


def test_without_the_operation_packing_is_not_offered(monkeypatch):
    """A TensorFlow without it, or with another form of it, computes the plain function; this one packs (control)."""
    from harness.runtime import packed_convolution

    open_runtime(Wanted())
    present = packed_convolution.can_pack()
    monkeypatch.setattr(packed_convolution, "_OPERATION", "_NoSuchOperation")
    assert not packed_convolution.can_pack()
    loaded = opened(Wanted(way="packed")).load(whole_model(tiny(1)), SeededWeights(1))
    assert loaded.choice.way == "function"
    monkeypatch.undo()
    assert packed_convolution.can_pack() == present
