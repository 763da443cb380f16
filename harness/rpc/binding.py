"""The listening socket of a server, with errors that say what is in the way."""

import errno
import socket
from typing import Final

import psutil

from harness.errors import BadInputError

_BACKLOG: Final = 128


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen.

    Args:
        host: address or name of this machine.
        port: TCP port; 0 takes any free one.

    Raises:
        BadInputError: the address is not of this machine, or the port is taken or forbidden.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise BadInputError(f"the host name '{host}' is not known", "write its address into the farm file") from error
    sock = socket.socket(family, kind, protocol)
    try:
        # Before bind, so that a restarted node gets its port back while old connections fade away.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise _explained(error, host, str(address[0]), port) from error
    sock.setblocking(False)
    return sock


def _explained(error: OSError, host: str, address: str, port: int) -> BadInputError:
    if error.errno == errno.EADDRINUSE:
        return BadInputError(
            f"port {port} on {host} is taken by {_holder(address, port)}",
            "stop that process, or give the node another port in the farm file",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return BadInputError(f"{host} is not an address of this machine", "correct the farm file, or start it there")
    if error.errno == errno.EACCES:
        return BadInputError(f"port {port} on {host} may not be used", "take a port above 1023")
    return BadInputError(f"cannot listen on {host}:{port}: {error.strerror}", "correct the farm file")


def _holder(address: str, port: int) -> str:
    same = {(address, port), ("0.0.0.0", port), ("::", port)}  # noqa: S104  compared with, not bound to
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) in same
            if listens and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass  # not ours to see, or gone meanwhile
    return "another process"
