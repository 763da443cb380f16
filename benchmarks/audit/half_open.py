"""Half-open connections: peers that connect and say nothing, or half a message, and a node that must serve on.

`python -m benchmarks.audit half-open` opens 500 of them to a real node, and keeps them: some silent, some amid a
message, some with a byte now and then. Good frames pass meanwhile, and an honest peer pauses on its connection.
"""

from __future__ import annotations

import argparse
import contextlib
import selectors
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import psutil

from benchmarks.audit.bad_input_node import ROLE, Frames, Target, real_node
from benchmarks.audit.bad_input_wire import PATIENCE_S, forward_message, framed, post, read_answer, said
from benchmarks.goal import Goal
from benchmarks.markdown import table

CONNECTIONS: Final = 500
THREADS: Final = 64
CLOSED_WITHIN_S: Final = 10.0
GOOD_WITHIN_S: Final = 1.0
_FRAME_EVERY_S: Final = 0.1
_DRIBBLE_EVERY_S: Final = 0.5
_LOOK_EVERY_S: Final = 0.05


@dataclass
class Found:
    """What became of the connections.

    Attributes:
        opened: how many there were.
        seconds: of each that the peer saw closed, from its beginning to that.
        gone_s: from the last one's beginning until the node held none of them; infinite if it still does.
        threads: most threads of the node's process.
        growth_bytes: most memory that it held beyond what it held before.
        frames: good frames sent meanwhile.
        unserved: those without their result within a second, one line each.
        honest: whether the peer that paused could go on where it was.
    """

    opened: int = 0
    seconds: list[float] = field(default_factory=list)
    gone_s: float = float("inf")
    threads: int = 0
    growth_bytes: int = 0
    frames: int = 0
    unserved: list[str] = field(default_factory=list)
    honest: bool = False


def attack(target: Target, frames: Frames, count: int, patience_s: float) -> Found:
    """Open the connections and watch them until all are closed.

    Args:
        target: the node.
        frames: its good frames.
        count: how many connections.
        patience_s: how long to watch.
    """
    found, process = Found(opened=count), psutil.Process(target.pid)
    for _ in range(5):
        frames.send_one()
    before = process.memory_info().rss
    with contextlib.ExitStack() as stack:
        honest = stack.enter_context(socket.create_connection(target.address, timeout=PATIENCE_S))
        paused = _talks(honest, target)
        begun: dict[socket.socket, float] = {}
        for number in range(count):
            sock = stack.enter_context(socket.create_connection(target.address, timeout=PATIENCE_S))
            begun[sock] = time.monotonic()
            with contextlib.suppress(OSError):  # with so many the first are put out before they have spoken
                sock.sendall(_begin(target, number))
            sock.setblocking(False)
        _watch(frames, process, begun, patience_s, found)
        found.honest = paused and _talks(honest, target)
    found.growth_bytes = max(0, found.growth_bytes - before)
    return found


def _begin(target: Target, number: int) -> bytes:
    """What the connection with this number says before it falls silent; every second one says nothing."""
    good = post(framed(forward_message(bytes(target.part_bytes), ROLE, target.tag())))
    large = post(b"", length=target.limits.max_message_bytes)
    begins = (b"P", good[:40], good[:-20], large, large + bytes(20_000), b"\r\n", b"POST / HTTP/1.1\r\nX: ")
    return b"" if number % 2 else begins[number // 2 % len(begins)]


def _talks(sock: socket.socket, target: Target) -> bool:
    """Does a good call pass on this connection? A frame that the node has already is acknowledged again."""
    try:
        sock.sendall(post(framed(forward_message(bytes(target.part_bytes), ROLE, target.tag(2**62)))))
        answer = read_answer(sock)
    except OSError:
        return False
    return answer is not None and answer[0] == 200 and not said(answer)


def _watch(
    frames: Frames,
    process: psutil.Process,
    begun: dict[socket.socket, float],
    patience_s: float,
    found: Found,
) -> None:
    """Look at the connections again and again; good frames pass meanwhile, and some peers dribble."""
    ours = {sock.getsockname() for sock in begun}
    last = max(begun.values())
    dribbling = list(begun)[::5]
    next_frame = next_dribble = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for sock in begun:
            selector.register(sock, selectors.EVENT_READ)
        while time.monotonic() - last < patience_s:
            for key, _ in selector.select(_LOOK_EVERY_S):
                sock = cast("socket.socket", key.fileobj)
                if _ended(sock):
                    selector.unregister(sock)
                    found.seconds.append(time.monotonic() - begun[sock])
            found.threads = max(found.threads, process.num_threads())
            found.growth_bytes = max(found.growth_bytes, process.memory_info().rss)
            if time.monotonic() >= next_dribble:
                next_dribble += _DRIBBLE_EVERY_S
                for sock in dribbling:
                    with contextlib.suppress(OSError):
                        sock.send(b"\r")
            if time.monotonic() >= next_frame:
                next_frame = time.monotonic() + _FRAME_EVERY_S
                took_s, problem = frames.send_one()
                found.frames += 1
                if problem or took_s > GOOD_WITHIN_S:
                    found.unserved.append(f"frame {found.frames}: {problem or f'a result after {took_s:.2f} s'}")
            if len(found.seconds) == len(begun) and not _held(process, ours):
                found.gone_s = time.monotonic() - last
                return


def _ended(sock: socket.socket) -> bool:
    """Is there nothing more to come? What the node said, such as 408, is read and passed over."""
    try:
        while sock.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _held(process: psutil.Process, peers: set[tuple[str, int]]) -> int:
    """How many connections to these peers the node's process holds."""
    return sum(bool(held.raddr) and tuple(held.raddr) in peers for held in process.net_connections("tcp"))


def goals(found: Found) -> list[Goal]:
    """What the figures should be."""
    last_s = max(found.seconds, default=float("inf")) if len(found.seconds) == found.opened else float("inf")
    within = CLOSED_WITHIN_S
    return [
        Goal("half-open connections", found.opened, CONNECTIONS, at_least=True, digits=0),
        Goal("threads of the node meanwhile", found.threads, THREADS, at_least=False, digits=0),
        Goal("the last is closed, as its peer sees it, after", last_s, within, at_least=False, unit=" s", digits=1),
        Goal("the node holds none of them after", found.gone_s, within, at_least=False, unit=" s", digits=1),
        Goal("good frames without their result within 1 s", len(found.unserved), 0, at_least=False, digits=0),
        Goal("honest peers that paused, and went on", found.honest, 1, at_least=True, digits=0),
    ]


def main() -> int:
    """Print one table; 0 where every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, real_node(Path(folder)) as (target, frames):
        found = attack(target, frames, chosen.connections, 3 * CLOSED_WITHIN_S)
    judged = goals(found)
    print("\n".join(table(["goal", "measured", "aim", "met"], [goal.row() for goal in judged])))
    print(f"\ngood frames meanwhile: {found.frames}; growth of the node's memory: {found.growth_bytes / 1e6:.1f} MB")
    for line in found.unserved:
        print(f"* {line}")
    return 0 if all(goal.met for goal in judged) else 1


if __name__ == "__main__":
    raise SystemExit(main())
