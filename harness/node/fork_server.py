"""The process that imports once and becomes every node of this machine by forking.

`harness.node.forked_start` starts it, by way of `harness.cli.fork_server`; it is gone when the last node is forked.
While it imports TensorFlow, a process beside it makes the weights. No TensorFlow context may exist before the fork: its
threads would be missing in the children. So nothing is computed here.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from harness.errors import FarmError
from harness.models.shared_weights import BlockKey, SharedBlock, SharedWeights
from harness.models.weights import SeededWeights, WeightSource
from harness.node.births import Birth, Request
from harness.node.blocks import NodeOptions, lazy_weights, local_placements, runtime_blocks
from harness.node.own_process import die_with_parent, show_command_line, threads_running
from harness.node.serve import serve
from harness.node.turns import Turns
from harness.node.weights_maker import WeightsMaker
from harness.plan.plan import Placement, Plan
from harness.plan.table import Share, shares_of
from harness.rpc.event_loop import loop_factory
from harness.runtime.device import configure, versions


def run_fork_server(plan: Plan, options: NodeOptions, request: Request) -> None:
    """Fork the nodes that are asked for; returns only in a node, when that has ended.

    Args:
        plan: the run's plan.
        options: what all nodes have in common.
        request: the nodes, and who asks for them.

    Raises:
        UserError: the weights cannot be made, or (in a node) whatever `serve` raises.
        MissingPackageError: TensorFlow is not there.
    """
    die_with_parent(request.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to everybody in the terminal; the parent decides
    os.set_inheritable(request.report, False)
    placements = {str(placement.address): placement for placement in local_placements(plan)}
    blocks = _blocks(plan, [placements[birth.address] for birth in request.births])
    seeded = options.weights is None
    if seeded:
        maker = WeightsMaker(list(blocks.values()), partial(SeededWeights, options.seed))
    loop_factory()  # imports what runs the nodes' loops
    versions()  # imports TensorFlow and Keras
    _require_one_thread()
    if not seeded:
        maker = WeightsMaker(list(blocks.values()), partial(_file_weights, plan, options))
    gc.freeze()  # or the collector would write into every page that the nodes share
    waiting = list(request.births)
    done: set[Share] = set()
    tried: set[Share] = set()
    turns = Turns(len(os.sched_getaffinity(0)) + 1)
    for block in maker.finished():
        done.update(share for share, one in blocks.items() if one is block)
        for birth in [one for one in waiting if done.issuperset(_shares(plan, placements[one.address]))]:
            waiting.remove(birth)
            placement = placements[birth.address]
            turn = turns.take()
            if _fork(birth, request):
                weights = SharedWeights(maker.identity, blocks.values(), lazy_weights(plan, options))
                own = replace(options, core=birth.core, stop_on_eof=not request.background)
                blocks_of = partial(runtime_blocks, weights=weights, tried=frozenset(tried))
                serve(plan, placement, own, blocks_of, partial(_say_ready, birth, request, turn))
                return
            turns.given(turn)
            tried.update(_shares(plan, placement))
    maker.close()
    _leave()


def _blocks(plan: Plan, placements: Sequence[Placement]) -> dict[Share, SharedBlock]:
    """Memory for every share that a node begins with."""
    cut = plan.partition
    shares = dict.fromkeys(share for placement in placements for share in _shares(plan, placement))
    found = {}
    for share in shares:
        block = cut.block(share.role, share.part)
        found[share] = SharedBlock(cut.graph, BlockKey(block.layers, block.part, block.parts, block.split))
    return found


def _shares(plan: Plan, placement: Placement) -> tuple[Share, ...]:
    return tuple(shares_of(plan.partition)) if placement.spare else (Share(placement.role, placement.part),)


def _file_weights(plan: Plan, options: NodeOptions) -> WeightSource:
    configure("cpu", 1)
    return lazy_weights(plan, options)


def _require_one_thread() -> None:
    """A fork copies the calling thread alone; what others hold, locks among it, would be held for ever."""
    if (threads := threads_running()) != 1:
        raise FarmError(
            f"{threads} threads run after TensorFlow was imported, so nodes cannot be forked safely",
            "start them with --apart",
        )


def _fork(birth: Birth, request: Request) -> bool:
    """Fork; whether this is the child. The parent's answer is out before it can be ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    pid = os.fork()
    if pid == 0:
        if request.background:
            os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        request.tell({"address": birth.address, "pid": pid})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if pid == 0:
        _settle(birth, request)
    return pid == 0


def _settle(birth: Birth, request: Request) -> None:
    """In the child: its own input, output and command line."""
    if request.background:
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
    if birth.log is not None:
        with Path(birth.log).open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
    show_command_line(birth.command)


def _say_ready(birth: Birth, request: Request, turn: int) -> None:
    with suppress(OSError):  # nobody listens any more
        request.tell({"ready": birth.address})
    os.close(request.report)
    os.close(turn)


def _leave() -> NoReturn:
    """End without the seconds of taking an interpreter with TensorFlow apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
