"""The process that makes the weights of all local nodes, while the fork server imports TensorFlow on another core."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness.errors import FarmError, UserError
from harness.models.shared_weights import SharedBlock, make_blocks
from harness.models.weights import WeightSource
from harness.node.own_process import die_with_parent


class WeightsMaker:
    """A forked process that fills shared blocks; made where no thread runs.

    Args:
        blocks: to be filled; they get their fingerprints from `finished`.
        source: makes the source of the weights, in the new process.
    """

    def __init__(self, blocks: Sequence[SharedBlock], source: Callable[[], WeightSource]) -> None:
        self._blocks = blocks
        self.identity = ""
        """Of the weights; known when the first block is."""
        read, write = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(read)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent(parent)
            _make(blocks, source, write)
        os.close(write)
        self._results = os.fdopen(read, "rb")

    def finished(self) -> Iterator[SharedBlock]:
        """Each block when its weights are sealed.

        Raises:
            UserError: what the source of the weights raised, or that the system does not give the memory.
            FarmError: the process was killed.
        """
        left = len(self._blocks)
        while left:
            line = self._results.readline()
            if not line:
                raise FarmError(
                    "the process that makes the weights was killed",
                    "most often there is too little free memory: start fewer nodes on this machine",
                )
            found: dict[str, Any] = json.loads(line)
            if "message" in found:
                error = UserError(found["message"], found["hint"])
                error.exit_code = found["exit_code"]
                raise error
            block = self._blocks[found["block"]]
            block.fingerprint, self.identity = found["fingerprint"], found["identity"]
            left -= 1
            yield block

    def close(self) -> None:
        """See it end."""
        self._results.close()
        os.waitpid(self._pid, 0)


def _make(blocks: Sequence[SharedBlock], source: Callable[[], WeightSource], write: int) -> None:
    """Everything that this process does; it never returns into its parent's code."""
    code = 1
    try:
        weights = source()
        for block in make_blocks(weights, blocks):
            index = next(number for number, one in enumerate(blocks) if one is block)
            _say(write, {"block": index, "fingerprint": block.fingerprint, "identity": weights.identity})
        code = 0
    except UserError as error:
        _say(write, {"message": error.message, "hint": error.hint, "exit_code": error.exit_code})
    except BaseException:  # noqa: BLE001  a bug keeps its traceback, in the log of the start
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _say(write: int, message: dict[str, Any]) -> None:
    os.write(write, json.dumps(message).encode() + b"\n")
