"""The cmd_keys of program:request-iot-benchmark: the one table of what each of them measures."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import BadInputError

START_SERVER = "-start-server"
"""Suffix of the keys that start a farm's nodes."""


@dataclass(frozen=True)
class Key:
    """One cmd_key.

    Attributes:
        name: as typed after `--cmd_key=`.
        model: name of the model; None where the farm's file holds a plan, which names it.
        partition: the paper's name of the cut; None on a single device, and where the farm's file holds a plan.
        device: "cpu" or "gpu" of the single device; nodes of a farm use the CPU.
        server: starts the nodes of this machine instead of measuring.
    """

    name: str
    model: str | None
    partition: str | None = None
    device: str = "cpu"
    server: bool = False

    @property
    def farm(self) -> bool:
        """Whether it is of a farm, which `--target` names."""
        return self.partition is not None or self.model is None


def _farm(name: str, model: str | None, partition: str | None) -> tuple[Key, Key]:
    return Key(name, model, partition), Key(name + START_SERVER, model, partition, server=True)


_KEYS = (
    Key("benchmark-alexnet-single-device-cpu", "alexnet"),
    Key("benchmark-alexnet-single-device-gpu", "alexnet", device="gpu"),
    Key("benchmark-vgg16-single-device-cpu", "vgg16"),
    Key("benchmark-vgg16-single-device-gpu", "vgg16", device="gpu"),
    *_farm("benchmark-alexnet-farm-5-nodes", "alexnet", "alexnet-5"),
    *_farm("benchmark-alexnet-farm-6-nodes", "alexnet", "alexnet-6"),
    *_farm("benchmark-vgg16-farm-9-nodes", "vgg16", "vgg16-9"),
    *_farm("benchmark-vgg16-farm-11-nodes", "vgg16", "vgg16-11"),
    *_farm("benchmark-planned-farm-nodes", None, None),
)

KEYS: dict[str, Key] = {key.name: key for key in _KEYS}
"""Every cmd_key by its name."""


def benchmark_key(name: str) -> Key:
    """A key that measures.

    Raises:
        BadInputError: there is none of that name.
    """
    return _key(name, server=False)


def server_key(name: str) -> Key:
    """A key that starts nodes, by its name with or without the suffix.

    Raises:
        BadInputError: there is none of that name.
    """
    return _key(name if name.endswith(START_SERVER) else name + START_SERVER, server=True)


def _key(name: str, *, server: bool) -> Key:
    key = KEYS.get(name)
    if key is None or key.server is not server:
        known = ", ".join(key.name for key in _KEYS if key.server is server)
        raise BadInputError(f"there is no cmd_key '{name}' here", f"there are {known}")
    return key
