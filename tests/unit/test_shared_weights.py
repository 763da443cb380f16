"""Weights that several processes map: sealed, equal to drawn ones bit for bit, fingerprinted where they lie."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models import shared_weights
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, ModelGraph
from harness.models.sealed import SealedMemory
from harness.models.shared_weights import BlockKey, SharedBlock, SharedWeights, fingerprint_in_use, make_blocks
from harness.models.split import Split
from harness.models.weights import Floats, SeededWeights, block_fingerprint


def small(channels: int = 3, units: int = 12) -> ModelGraph:
    """A convolution and two dense layers of a few weights."""
    return ModelGraph(
        "small",
        "Small",
        (4, 4, 2),
        (
            Conv2D("conv", (FRAME,), filters=channels, kernel_size=(2, 3)),
            Flatten("flatten", ("conv",)),
            Dense("fc", ("flatten",), units=units),
            Dense("out", ("fc",), units=2, activation="softmax"),
        ),
    )


class Tampered(SeededWeights):
    """Seeded weights of which one bit of one layer is another."""

    def fill(self, graph, name, targets, parts=1, split=Split.COLUMNS):
        """Draw, and change the layer `out`."""
        super().fill(graph, name, targets, parts, split)
        if name == "out":
            for arrays in targets.values():
                arrays["kernel"].view(np.uint8).reshape(-1)[5] ^= 1


def made(graph: ModelGraph, keys: list[BlockKey], source: SeededWeights) -> list[SharedBlock]:
    """Blocks with their weights."""
    blocks = [SharedBlock(graph, key) for key in keys]
    assert {id(block) for block in make_blocks(source, blocks)} == {id(block) for block in blocks}
    return blocks


def named(arrays: dict[str, dict[str, Floats]]) -> list[tuple[str, Floats]]:
    """As a runtime lists its weights."""
    return [(f"{layer}/{key}", array) for layer, found in arrays.items() for key, array in found.items()]


@settings(max_examples=30)
@given(
    channels=st.integers(1, 5), width=st.integers(1, 5), parts=st.sampled_from([1, 2, 3, 4]), seed=st.integers(0, 99)
)
def test_shared_weights_are_the_drawn_ones(channels, width, parts, seed):
    """Every array of every slice has the bits of `SeededWeights`, is aligned, and its fingerprint is theirs."""
    graph = small(channels, width * parts)
    source = SeededWeights(seed)
    keys = [BlockKey(("conv", "flatten"), 0, 1), *(BlockKey(("fc",), part, parts) for part in range(parts))]
    blocks = made(graph, [*keys, BlockKey(("out",), 0, 1)], source)
    shared = SharedWeights(source.identity, blocks, Tampered(seed + 1))
    for block in blocks:
        layers, part, of, _ = block.key
        for layer in layers:
            mine, theirs = shared.layer(graph, layer, part, of), source.layer(graph, layer, part, of)
            assert list(mine) == list(theirs)
            for name, array in theirs.items():
                np.testing.assert_array_equal(mine[name].view(np.uint32), array.view(np.uint32))
                assert mine[name].ctypes.data % 64 == 0
                assert mine[name].flags.writeable  # or TensorFlow would copy it
        assert block.fingerprint == block_fingerprint(graph, layers, part, of, named(block.mapped))
        block.memory.close()


@pytest.mark.parametrize("split", [Split.OUTPUT_CHANNELS, Split.INPUT_CHANNELS, Split.ROWS])
def test_parts_of_convolutions_are_shared_too(split):
    """Parts of every kind, drawn together: bits and fingerprints of `SeededWeights`; none passes for another."""
    graph, source = small(4, 2), SeededWeights(3)
    blocks = made(graph, [BlockKey(("conv",), part, 2, split) for part in (0, 1)], source)
    shared = SharedWeights(source.identity, blocks, Tampered(4))
    for block in blocks:
        mine, theirs = (one.layer(graph, *block.key[0], *block.key[1:]) for one in (shared, source))
        assert list(mine) == list(theirs)
        assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
        used = named({"conv": mine})
        right = block_fingerprint(graph, *block.key[:3], used, split)
        assert fingerprint_in_use(shared, graph, *block.key[:3], used, split) == block.fingerprint == right
    assert len({block.fingerprint for block in blocks}) == 2


def test_one_changed_byte_is_another_fingerprint():
    """The fingerprint is that of the bytes in the memory: one bit that differs there shows, and only there."""
    keys = [BlockKey(("fc",), 0, 1), BlockKey(("out",), 0, 1)]
    right, wrong = made(small(), keys, SeededWeights(1)), made(small(), keys, Tampered(1))
    assert right[0].fingerprint == wrong[0].fingerprint
    assert right[1].fingerprint != wrong[1].fingerprint


def test_sealed_memory_cannot_be_changed():
    """Before it is sealed, memory can be written; after it, neither written, mapped to write, grown nor unsealed."""
    memory = SealedMemory("test")
    with memory.reserve(100) as mapping:
        mapping.bytes()[0] = 7
        with pytest.raises(OSError, match="busy"):
            memory.seal()  # somebody might still write
        with pytest.raises(RuntimeError, match="sealed"):
            memory.bytes()
    memory.seal()
    with pytest.raises(PermissionError):
        os.pwrite(memory.descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        mmap.mmap(memory.descriptor, 100)
    with pytest.raises(PermissionError):
        os.truncate(memory.descriptor, 200)
    with pytest.raises(PermissionError):
        os.open(f"/proc/self/fd/{memory.descriptor}", os.O_WRONLY | os.O_TRUNC)
    content = memory.bytes()
    memory.close()
    assert content.tolist() == [7] + [0] * 99  # a mapping outlives its descriptor


def test_a_process_that_writes_into_shared_weights_dies():
    """Memory that numpy takes for writeable is not: a write ends the process, and a read does not."""
    script = (
        "import sys\n"
        "from harness.models.sealed import SealedMemory\n"
        "memory = SealedMemory('test')\n"
        "memory.reserve(10).close()\n"
        "memory.seal()\n"
        "content = memory.bytes()\n"
        "assert content[3] == 0\n"
        "if sys.argv[1] == 'write': content[3] = 1\n"
    )
    codes = [
        subprocess.run([sys.executable, "-c", script, how], check=False, timeout=60).returncode
        for how in ("read", "write")
    ]
    assert codes == [0, -signal.SIGSEGV]


def test_arrays_in_place_are_not_read_again(monkeypatch):
    """A fingerprint is taken over only where the very memory is used; a copy with another bit shows another one."""
    graph, key = small(), BlockKey(("fc",), 1, 2)
    (block,) = made(graph, [key], SeededWeights(1))
    shared = SharedWeights("seed", [block], SeededWeights(1))
    used = named({"fc": shared.layer(graph, "fc", 1, 2)})
    read = []
    monkeypatch.setattr(shared_weights, "block_fingerprint", lambda *args: read.append(1) or block_fingerprint(*args))
    assert fingerprint_in_use(shared, graph, *key[:3], used) == block.fingerprint
    assert not read
    copied = [(name, array.copy()) for name, array in used]
    assert fingerprint_in_use(shared, graph, *key[:3], copied) == block.fingerprint
    copied[0][1].view(np.uint8).reshape(-1)[0] ^= 1
    assert fingerprint_in_use(shared, graph, *key[:3], copied) != block.fingerprint
    assert len(read) == 2
    others = [(key._replace(part=0), graph), (key, replace(small(), name="other"))]
    for (layers, part, parts, _), model in others:
        assert fingerprint_in_use(shared, model, layers, part, parts, used) != block.fingerprint
    assert fingerprint_in_use(SeededWeights(1), graph, *key[:3], used) == block.fingerprint
    assert fingerprint_in_use(shared, graph, *key[:3], reversed(used)) != block.fingerprint


def test_what_no_block_holds_comes_from_the_other_source():
    """Layers and slices that are not shared, or not made yet, are drawn."""
    graph = small()
    (block,) = made(graph, [BlockKey(("fc",), 0, 2)], SeededWeights(1))
    later = SharedBlock(graph, BlockKey(("out",), 0, 1))
    shared = SharedWeights("seed", [block, later], SeededWeights(2))
    for layer, part, parts, seed in (("fc", 0, 2, 1), ("fc", 1, 2, 2), ("fc", 0, 1, 2), ("out", 0, 1, 2)):
        expected = SeededWeights(seed).layer(graph, layer, part, parts)["kernel"]
        np.testing.assert_array_equal(shared.layer(graph, layer, part, parts)["kernel"], expected)


def test_memory_that_is_not_given_is_one_line():
    """Where a limit stands in the way, the error names the size and the way out; without the limit there is none."""
    script = (
        "import resource, sys\n"
        "from harness.errors import FarmError\n"
        "from harness.models.sealed import SealedMemory\n"
        "if sys.argv[1] == 'limit': resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "try:\n    SealedMemory('test').reserve(50_000_000)\n"
        "except FarmError as error: print(error.message, '|', error.hint)\n"
    )
    limited, free = (
        subprocess.run([sys.executable, "-c", script, how], check=True, capture_output=True, text=True, timeout=60)
        for how in ("limit", "free")
    )
    assert limited.stdout.startswith("the system does not give 50 MB for weights: ")
    assert "--apart" in limited.stdout
    assert free.stdout == ""
