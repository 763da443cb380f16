"""What goes out of a node: the outputs of a computed frame as payloads with their tags (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.node.worker import Array
from harness.partition.codec import UnfitError, encode
from harness.partition.partition import INITIAL, Partition
from harness.partition.wire import Wire
from harness.plan.table import Share
from harness.rpc.identity import Identity, Route

Tagger = Callable[[int, Route], str]


class Outlet:
    """Makes the messages of computed frames, in the wire that each frame's tag asks for.

    Args:
        partition: what is computed.
        model: fingerprint that the tags carry.
    """

    def __init__(self, partition: Partition, model: str) -> None:
        self._partition = partition
        self._model = model
        self._outputs = {role.name: partition.outputs(role.name) for role in partition.roles}
        self._targets = {tensor: partition.targets(tensor) for found in self._outputs.values() for tensor in found}
        self._taggers: dict[tuple[str, Share, Wire], tuple[Tagger, ...]] = {}

    def begin(self) -> None:
        """Forget the tags of the run before."""
        self._taggers = {}

    def messages(
        self, identity: Identity, share: Share, outputs: Sequence[Array]
    ) -> Iterator[tuple[str, memoryview, str]]:
        """For each role that needs an output: its name, the payload, the tag; results go out as they are.

        Args:
            identity: of the frame that was computed.
            share: what was computed.
            outputs: one array for each output tensor of the share.

        Raises:
            UnfitError: an output holds what the wire cannot carry; the message names the layer.
        """
        tensors = self._outputs[share.role]
        for tensor, tag_of, output in zip(tensors, self._tags(identity, share), outputs, strict=True):
            tag = tag_of(identity.frame, identity.route)
            payload: memoryview | None = None
            for role in self._targets[tensor]:
                if role == INITIAL:
                    yield role, encode(output, Wire.F32), tag
                    continue
                if payload is None:
                    payload = _encoded(tensor, output, identity.wire)
                yield role, payload, tag

    def _tags(self, identity: Identity, share: Share) -> tuple[Tagger, ...]:
        taggers, key = self._taggers, (identity.run, share, identity.wire)
        found = taggers.get(key)
        if found is None:
            parts = self._partition.role(share.role).parts
            found = taggers[key] = tuple(
                Identity(identity.run, 0, tensor, share.part, parts, self._model, wire=identity.wire).tags()
                for tensor in self._outputs[share.role]
            )
        return found


def _encoded(tensor: str, output: Array, wire: Wire) -> memoryview:
    try:
        return encode(output, wire)
    except UnfitError as error:
        raise UnfitError(f"{tensor} cannot travel as {wire}: it {error}") from None
