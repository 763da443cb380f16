"""Choosing the device of a process; each case in a process of its own, since it can be done once only."""

import os
import subprocess
import sys

import pytest

LOAD_TINY = """
from harness.models.graph import FRAME, Dense, Flatten, ModelGraph
from harness.models.weights import SeededWeights
from harness.partition.block import whole_model
from harness.runtime import load_block
graph = ModelGraph("t", "T", (2, 2, 1), (Flatten("f", (FRAME,)), Dense("d", ("f",), 2, "softmax")), "float32")
block = load_block(whole_model(graph), SeededWeights(0))
print(block.fingerprint)
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process that sees no GPU."""
    clean = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"CUDA_VISIBLE_DEVICES": ""} | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_importing_the_runtime_imports_no_tensorflow():
    """Commands that run no block do not pay for TensorFlow; `configure` brings it in."""
    code = """
import sys, harness.runtime, harness.runtime.weights_file
print("tensorflow" in sys.modules, "keras" in sys.modules)
harness.runtime.configure("cpu", 1)
print("tensorflow" in sys.modules)
"""
    assert run(code).stdout.split() == ["False", "False", "True"]


def test_the_user_sees_no_noise_of_tensorflow(tmp_path):
    """Loading a block prints nothing but what we print, even where Keras was set to another backend."""
    (tmp_path / "keras.json").write_text('{"backend": "jax", "image_data_format": "channels_first"}')
    code = f"import harness.runtime as r; r.configure('cpu', 1){LOAD_TINY}"
    result = run(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax")
    assert result.stderr == ""
    assert result.returncode == 0
    assert len(result.stdout.strip()) == 16


def test_threads_and_devices_are_set():
    """The settings reach TensorFlow: threads inside and between operations, and no GPU in sight."""
    code = """
import harness.runtime as r
r.configure("cpu", 3); r.configure("cpu", 3)
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads())
print(tf.config.threading.get_inter_op_parallelism_threads())
print(len(tf.config.get_visible_devices("GPU")))
print(sorted(r.versions()), all(r.versions().values()))
"""
    assert run(code).stdout.split("\n")[:4] == ["3", "1", "0", "['keras', 'tensorflow'] True"]


def test_a_second_other_configuration_is_an_error():
    """A process cannot change its device or threads later; saying the same again is fine."""
    result = run("import harness.runtime as r\nr.configure('cpu', 1)\nr.configure('cpu', 2)")
    assert result.returncode != 0
    assert "cannot change" in result.stderr


@pytest.mark.parametrize("percent", [None, 25.0])
def test_gpu_without_gpu_is_refused(percent):
    """`--device gpu` on a machine without one names the way out and leaves nothing configured."""
    code = f"""
import harness.runtime as r
from harness.errors import MissingPackageError
try:
    r.configure("gpu", 1, {percent})
except MissingPackageError as error:
    print(error, error.exit_code)
{LOAD_TINY}
"""
    result = run(code)
    assert "no GPU on this machine" in result.stdout
    assert "--device cpu" in result.stdout
    assert result.stdout.strip().endswith("5")  # and no fingerprint after it: the block did not load
    assert "RuntimeError: call harness.runtime.configure" in result.stderr


def test_without_tensorflow_the_user_is_told_what_to_install():
    """Where TensorFlow cannot be imported, the error names it and the extra; exit code 5."""
    code = """
import sys
sys.modules["tensorflow"] = None
import harness.runtime as r
from harness.errors import MissingPackageError
for call in (lambda: r.configure("cpu", 1), r.versions):
    try:
        call()
    except MissingPackageError as error:
        print(error.message, "|", error.hint, "|", error.exit_code)
"""
    lines = run(code).stdout.strip().split("\n")
    assert len(lines) == 2
    assert all("TensorFlow cannot be imported" in line and "'.[cpu]'" in line for line in lines)
    assert all(line.endswith("5") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('"tpu", 1', "unknown device 'tpu'"),
        ('"cpu", 0', "0 threads"),
        ('"gpu", 1, 0.0', "0.0 % of the GPU's memory"),
        ('"gpu", 1, 101.0', "101.0 % of the GPU's memory"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    """A device, threads or a share of memory that make no sense are refused before TensorFlow is imported."""
    code = f"""
import sys, harness.runtime as r
from harness.errors import BadInputError
try:
    r.configure({arguments})
except BadInputError as error:
    print(error, "tensorflow" in sys.modules)
"""
    output = run(code).stdout
    assert message in output
    assert output.strip().endswith("False")


def test_a_block_needs_configure_first():
    """Without `configure` the number of threads would be anybody's guess, so loading is an error."""
    result = run(LOAD_TINY)
    assert "RuntimeError: call harness.runtime.configure" in result.stderr
