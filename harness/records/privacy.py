"""Absolute paths and network addresses in what is about to leave the machine, and stand-ins for them.

The same text gets the same stand-in (`address-1`, `path-2`) everywhere in one archive, so that what was equal stays
equal: a farm keeps its shape, statistics of choices still follow from their values. Loopback addresses tell nothing
and stay.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any

from harness.records.manifest import content_sha256

_PATH_BODY = r"[^\s\"'<>|;,(){}\[\]]"
_PRIVATE = re.compile(
    rf"""(?P<path> (?:file://|(?<![\w/.~-]))/(?!/){_PATH_BODY}+ | (?<!\w)[A-Za-z]:\\{_PATH_BODY}+ )
    | (?P<v4> (?<![\d.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?!\d|\.\d) )
    | (?P<v6> (?<![\w:])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}[0-9A-Fa-f.]*(?![\w:]) )""",
    re.VERBOSE | re.ASCII,
)

_ROOTS = "home|root|Users|tmp|var|usr|opt|etc|mnt|media|srv|dev|run|work|data|private|Volumes"
_STUCK = re.compile(
    rf"""(?P<path> (?<![\w/]//)(?<!//)/(?:{_ROOTS})/[^\s"'<>|;,)]+ )
    | (?P<v4> (?<![\d.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![\d]|\.\d) )
    | (?P<colons> [0-9A-Fa-f:.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]* )
""",
    re.VERBOSE | re.ASCII,
)
"""What hides behind a letter or a colon: "ASRL/dev/ttyUSB0", "weights:/home/...", "eth0_10.0.0.7"."""
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)


class Private:
    """Replaces private text by stand-ins and remembers what it replaced.

    Attributes:
        found: the private text -> its stand-in, in the order in which it came up.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def text(self, text: str) -> str:
        """A text without private parts."""
        if text.startswith("/") and len(text) > 1 and "\n" not in text:
            return self._stand_in("path", text)  # a path of its own may hold blanks
        return _STUCK.sub(self._stuck, _PRIVATE.sub(self._replaced, text))

    def document(self, value: Any) -> Any:
        """Nested data without private parts, in keys and in values; a copy."""
        if isinstance(value, dict):
            return {self.text(str(key)): self.document(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.document(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def record(self, document: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
        """One of our raw records without private parts, its manifest made anew.

        Args:
            document: the record.
            files: what its manifest names (`power.csv`), as it will be sent.
        """
        cleaned: dict[str, Any] = self.document(dict(document))
        manifest = cleaned.get("manifest")
        if isinstance(manifest, dict):
            for name, content in files.items():
                manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            manifest["record_sha256"] = content_sha256(cleaned)
        return cleaned

    def _replaced(self, match: re.Match[str]) -> str:
        text = match[0]
        if match["path"]:
            return self._stand_in("path", text)
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        tells_nothing = address.is_loopback or address.is_unspecified
        return text if tells_nothing else self._stand_in("address", text)

    def _stuck(self, match: re.Match[str]) -> str:
        text = match[0]
        if match["colons"]:
            address = _inside(match)
            return text.replace(address, self._stand_in("address", address)) if address else text
        if match["v4"] and not _tells(text):
            return text
        return self._stand_in("path" if match["path"] else "address", text)

    def _stand_in(self, kind: str, text: str) -> str:
        if text not in self.found:
            number = 1 + sum(name.startswith(f"{kind}-") for name in self.found.values())
            self.found[text] = f"{kind}-{number}"
        return self.found[text]


def _tells(text: str) -> bool:
    """Whether it is an address, and not one that every machine has."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _inside(match: re.Match[str]) -> str:
    """The address among hexadecimal digits and colons; what belongs to a word before or behind them is none of it."""
    text = match[0]
    if match.start() and match.string[match.start() - 1].isalnum():
        text = text.partition(":")[2]
    if match.string[match.end() : match.end() + 1].isalnum():
        text = text.rpartition(":")[0]
    tries = (text, text.rstrip(":."), text.lstrip(":."), text.strip(":."))
    return next((one for one in tries if _tells(one) or _MAC.fullmatch(one)), "")


def private_text(document: Any) -> tuple[str, ...]:
    """Every absolute path and network address in nested data, each once."""
    private = Private()
    private.document(document)
    return tuple(private.found)


def to_json(document: Any) -> bytes:
    """JSON as CK lays it out."""
    return (json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n").encode("ascii")
