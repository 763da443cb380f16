"""Opens the runtime that somebody asked for; its packages are imported then, and not before."""

from __future__ import annotations

from harness.errors import BadInputError
from harness.records.computing import Computing, Wanted
from harness.runtime.device import Device, configure
from harness.runtime.loaded_block import Runtime


def open_runtime(
    wanted: Wanted, *, device: Device = "cpu", threads: int = 1, gpu_memory_percent: float | None = None
) -> Runtime:
    """A runtime that is ready to load blocks; TensorFlow is configured where it is needed.

    Args:
        wanted: which one.
        device: "gpu" is for Keras alone.
        threads: threads inside one operation.
        gpu_memory_percent: see `harness.runtime.device.configure`.

    Raises:
        BadInputError: the runtime does not compute on that device, or this processor not in that precision.
        MissingPackageError: a package of it is not installed, or there is no GPU.
    """
    if device != "cpu" and wanted.runtime != "keras":
        raise BadInputError(f"the runtime {wanted.runtime} computes on the CPU", "--device gpu is for --runtime keras")
    # Late: each of them imports what the others need not have.
    if wanted.runtime == "onnx":
        from harness.runtime.onnx_runtime import OnnxRuntime  # noqa: PLC0415

        return OnnxRuntime(threads)
    if wanted.runtime == "openvino":
        from harness.runtime.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415

        return OpenVinoRuntime(threads, wanted.precision)
    configure(device, threads, gpu_memory_percent)
    if wanted.runtime == "litert":
        from harness.runtime.litert_runtime import LiteRtRuntime  # noqa: PLC0415

        return LiteRtRuntime(threads, wanted.precision)
    from harness.runtime.keras_runtime import KerasRuntime  # noqa: PLC0415

    return KerasRuntime(wanted.way, threads)


def computing_of(runtime: Runtime, device: Device) -> Computing:
    """What a runtime tells of itself; the way is the block's to tell."""
    software = ", ".join([*(f"{name} {version}" for name, version in runtime.versions().items()), device])
    return Computing(software, runtime.name, runtime.precision)
