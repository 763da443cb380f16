"""Bad input sent to a real node: is each peer told exactly why, and does the node serve on as if nothing had been?

`python -m benchmarks.audit bad-input` starts the last node of the AlexNet farm, sends it every case of the corpus on a
connection of its own, and after each a good frame whose result is awaited. It prints one table.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from benchmarks.audit.bad_input_avro import avro_cases
from benchmarks.audit.bad_input_case import CLOSED, Case, Expected
from benchmarks.audit.bad_input_frames import frame_cases
from benchmarks.audit.bad_input_handshake import handshake_cases
from benchmarks.audit.bad_input_http import http_cases
from benchmarks.audit.bad_input_node import Frames, Target, real_node
from benchmarks.audit.bad_input_wire import PATIENCE_S, Answer, read_answer, said
from benchmarks.goal import Goal
from benchmarks.markdown import table
from harness.rpc.errors import WireFormatError

CASES: Final = 200
GOOD_WITHIN_S: Final = 1.0
GROWTH_MB: Final = 32.0
STREAM_BYTES: Final = 2**30
_WARM_FRAMES: Final = 20


@dataclass
class Found:
    """What became of the corpus.

    Attributes:
        cases: how many were sent.
        wrong: answers that were not the expected ones, one line each.
        unserved: good frames behind a case that had no result, another one, or a late one.
        slowest_s: longest time from the first byte of a good frame to its result.
        growth_bytes: most memory that the node held beyond what it held before.
        log_lines: of its log, those that tell of an error that nobody foresaw.
    """

    cases: int = 0
    wrong: list[str] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    growth_bytes: int = 0
    log_lines: list[str] = field(default_factory=list)


def corpus(target: Target, stream_bytes: int = STREAM_BYTES) -> list[Case]:
    """Every case, for this node; `stream_bytes` is how much a peer without end has to say, if it is let."""
    return [*http_cases(target.limits, stream_bytes), *avro_cases(target), *handshake_cases(), *frame_cases(target)]


def attack(target: Target, frames: Frames, cases: Sequence[Case]) -> Found:
    """Send the cases one behind the other, and a good frame after each.

    Args:
        target: the node.
        frames: its good frames.
        cases: what is sent.
    """
    found, process = Found(len(cases)), psutil.Process(target.pid)
    for _ in range(_WARM_FRAMES):
        _serve_one(frames, "the beginning", found)
    before = process.memory_info().rss
    for case in cases:
        answer = ask(target.address, case)
        if answer != case.expected:
            found.wrong.append(f"{case.name}: {answer}, not {case.expected}")
        _serve_one(frames, case.name, found)
        found.growth_bytes = max(found.growth_bytes, process.memory_info().rss - before)
    found.log_lines = target.traceback_lines()
    return found


def _serve_one(frames: Frames, after: str, found: Found) -> None:
    took_s, problem = frames.send_one()
    found.slowest_s = max(found.slowest_s, took_s)
    if problem or took_s > GOOD_WITHIN_S:
        found.unserved.append(f"after {after}: {problem or f'a result after {took_s:.2f} s'}")


def ask(address: tuple[str, int], case: Case) -> Expected:
    """Send one case to its last byte, or to the byte where the node hangs up, and say what came back.

    A refusal must also be the end of the connection; where it is not, the text says so.
    """
    answer: Answer | None = None
    with socket.create_connection(address, timeout=PATIENCE_S) as sock:
        with contextlib.suppress(OSError):
            for piece in case.sent():
                sock.sendall(piece)
                # A peer without end gets its answer while it sends: cut off later, it might lose it.
                if answer is None and select.select([sock], [], [], 0)[0]:
                    answer = read_answer(sock)
            if case.half_close:
                sock.shutdown(socket.SHUT_WR)
        try:
            answer = answer or read_answer(sock)
            still_open = answer is not None and answer[0] != 200 and sock.recv(1) != b""
        except ConnectionError:
            still_open = False
        except TimeoutError:
            return Expected(-1, "no answer, and the connection stays open")
    if answer is None:
        return CLOSED
    try:
        return Expected(answer[0], said(answer) + (", and the connection stays open" if still_open else ""))
    except WireFormatError as error:
        return Expected(answer[0], f"no Avro: {error}")


def goals(found: Found) -> list[Goal]:
    """What the figures should be."""
    return [
        Goal("cases sent to the node", found.cases, CASES, at_least=True, digits=0),
        Goal("answers that are not the exact line", len(found.wrong), 0, at_least=False, digits=0),
        Goal("good frames without their result within 1 s", len(found.unserved), 0, at_least=False, digits=0),
        Goal("slowest good frame after a case", found.slowest_s, GOOD_WITHIN_S, at_least=False, unit=" s", digits=3),
        Goal("growth of its memory, at its peak", found.growth_bytes / 1e6, GROWTH_MB, False, " MB", 1),
        Goal("lines of errors in its log", len(found.log_lines), 0, at_least=False, digits=0),
    ]


def main() -> int:
    """Print one table; 0 where every goal is met."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, real_node(Path(folder)) as (target, frames):
        found = attack(target, frames, corpus(target))
        name = str(target.placement).partition(" at ")[0]
    judged = goals(found)
    print(f"AlexNet's node of {name}, a process of its own; {time.perf_counter() - begin:.0f} s")
    print("\n".join(table(["goal", "measured", "aim", "met"], [goal.row() for goal in judged])))
    for line in (*found.wrong, *found.unserved, *found.log_lines):
        print(f"* {line}")
    return 0 if all(goal.met for goal in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
