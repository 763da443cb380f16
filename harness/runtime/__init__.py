"""The one place that runs Keras blocks; importing it is cheap, TensorFlow comes with `configure`."""

from harness.runtime.device import configure, versions
from harness.runtime.keras_block import LoadedBlock, load_block

__all__ = ["LoadedBlock", "configure", "load_block", "versions"]
