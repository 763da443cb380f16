"""Tensors over a network that loses packets; a program for a network namespace of its own.

Usage: lossy_network.py PERCENT FRAMES. Brings up the loopback, lets nft drop packets by chance in both directions,
sends frames with an outbox to a server, and prints as JSON what became of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import time

from harness.farm.config import Address
from harness.rpc import event_loop
from harness.rpc.lane import Parcel
from harness.rpc.limits import Limits
from harness.rpc.outbox import Outbox
from harness.rpc.server import RpcServer

PORT = 12345
RULES = """
table inet lossy {{
  chain arriving {{
    type filter hook input priority 0;
    meta l4proto tcp numgen random mod 100 < {percent} counter drop
  }}
}}
"""
DEADLINE_S = 60.0


class Taker:
    """Keeps a digest of every tensor that comes."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002, ARG002
        """Take one."""
        self.came.append((tag, hashlib.sha256(input).hexdigest()))


async def send(frames: int) -> dict[str, float]:
    """Send frames; how many came, twice, right, and how fast."""
    taker = Taker()
    server = RpcServer(taker, Limits(max_message_bytes=10**6))
    address = Address(*await server.start(("127.0.0.1", PORT)))
    outbox = Outbox(DEADLINE_S)
    tensors = {str(frame): frame.to_bytes(4, "big") * 6000 for frame in range(frames)}
    begun_s = time.monotonic()
    loop = asyncio.get_running_loop()
    told = [loop.create_future() for _ in tensors]
    for future, (tag, tensor) in zip(told, tensors.items(), strict=True):
        outbox.put(address, Parcel(tensor, "fc1", tag, future.set_result))
    failed = sum(error is not None for error in await asyncio.gather(*told))
    took_s = time.monotonic() - begun_s
    await outbox.close()
    await server.close()
    wanted = {(tag, hashlib.sha256(tensor).hexdigest()) for tag, tensor in tensors.items()}
    different = set(taker.came)
    return {
        "frames": frames,
        "lost": len(wanted - different),
        "wrong": len(different - wanted),
        "again": len(taker.came) - len(different),
        "failed": failed,
        "per_s": frames / took_s,
    }


def main(percent: int, frames: int) -> None:
    """Make the network, use it, and tell."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if percent:
        subprocess.run(["nft", "-f", "-"], input=RULES.format(percent=percent), text=True, check=True)
    told = event_loop.run(send(frames))
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    dropped = re.search(r"counter packets (\d+)", rules)
    print(json.dumps({**told, "dropped": int(dropped[1]) if dropped else 0}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
