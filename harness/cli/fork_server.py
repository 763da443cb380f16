"""What `farm up` and `node` start to have several nodes: it imports while they plan, then forks what they ask for.

`python -m harness.cli.fork_server`; an end of standard input means that nobody needs nodes after all.
"""

from __future__ import annotations

import sys

from harness.cli.app import main as command_line
from harness.ending import watch_for_the_end
from harness.rpc.cipher_order import prefer_chacha


def main() -> None:
    """Import, read the request, and go on as the command `node` that it contains."""
    watch_for_the_end()  # of each node, too
    prefer_chacha()  # before anything imports what loads OpenSSL
    import harness.cli.node
    import harness.node.fork_server  # noqa: F401  needed in a moment
    from harness.node.births import Request

    line = sys.stdin.buffer.readline().decode()
    if line:
        command_line([*Request.from_line(line).arguments, "--fork-server", line])


if __name__ == "__main__":
    main()
