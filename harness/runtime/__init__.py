"""The one place that computes blocks; importing it is cheap, TensorFlow and the others come when they are opened."""

from harness.runtime.device import configure, versions
from harness.runtime.keras_block import load_block
from harness.runtime.loaded_block import LoadedBlock, Runtime
from harness.runtime.opening import open_runtime

__all__ = ["LoadedBlock", "Runtime", "configure", "load_block", "open_runtime", "versions"]
