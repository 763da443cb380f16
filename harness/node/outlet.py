"""What goes out of a node: the outputs of a computed frame as payloads with their tags (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.models.graph import FRAME
from harness.node.worker import Array
from harness.partition.codec import UnfitError, encode
from harness.partition.message import Message
from harness.partition.partition import INITIAL, Partition
from harness.partition.wire import Wire
from harness.plan.table import Share, shares_of
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
        self._sent: dict[Share, list[list[Message]]] = {}
        for share in shares_of(partition):
            self._sent[share] = [
                [message for role in partition.targets(tensor) for message in partition.sent(tensor, share.part, role)]
                for tensor in partition.outputs(share.role)
            ]
        self._taggers: dict[tuple[str, Share, Wire], list[list[Tagger]]] = {}

    def begin(self) -> None:
        """Forget the tags of the run before."""
        self._taggers = {}

    def messages(
        self, identity: Identity, share: Share, outputs: Sequence[Array]
    ) -> Iterator[tuple[str | Share, memoryview, str]]:
        """For each role that needs an output, or each part of it that needs something of its own.

        Args:
            identity: of the frame that was computed.
            share: what was computed.
            outputs: one array for each output tensor of the share.

        Yields:
            Role or share, the payload, the tag; results go out as they are.

        Raises:
            UnfitError: an output holds what the wire cannot carry; the message names the layer.
        """
        taggers = self._tags(identity, share)
        for messages, tags_of, output in zip(self._sent[share], taggers, outputs, strict=True):
            whole: memoryview | None = None
            for message, tag_of in zip(messages, tags_of, strict=True):
                tag = tag_of(identity.frame, identity.route)
                if message.role == INITIAL:
                    yield INITIAL, encode(output, Wire.F32), tag
                elif message.cutout is not None:
                    # A picture that leaves in pieces was flattened by nobody, so it has its axes.
                    yield _target(message), _encoded(message.tensor, output[message.cutout], identity.wire), tag
                else:
                    if whole is None:
                        whole = _encoded(message.tensor, output, identity.wire)
                    yield _target(message), whole, tag

    def _tags(self, identity: Identity, share: Share) -> list[list[Tagger]]:
        taggers, key = self._taggers, (identity.run, share, identity.wire)
        found = taggers.get(key)
        if found is None:
            parts = self._partition.role(share.role).parts
            about = Identity(identity.run, 0, FRAME, share.part, parts, self._model, wire=identity.wire)
            found = taggers[key] = [
                [replace(about, tensor=message.tensor, to=message.to).tags() for message in messages]
                for messages in self._sent[share]
            ]
        return found


def _target(message: Message) -> str | Share:
    return message.role if message.to is None else Share(message.role, message.to)


def _encoded(tensor: str, output: Array, wire: Wire) -> memoryview:
    try:
        return encode(output, wire)
    except UnfitError as error:
        raise UnfitError(f"{tensor} cannot travel as {wire}: it {error}") from None
