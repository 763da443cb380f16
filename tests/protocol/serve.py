"""A server of protocol `image` as a process of its own, for the tests: prints its address when it listens.

Usage: serve.py HOST LIMITS, where LIMITS is a JSON object of the fields of `harness.rpc.limits.Limits`.
"""

import asyncio
import hashlib
import json
import os
import sys
from typing import Any

from harness.rpc import event_loop
from harness.rpc.errors import RemoteError
from harness.rpc.limits import Limits
from harness.rpc.server import RpcServer


class Recorder:
    """Remembers the last tensor, and tells about it in `statistics`."""

    def __init__(self) -> None:
        self.run = ""
        self.received = 0
        self.bytes_in = 0
        self.last: list[str] = []
        self.stopped = asyncio.Event()

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002
        """Remember one tensor, or fail as `next` says."""
        if next == "refuse":
            raise RemoteError(f"busy: the queue of {next} is full")
        if next == "bug":
            raise KeyError("a defect of the handler")
        self.received += 1
        self.bytes_in += len(input)
        self.last = [hashlib.sha256(input).hexdigest(), next, tag]

    def describe(self) -> dict[str, Any]:
        """Fields of every type."""
        texts = ("software", "host", "role", "model", "partition", "weights", "model_fingerprint", "emulates")
        numbers = ("port", "part", "parts", "replica", "threads", "core", "input_bytes", "output_bytes")
        description: dict[str, Any] = {name: f"the {name}" for name in (*texts, "block_fingerprint", "runtime")}
        return description | dict.fromkeys(numbers, 7) | {"pid": os.getpid()}

    def environment(self) -> str:
        """A document of one word."""
        return '{"machine":"test"}'

    def begin(self, run: str) -> None:
        """Forget everything."""
        self.run, self.received, self.bytes_in = run, 0, 0

    def statistics(self, run: str) -> dict[str, Any]:
        """Tell what came."""
        if run != self.run:
            raise RemoteError(f"run {run} is not known here")
        zeros = dict.fromkeys(("computed", "sent", "duplicates", "refused", "bytes_out", "rss_bytes", "late"), 0)
        figures = {
            "run": run,
            "received": self.received,
            "bytes_in": self.bytes_in,
            "cpu_s": 0.5,
            "wall_s": 2.0,
        }
        return (
            zeros
            | figures
            | {
                "compute_s": [0.25, 0.5],
                "queue_s": [],
                "errors": self.last,
                "shares": [{"role": "fc1", "part": 1, "computed": 2}],
            }
        )

    def probe(self, input: bytes | memoryview) -> int:  # noqa: A002
        """The size."""
        return len(input)

    def seat(self, run: str, table: dict[str, Any]) -> None:
        """Say what came in the error."""
        raise RemoteError(f"{run} {table}")

    def state(self) -> dict[str, Any]:
        """Fields of every type."""
        held = [{"role": "fc1", "part": 1, "block_fingerprint": "ab12"}]
        return {
            "run": self.run,
            "epoch": -1,
            "held": held,
            "waiting": 3,
            "computed": 4,
            "unreachable": ["a:1"],
            "error": "",
        }

    def join(self, address: str) -> None:
        """Say what came in the error."""
        raise RemoteError(f"join {address}")

    def leave(self, address: str) -> None:
        """Say what came in the error."""
        raise RemoteError(f"leave {address}")

    def watch(self) -> str:
        """A document of one word."""
        return '{"epoch":3}'

    def stop(self, reason: str) -> None:
        """End the process."""
        if reason != "end of the test":
            raise RemoteError(f"no reason to stop: {reason}")
        self.stopped.set()


async def main(host: str, limits: Limits) -> None:
    """Serve until `stop`."""
    recorder = Recorder()
    server = RpcServer(recorder, limits)
    address = await server.start((host, 0))
    print(json.dumps(address), flush=True)
    await recorder.stopped.wait()
    await server.close()


if __name__ == "__main__":
    event_loop.run(main(sys.argv[1], Limits(**json.loads(sys.argv[2]))))
