"""A record without what is nobody else's business: absolute paths and addresses of machines become stand-ins.

The same text gets the same stand-in everywhere in one record, so that what was equal stays equal and the record can
still be checked. It is sealed anew and says that it was redacted; the original's digest is not kept, since a digest
of a private address can be undone by trying them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.records.canonical import canonical
from harness.records.privacy import Private

MARK = "addresses and paths"
"""What `redacted` holds in a record."""

_HOST = re.compile(r"[A-Za-z](?:[\w.-]{0,250}\w)?", re.ASCII)
_PORT = re.compile(r"(.+):\d{1,5}", re.ASCII)
_ORDINARY = {"localhost", "initial", "host"}


@dataclass(frozen=True)
class Redacted:
    """A record as it leaves the machine.

    Attributes:
        content: canonical bytes of the record.
        files: name in its manifest -> bytes.
        removed: the private text -> its stand-in.
    """

    content: bytes
    files: dict[str, bytes]
    removed: dict[str, str]


def redacted(document: Mapping[str, Any], files: Mapping[str, bytes]) -> Redacted:
    """Take absolute paths, IP and MAC addresses and names of the farm's machines out of a record.

    Loopback addresses tell nothing and stay. A record in which nothing private was found is returned as it was.

    Args:
        document: the record, sealed.
        files: what its manifest names (`power.csv`).
    """
    private = _Names(_hosts(document))
    cleaned = {name: private.text_file(content) for name, content in files.items()}
    sealed = private.record({**document, "redacted": MARK}, cleaned)
    if not private.found:
        return Redacted(canonical(document), dict(files), {})
    return Redacted(canonical(sealed), cleaned, dict(private.found))


class _Names(Private):
    """Also finds the names of a farm's machines."""

    def __init__(self, hosts: Iterable[str]) -> None:
        super().__init__()
        names = "|".join(re.escape(host) for host in sorted(hosts, key=len, reverse=True))
        self._hosts = re.compile(rf"(?<![\w.-])(?:{names})(?![\w-]|\.\w)") if names else None

    def text(self, text: str) -> str:
        text = super().text(text)
        if self._hosts is None:
            return text
        return self._hosts.sub(lambda match: self._stand_in("address", match[0]), text)

    def text_file(self, content: bytes) -> bytes:
        """The bytes of a trace; its comment lines name the instrument."""
        lines = content.split(b"\n")
        return b"\n".join(self._line(line) if line.startswith(b"#") else line for line in lines)

    def _line(self, line: bytes) -> bytes:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            return line
        # Inside JSON a path of its own begins at a quote, and ends at one.
        return re.sub(r'"(?:[^"\\]|\\.)*"', lambda match: f'"{self.text(match[0][1:-1])}"', text).encode()


def _hosts(document: Mapping[str, Any]) -> set[str]:
    """Names of machines (not addresses) that the record gives a port, as long as they name nothing else in it."""
    target, plan, model = (_mapping(document.get(key)) for key in ("target", "plan", "model"))
    roles = _mapping(target.get("roles"))
    found = {match[1] for text in _texts([roles, plan]) if (match := _PORT.fullmatch(text))}
    nodes = document.get("nodes")
    for node in nodes if isinstance(nodes, list) else ():
        host = _mapping(_mapping(node).get("description")).get("host")
        found |= {host} if isinstance(host, str) else set()
    words = {text for text in (target.get("name"), model.get("name"), plan.get("partition")) if isinstance(text, str)}
    return {host for host in found if _HOST.fullmatch(host)} - words - set(roles) - _ORDINARY


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _texts(child)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
