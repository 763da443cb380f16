"""TensorFlow made ready, once per process: which device computes, with how many threads.

TensorFlow is imported here and nowhere before, so that every command that runs no block starts at once.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import BadInputError, MissingPackageError

Device = Literal["cpu", "gpu"]

_MOST_THREADS_PER_CORE = 16
_EXTRAS = ("matplotlib", "pandas")
"""What draws pictures and holds data frames: nothing that computes a block."""
_WHOLE_PERCENT = 100
_STDERR = 2


@dataclass(frozen=True)
class _Settings:
    device: str
    threads: int
    gpu_memory_percent: float | None


_configured: _Settings | None = None


def configure(device: Device, threads: int, gpu_memory_percent: float | None = None) -> None:
    """Choose the device of this process; call it before any block is loaded.

    A GPU is used or refused, never replaced by the CPU. TF32 is switched off, so that float32 means float32.

    Args:
        device: "cpu" hides every GPU; "gpu" uses the first one.
        threads: threads inside one operation; operations run one after the other.
        gpu_memory_percent: share of the GPU's memory that is reserved, above 0 and up to 100; None leaves it
            to TensorFlow.

    Raises:
        BadInputError: the device, the number of threads or the share of memory makes no sense.
        MissingPackageError: TensorFlow is not installed, or there is no GPU.
        RuntimeError: this process was configured otherwise before, or TensorFlow was in use already.
    """
    global _configured  # noqa: PLW0603  TensorFlow's own settings are global to the process
    settings = _Settings(device, threads, gpu_memory_percent)
    _check(settings)
    if _configured is not None:
        if _configured != settings:
            raise RuntimeError(f"this process runs with {_configured}; it cannot change to {settings}")
        return
    tensorflow = _import_tensorflow()
    if gpu_memory_percent is not None and device == "gpu":
        options = tensorflow.compat.v1.GPUOptions(per_process_gpu_memory_fraction=gpu_memory_percent / _WHOLE_PERCENT)
        # The one public way to a fraction: absolute limits need the memory's size, which TensorFlow hides.
        tensorflow.compat.v1.enable_eager_execution(tensorflow.compat.v1.ConfigProto(gpu_options=options))
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    gpus = tensorflow.config.list_physical_devices("GPU")
    if device == "gpu":
        if not gpus:
            raise MissingPackageError(
                "TensorFlow finds no GPU on this machine", "use `--device cpu`, or install the extra `gpu`"
            )
        tensorflow.config.set_visible_devices(gpus[:1], "GPU")
        tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    else:
        tensorflow.config.set_visible_devices([], "GPU")
    _configured = settings


def require_configured() -> Any:
    """The tensorflow module of a process that was configured.

    Raises:
        RuntimeError: `configure` was not called.
    """
    if _configured is None:
        raise RuntimeError("call harness.runtime.configure before loading a block")
    return _import_tensorflow()


def configured_device() -> str | None:
    """The device that `configure` chose; None before."""
    return None if _configured is None else _configured.device


def import_keras() -> Any:
    """The keras module, on TensorFlow whatever the user's own keras.json says.

    Raises:
        MissingPackageError: TensorFlow or Keras is not installed.
    """
    _import_tensorflow()
    try:
        with _without_extras():
            import keras  # noqa: PLC0415  late, as this module promises
    except ImportError as error:
        raise _missing("Keras", error) from error
    return keras


def versions() -> dict[str, str]:
    """Versions of TensorFlow and Keras, for the records.

    Raises:
        MissingPackageError: one of them is not installed.
    """
    return {"tensorflow": str(_import_tensorflow().__version__), "keras": str(import_keras().__version__)}


def _import_tensorflow() -> Any:
    # 3 = errors of the C++ part are silent too: those that matter come back as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Kernels of oneDNN, which TensorFlow takes by itself on the newest processors alone: with the kernels of
    # convolutions packed once they are 1.3 times as fast as its own on others too (measured on one with AVX2).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        with _without_extras(), _silent_once():
            import tensorflow  # noqa: PLC0415, ICN001  late, as this module promises
    except ImportError as error:
        raise _missing("TensorFlow", error) from error
    return tensorflow


@contextmanager
def _without_extras() -> Iterator[None]:
    """TensorFlow brings Keras, and Keras takes these along where they are: 0.6 s and 60 MB in each node (measured).

    Nor does the collector look through a million new objects again and again, all of which stay: 0.35 s (measured).
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in _EXTRAS if name not in modules]
    modules.update(dict.fromkeys(hidden))  # None is how an import is forbidden
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        for name in hidden:
            del modules[name]


@contextmanager
def _silent_once() -> Iterator[None]:
    """TensorFlow says on standard error that it uses oneDNN, whatever it was told of messages."""
    if "tensorflow" in sys.modules:
        yield
        return
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


def _missing(package: str, error: ImportError) -> MissingPackageError:
    return MissingPackageError(
        f"{package} cannot be imported: {error}", "install the extra `cpu` or `gpu`: pip install '.[cpu]'"
    )


def require_threads(threads: int) -> None:
    """See that this machine can compute with so many threads.

    Raises:
        BadInputError: they are none, or so many that TensorFlow dies of them without a word that helps.
    """
    if threads < 1:
        raise BadInputError(f"{threads} threads cannot compute anything", "give 1 or more")
    cores = os.cpu_count() or 1
    most = _MOST_THREADS_PER_CORE * cores
    if threads > most:
        raise BadInputError(
            f"{threads} threads are too many", f"this machine has {cores} cores: give {cores}, {most} at most"
        )


def _check(settings: _Settings) -> None:
    if settings.device not in ("cpu", "gpu"):
        raise BadInputError(f"unknown device {settings.device!r}", "choose cpu or gpu")
    require_threads(settings.threads)
    percent = settings.gpu_memory_percent
    if percent is not None and not 0 < percent <= _WHOLE_PERCENT:
        raise BadInputError(f"{percent} % of the GPU's memory cannot be reserved", "give a share up to 100")
