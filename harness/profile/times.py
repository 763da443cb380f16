"""How long a device needs for a block, by its profile: figures where there are some, fits where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.errors import BadInputError
from harness.models.graph import ModelGraph
from harness.profile.fit import estimate_s, features_of, kind_of
from harness.profile.profile import Basis, Profile

WEIGHT_BYTES: Final = 4
"""float32."""
_EXTRAPOLATED: Final[Basis] = "extrapolated"


@dataclass(frozen=True)
class BlockTime:
    """What a block asks of a device.

    Attributes:
        compute_s: seconds for a frame when all is in memory.
        swap_s: seconds for a frame that come on top since its weights do not fit; infinite where it cannot run.
        weight_bytes: of its weights, once.
        memory_bytes: of everything, each weight once: what must fit at all.
        basis: the weakest of its figures.
    """

    compute_s: float
    swap_s: float
    weight_bytes: int
    memory_bytes: int
    basis: Basis

    @property
    def seconds(self) -> float:
        """For a frame, all in all."""
        return self.compute_s + self.swap_s


class BlockTimes:
    """Times of one model's blocks on one kind of device.

    Args:
        profile: of the device.
        graph: the whole model.

    Raises:
        BadInputError: the profile's figures are of another model of that name.
    """

    def __init__(self, profile: Profile, graph: ModelGraph) -> None:
        self.profile = profile
        self.graph = graph
        figures = profile.figures(graph)
        self._known = {} if figures is None else {(one.layer, one.parts): one for one in figures.layers}
        self._layers: dict[tuple[str, int], tuple[float, Basis]] = {}

    def layer(self, name: str, parts: int = 1) -> tuple[float, Basis]:
        """Seconds of a layer, or of one of its column parts, when all is in memory.

        A figure is taken where there is one. A part without a figure is the whole layer's, scaled as the fit of its
        kind scales; a layer without a figure is what the fit of its kind says.

        Raises:
            BadInputError: there is neither figure nor fit.
        """
        if (name, parts) not in self._layers:
            self._layers[name, parts] = self._look_up(name, parts)
        return self._layers[name, parts]

    def block(self, layers: Sequence[str], parts: int = 1, *, memory_bytes: int | None = None) -> BlockTime:
        """What consecutive layers, or one column part of a single layer, ask of the device.

        Weights that the memory does not hold come from the card again for every frame, at the pace of the profile's
        `Swap`. A block runs as long as each of its weights fits once, beside the runtime and the activations.

        Args:
            layers: names, in the order of the graph.
            parts: number of equal parts of which the device computes one.
            memory_bytes: of this device; None is that of the profile.

        Raises:
            BadInputError: as for `layer`.
        """
        graph = self.graph
        times = [self.layer(layer, parts) for layer in layers]
        weights = sum(graph.parameters(layer) for layer in layers) // parts * WEIGHT_BYTES
        activations = max(activation_bytes(graph, layer, parts) for layer in layers)
        return self._block(times, weights, activations, memory_bytes)

    def part(self, features: Mapping[str, Mapping[str, float]], *, memory_bytes: int | None = None) -> BlockTime:
        """What one part of consecutive layers asks of the device, however they are split.

        Each layer's time is the whole layer's, scaled as the fit of its kind scales with what the part does of it.

        Args:
            features: layer -> what its time depends on (as `features_of`), of this part alone.
            memory_bytes: of this device; None is that of the profile.

        Raises:
            BadInputError: there is no fit for a kind of layer.
        """
        times = [(self._scaled_s(layer, found), _EXTRAPOLATED) for layer, found in features.items()]
        weights = int(sum(found["parameters"] for found in features.values())) * WEIGHT_BYTES
        activations = int(max(found["input_bytes"] + found["output_bytes"] for found in features.values()))
        return self._block(times, weights, activations, memory_bytes)

    def knows_parts(self, layers: Sequence[str]) -> bool:
        """Whether there is a fit for each of these layers, by which the time of a part can be told."""
        return all(kind_of(self.graph, layer) in self.profile.fits for layer in layers)

    def _block(
        self, times: Sequence[tuple[float, Basis]], weights: int, activations: int, memory_bytes: int | None
    ) -> BlockTime:
        device = self.profile.device
        memory = device.memory_bytes if memory_bytes is None else memory_bytes
        needed = device.runtime_bytes + weights + activations
        room = max(0.0, (memory - device.runtime_bytes - activations) / device.weight_copies)
        if needed > memory:
            swap_s = float("inf")
        elif weights <= room:
            swap_s = 0.0
        else:
            swap_s = float("inf") if device.swap is None else (weights - room) * device.swap.s_per_byte
        compute_s = sum(seconds for seconds, _ in times)
        return BlockTime(compute_s, swap_s, weights, needed, _weakest([basis for _, basis in times]))

    def _look_up(self, name: str, parts: int) -> tuple[float, Basis]:
        found = self._known.get((name, parts))
        if found is not None:
            return found.warm_s, found.basis
        return self._scaled_s(name, features_of(self.graph, name, parts), parts), _EXTRAPOLATED

    def _scaled_s(self, name: str, features: Mapping[str, float], parts: int | None = None) -> float:
        kind = kind_of(self.graph, name)
        fitted = self.profile.fits.get(kind)
        if fitted is None:
            part = "" if parts == 1 else f" in {parts} parts" if parts else " in parts"
            model, known = self.graph.name, ", ".join(self.profile.models) or "no model"
            raise BadInputError(
                f"profile {self.profile.name} has no figure for {name}{part} of {model}, nor a fit for {kind}",
                f"it knows {known}; make another: iot-farm profile {model} --out FILE.json",
            )
        part_s = estimate_s(fitted, features)
        whole = self._known.get((name, 1))
        if whole is None:
            return part_s
        everything = features_of(self.graph, name)
        whole_s = estimate_s(fitted, everything)
        # Where the fit says nothing, a part is taken to need its share of what comes out.
        share = part_s / whole_s if whole_s > 0 else features["output_bytes"] / everything["output_bytes"]
        return whole.warm_s * share


def activation_bytes(graph: ModelGraph, layer: str, parts: int = 1) -> int:
    """What a layer reads and writes."""
    read = sum(graph.output_bytes(tensor) for tensor in graph.layer(layer).inputs)
    return read + graph.output_bytes(layer) // parts


def _weakest(bases: Sequence[Basis]) -> Basis:
    order: tuple[Basis, ...] = ("extrapolated", "published", "measured")
    return min(bases, key=order.index)
