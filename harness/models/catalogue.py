"""The models that a user can name."""

from collections.abc import Callable
from functools import cache

from harness.errors import BadInputError
from harness.models.alexnet import alexnet
from harness.models.graph import ModelGraph
from harness.models.vgg16 import vgg16

_BUILDERS: dict[str, Callable[[], ModelGraph]] = {"alexnet": alexnet, "vgg16": vgg16}


def model_names() -> tuple[str, ...]:
    """Every name that `model` takes, in the order in which help texts list them."""
    return tuple(_BUILDERS)


@cache
def model(name: str) -> ModelGraph:
    """The layer graph of that name.

    Raises:
        BadInputError: there is no such model.
    """
    if name not in _BUILDERS:
        raise BadInputError(f"unknown model {name!r}", f"choose one of: {', '.join(_BUILDERS)}")
    return _BUILDERS[name]()
