"""Weights of a farm's blocks in sealed memory: made once for all nodes of a machine, fingerprinted once, copied never.

A block has memory of its own, because slices of a dense layer must be contiguous. Each array starts at a multiple of
`ALIGNMENT_BYTES`, so that a runtime can take it over as it lies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from harness.models.graph import ModelGraph, Shape
from harness.models.mapped_file import Bytes, MappedFile
from harness.models.memory import ALIGNMENT_BYTES
from harness.models.sealed import SealedMemory
from harness.models.split import Split
from harness.models.weights import Floats, SeededWeights, WeightSource, block_fingerprint, part_shapes

_FLOAT_BYTES = 4


class BlockKey(NamedTuple):
    """Which weights a block holds: its layers in order, and the part of them."""

    layers: tuple[str, ...]
    part: int
    parts: int
    split: Split = Split.COLUMNS


@dataclass
class SharedBlock:
    """The weights of one block.

    Attributes:
        graph: the model.
        key: layers and part.
        memory: holds the weights, once `make_blocks` has made them.
        fingerprint: of the sealed bytes; empty before.
    """

    graph: ModelGraph
    key: BlockKey
    memory: SealedMemory = field(default_factory=lambda: SealedMemory("iot-farm-weights"))
    fingerprint: str = ""

    @cached_property
    def places(self) -> dict[tuple[str, str], tuple[int, Shape]]:
        """(layer, parameter) -> offset in bytes, shape; in the order of the layers."""
        places, offset = {}, 0
        for layer in self.key.layers:
            for parameter, shape in part_shapes(self.graph, layer, *self.key[1:]).items():
                places[layer, parameter] = offset, shape
                offset += -(-math.prod(shape) * _FLOAT_BYTES // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        return places

    @property
    def size_bytes(self) -> int:
        """Memory that it takes; a block without weights takes the least there is."""
        ends = [offset + math.prod(shape) * _FLOAT_BYTES for offset, shape in self.places.values()]
        return max(ends, default=ALIGNMENT_BYTES)

    def arrays(self, memory: Bytes) -> dict[str, dict[str, Floats]]:
        """Layer -> parameter -> view of a mapping of its memory; empty for a layer without weights."""
        found: dict[str, dict[str, Floats]] = {layer: {} for layer in self.key.layers}
        for (layer, parameter), (offset, shape) in self.places.items():
            size_bytes = math.prod(shape) * _FLOAT_BYTES
            found[layer][parameter] = memory[offset : offset + size_bytes].view(np.float32).reshape(shape)
        return found

    @cached_property
    def mapped(self) -> dict[str, dict[str, Floats]]:
        """The sealed weights, mapped into this process."""
        return self.arrays(self.memory.bytes())


def make_blocks(source: WeightSource, blocks: Sequence[SharedBlock]) -> Iterator[SharedBlock]:
    """Write the weights of blocks, seal them, and take their fingerprints of what is sealed.

    A layer of which several blocks hold a slice is drawn once.

    Args:
        source: where the weights come from.
        blocks: of one model, without weights yet.

    Yields:
        Each block when it is done, those that share layers together.

    Raises:
        FarmError: the system does not give the memory.
    """
    waiting = list(blocks)
    while waiting:
        first = waiting[0].key
        together = [block for block in waiting if block.key._replace(part=first.part) == first]
        waiting = [block for block in waiting if block.key._replace(part=first.part) != first]
        mappings = [block.memory.reserve(block.size_bytes) for block in together]
        _write(source, together, mappings)
        for block, mapping in zip(together, mappings, strict=True):
            mapping.close()  # nothing is sealed that somebody may write to
            block.memory.seal()
            block.fingerprint = _fingerprint(block)
            yield block


def _write(source: WeightSource, together: Sequence[SharedBlock], mappings: Sequence[MappedFile]) -> None:
    graph, (layers, _, parts, split) = together[0].graph, together[0].key
    written = {block.key.part: block.arrays(mapping.bytes()) for block, mapping in zip(together, mappings, strict=True)}
    for layer in layers:
        if isinstance(source, SeededWeights):
            source.fill(graph, layer, {part: arrays[layer] for part, arrays in written.items()}, parts, split)
            continue
        for part, arrays in written.items():
            for parameter, array in source.layer(graph, layer, part, parts, split).items():
                arrays[layer][parameter][...] = array


def _fingerprint(block: SharedBlock) -> str:
    named = (
        (f"{layer}/{parameter}", array)
        for layer, arrays in block.arrays(block.memory.bytes()).items()
        for parameter, array in arrays.items()
    )
    return block_fingerprint(block.graph, block.key.layers, block.key.part, block.key.parts, named, block.key.split)


class SharedWeights:
    """Weights out of shared blocks where they are held, else from another source.

    Args:
        identity: of the weights, as the other source would say.
        blocks: sealed, with fingerprints.
        otherwise: for whatever no block holds.
    """

    def __init__(self, identity: str, blocks: Iterable[SharedBlock], otherwise: WeightSource) -> None:
        self._identity = identity
        self._blocks = {block.key: block for block in blocks}
        self._otherwise = otherwise

    @property
    def identity(self) -> str:
        """That of the source."""
        return self._identity

    def layer(
        self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1, split: Split = Split.COLUMNS
    ) -> dict[str, Floats]:
        """Weights of one layer, mapped where a block holds them; see `WeightSource.layer`."""
        for key, block in self._blocks.items():
            here = block.graph == graph and name in key.layers and key[1:] == (part, parts, split)
            if here and block.memory.sealed:
                return dict(block.mapped[name])
        return self._otherwise.layer(graph, name, part, parts, split)

    def fingerprint(
        self,
        graph: ModelGraph,
        layers: Sequence[str],
        part: int,
        parts: int,
        weights: Iterable[tuple[str, Floats]],
        split: Split = Split.COLUMNS,
    ) -> str:
        """As `block_fingerprint`; but arrays that lie in the sealed memory of the block are not read again.

        Args:
            graph: the whole model.
            layers: the layers of the block, in order.
            part: which part, counted from 0.
            parts: number of parts.
            weights: (`layer/parameter`, array) pairs in order: what the runtime really uses.
            split: how the block is cut.
        """
        block = self._blocks.get(BlockKey(tuple(layers), part, parts, split))
        used = list(weights)
        known = block is not None and block.graph == graph and block.fingerprint
        if known and block is not None and _places(used) == _places(_named(block.mapped)):
            return block.fingerprint
        return block_fingerprint(graph, layers, part, parts, used, split)


def fingerprint_in_use(
    source: WeightSource,
    graph: ModelGraph,
    layers: Sequence[str],
    part: int,
    parts: int,
    weights: Iterable[tuple[str, Floats]],
    split: Split = Split.COLUMNS,
) -> str:
    """Fingerprint of the weights that a runtime uses; arguments of `block_fingerprint`, and where they came from."""
    if isinstance(source, SharedWeights):
        return source.fingerprint(graph, layers, part, parts, weights, split)
    return block_fingerprint(graph, layers, part, parts, weights, split)


def _named(mapped: Mapping[str, Mapping[str, Floats]]) -> list[tuple[str, Floats]]:
    return [(f"{layer}/{key}", array) for layer, arrays in mapped.items() for key, array in arrays.items()]


def _places(named: Iterable[tuple[str, Floats]]) -> list[tuple[str, int, Shape, bool]]:
    """Name, address, shape and layout of each array: equal ones are the same bytes of this process."""
    return [(name, array.ctypes.data, array.shape, array.flags.c_contiguous) for name, array in named]
