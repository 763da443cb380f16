"""A user's own trained weights, from a file that Keras saved."""

import hashlib
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import BadInputError
from harness.models.graph import ModelGraph
from harness.models.split import Split, weight_slices
from harness.models.weights import Floats
from harness.partition.block import whole_model
from harness.runtime.device import require_configured
from harness.runtime.keras_block import build_keras_model, variable_view

_SUFFIXES = (".weights.h5", ".keras", ".h5", ".hdf5")
_IDENTITY_DIGITS = 16


class FileWeights:
    """Weights out of a Keras model into which a file was loaded; made by `open_weights`."""

    def __init__(self, identity: str, keras_model: Any) -> None:
        self._identity = identity
        self._keras_model = keras_model

    @property
    def identity(self) -> str:
        """`file:<first 16 hex digits of the file's SHA-256>`."""
        return self._identity

    def layer(
        self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1, split: Split = Split.COLUMNS
    ) -> dict[str, Floats]:
        """Weights of one layer; see `harness.models.weights.WeightSource.layer`."""
        shapes = graph.parameter_shapes(name)
        if not shapes:
            return {}
        variables = dict(zip(shapes, self._keras_model.get_layer(name).weights, strict=True))
        return {
            parameter: np.array(variable_view(variables[parameter])[slices], order="C")
            for parameter, slices in weight_slices(shapes, part, parts, split).items()
        }


def open_weights(path: Path, graph: ModelGraph) -> FileWeights:
    """Load a weights file of a whole model.

    Keras reads it, so a file that Keras accepts for this model is accepted: `.weights.h5`, `.keras` (its
    architecture is not looked at) and the older `.h5`. Frames reach the model as uint8 / 255; weights trained
    with another pre-processing still run, and their answers mean less.

    Args:
        path: the file.
        graph: the model that it must fit, layer by layer.

    Raises:
        BadInputError: the file is missing, is no weights file, or does not fit the model.
        RuntimeError: `configure` was not called in this process.
    """
    require_configured()
    if not path.is_file():
        raise BadInputError(f"weights file {path} does not exist", "give the path of a file that Keras saved")
    if not path.name.endswith(_SUFFIXES):
        raise BadInputError(
            f"weights file {path} is of no kind that Keras reads",
            f"its name must end in {', '.join(_SUFFIXES)}",
        )
    try:
        with path.open("rb") as file:
            identity = f"file:{hashlib.file_digest(file, 'sha256').hexdigest()[:_IDENTITY_DIGITS]}"
    except OSError as error:
        raise BadInputError(f"weights file {path} cannot be read: {error.strerror}") from error
    keras_model = build_keras_model(whole_model(graph))
    try:
        with warnings.catch_warnings(action="ignore"):
            keras_model.load_weights(path)
    except MemoryError:
        raise
    except Exception as error:
        # Keras lets through whatever h5py and zipfile raise.
        raise _does_not_fit(path, graph, str(error)) from error
    _check_loaded(path, graph, keras_model)
    return FileWeights(identity, keras_model)


def _check_loaded(path: Path, graph: ModelGraph, keras_model: Any) -> None:
    """Keras only warns about some layers that it does not find; they keep the zeros of the new model."""
    for layer in keras_model.layers:
        if layer.weights and not variable_view(layer.weights[0]).any():
            raise _does_not_fit(path, graph, layer.name)


def _does_not_fit(path: Path, graph: ModelGraph, reason: str) -> BadInputError:
    """One line out of Keras' many, with the layer if Keras names one of ours."""
    hint = f"give a file that Keras saved from {graph.title}, or leave it out to use seeded weights"
    names = [layer.name for layer in graph.layers]
    for word in re.findall(r"\w+", reason):
        if word in names:
            needs = " and ".join(f"{key} {shape}" for key, shape in graph.parameter_shapes(word).items())
            message = f"weights file {path} does not fit model {graph.name}: layer {word} needs {needs}"
            return BadInputError(message, hint)
    summary = reason.strip().split("\n")[0] or "it cannot be read"
    return BadInputError(f"weights file {path} is not a weights file of {graph.name}: {summary}", hint)
