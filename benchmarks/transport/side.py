"""One process of a pair: `python -m benchmarks.transport.side server|client MODULE:CLASS --core N`.

It is tied to one core before anything else is imported, so that threads of libraries are, too; and to another one
where a slot asks for that.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.child import say
from benchmarks.transport.payloads import Receiver, payloads
from benchmarks.transport.speaking import Client, Server
from benchmarks.transport.timing import Pace


def _tie(core: int) -> None:
    """Tie every thread of this process to a core; those to come inherit it."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(thread.name), {core})


def _serve(server: Server) -> None:
    receiver = Receiver()
    threading.Thread(target=server.serve, args=(receiver, lambda port: say({"port": port})), daemon=True).start()
    begin_s = time.process_time()
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["ask"] == "begin":
            _tie(asked["core"])
            receiver.begin()
            begin_s = time.process_time()
            say({})
        else:
            cpu_s = time.process_time() - begin_s
            say({"arrived": asdict(receiver.arrived()), "cpu_s": cpu_s})


def _send(client: Client, port: int) -> None:
    client.connect(port)
    gc.collect()
    gc.freeze()
    say({"connected": port})
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        _tie(asked["core"])
        say(asdict(client.slot(payloads(asked["size"]), Pace(asked["run_s"], asked["least"]))))


def main() -> None:
    """Serve or send as told on standard input, until it closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["server", "client"])
    parser.add_argument("speaker", help="MODULE:CLASS in benchmarks.transport")
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    module, _, name = options.speaker.partition(":")
    speaker = getattr(importlib.import_module(f"benchmarks.transport.{module}"), name)()
    if options.side == "server":
        _serve(speaker)
    else:
        _send(speaker, options.port)
    sys.stdout.flush()
    os._exit(0)  # threads of libraries would keep the process


if __name__ == "__main__":
    main()
