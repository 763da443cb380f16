"""Where a node's blocks come from, and what the node says of itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import harness
from harness.farm.local import is_local
from harness.models.graph import ModelGraph
from harness.models.split import Split
from harness.models.weights import Floats, WeightSource, model_fingerprint
from harness.node.seats import ComputedBlock
from harness.partition.wire import Wire
from harness.plan.plan import Placement, Plan
from harness.plan.table import Share, shares_of
from harness.records.computing import Computing, Wanted, joined
from harness.runtime.cores import usable_cores
from harness.runtime.device import Device, configure
from harness.runtime.loaded_block import LoadedBlock
from harness.runtime.opening import computing_of, open_runtime
from harness.runtime.source import weight_source


@dataclass(frozen=True)
class NodeOptions:
    """What a node needs to know beside its plan.

    Attributes:
        seed: seed of the weights where no file is given.
        weights: a Keras weights file of the whole model, or None.
        threads: threads of the block; None shares the cores among this machine's nodes.
        device: "cpu" or "gpu".
        wanted: what the block is computed with.
        core: the core that the computing thread keeps to; None leaves it to the system.
        keep_cores: whether nodes that share this machine's cores may be bound to one each.
        stop_on_eof: end when standard input closes (set by a parent that must not leave children behind).
        emulate: device and network that are imitated, see `harness.emulate`; None is this machine as it is.
    """

    seed: int
    weights: Path | None = None
    threads: int | None = None
    device: Device = "cpu"
    wanted: Wanted = field(default_factory=Wanted)
    core: int | None = None
    keep_cores: bool = True
    stop_on_eof: bool = False
    emulate: str | None = None

    def threads_here(self, plan: Plan) -> int:
        """Threads of a block on this machine."""
        if self.core is not None:
            return 1
        return self.threads or max(1, usable_cores() // max(1, len(local_placements(plan))))

    def runtime_arguments(self) -> list[str]:
        """What `iot-farm node` is told of the runtime."""
        wanted = self.wanted
        return ["--runtime", wanted.runtime, "--precision", wanted.precision, "--way", wanted.way]


@dataclass(frozen=True)
class BlockSource:
    """Builds blocks.

    Attributes:
        load: builds the block of a share.
        weights: identity of the weights, as `describe` tells it.
        model: fingerprint of the whole model with its weights.
        runtime: what computes, with its version; each block tells the way that it takes.
    """

    load: Callable[[Share], ComputedBlock]
    weights: str
    model: str
    runtime: Computing | str


def local_placements(plan: Plan) -> tuple[Placement, ...]:
    """The nodes of a plan whose address belongs to this machine."""
    return tuple(placement for placement in plan.placements if is_local(placement.address))


class _LazyWeights:
    """A source of weights that is opened when it is first asked."""

    def __init__(self, graph: ModelGraph, options: NodeOptions) -> None:
        self._graph = graph
        self._options = options

    @cached_property
    def _source(self) -> WeightSource:
        return weight_source(self._graph, seed=self._options.seed, weights=self._options.weights)

    @property
    def identity(self) -> str:
        return self._source.identity

    def layer(
        self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1, split: Split = Split.COLUMNS
    ) -> dict[str, Floats]:
        return self._source.layer(graph, name, part, parts, split)


def lazy_weights(plan: Plan, options: NodeOptions) -> WeightSource:
    """The weights that a node's options name, looked for only when they are needed.

    Raises:
        BadInputError: at first use; the weights file does not fit.
    """
    return _LazyWeights(plan.partition.graph, options)


def runtime_blocks(
    plan: Plan, options: NodeOptions, weights: WeightSource | None = None, tried: frozenset[Share] = frozenset()
) -> BlockSource:
    """Blocks of the plan's model, computed by the runtime that the options name.

    Args:
        plan: the run's plan.
        options: device, threads, and where weights come from.
        weights: those weights where they are at hand already, as in a forked node.
        tried: shares that a twin of this process tries out, with the same code and the same bytes.

    Raises:
        BadInputError: the weights file does not fit, or the runtime does not compute on that device.
        MissingPackageError: a package of the runtime, or the GPU asked for, is not there.
    """
    graph = plan.partition.graph
    threads = options.threads_here(plan)
    if options.weights is not None and weights is None:
        # Keras reads the file, whatever computes with it.
        configure(options.device, threads)
    runtime = open_runtime(options.wanted, device=options.device, threads=threads)
    weights = weights or weight_source(graph, seed=options.seed, weights=options.weights)
    return BlockSource(
        load=lambda share: runtime.load(
            plan.partition.block(share.role, share.part), weights, try_out=share not in tried
        ),
        weights=weights.identity,
        model=model_fingerprint(graph, weights.identity),
        runtime=computing_of(runtime, options.device),
    )


def first_blocks(plan: Plan, placement: Placement, source: BlockSource) -> dict[Share, ComputedBlock]:
    """What a node begins with: its own share; a spare begins with every one, so that it can stand in at once."""
    own = Share(placement.role, placement.part)
    return {share: source.load(share) for share in (shares_of(plan.partition) if placement.spare else [own])}


def description(
    plan: Plan,
    placement: Placement,
    options: NodeOptions,
    source: BlockSource,
    blocks: dict[Share, ComputedBlock],
    emulates: str = "",
) -> dict[str, Any]:
    """What a node says of itself: the Avro record NodeDescription."""
    cut = plan.partition
    messages = () if placement.spare else cut.messages(placement.role, placement.part)
    outputs = () if placement.spare else cut.outputs(placement.role)
    own = Share(placement.role, placement.part)
    return {
        "software": f"ck-iot-farm {harness.__version__}",
        "host": placement.address.host,
        "port": placement.address.port,
        "role": placement.role,
        "part": placement.part,
        "parts": placement.parts,
        "replica": placement.replica,
        "model": cut.graph.name,
        "partition": cut.name,
        "weights": source.weights,
        "model_fingerprint": source.model,
        "block_fingerprint": "" if placement.spare else blocks[own].fingerprint,
        "runtime": _told(source, blocks),
        "threads": options.threads_here(plan),
        "core": -1 if options.core is None else options.core,
        "pid": os.getpid(),
        "input_bytes": sum(message.payload_bytes(Wire.F32) for message in messages),
        "output_bytes": sum(cut.block(placement.role, placement.part).output_bytes(tensor) for tensor in outputs),
        "emulates": emulates,
    }


def _told(source: BlockSource, blocks: dict[Share, ComputedBlock]) -> str:
    """What computes, and the ways of all blocks that are loaded from the start."""
    if isinstance(source.runtime, str):
        return source.runtime
    choices = [block.choice for block in blocks.values() if isinstance(block, LoadedBlock)]
    return str(replace(source.runtime, choice=joined(choices)))
