"""Who may upload: each name has one token, of which only the hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import BadInputError, NotFoundError
from harness.records.canonical import canonical, parse
from harness.records.store import write_whole

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?", re.ASCII)
_PREFIX = "iotfarm_"
_RANDOM_BYTES = 32
_LONGEST_TOKEN = 200


class Tokens:
    """The names that may upload.

    Args:
        folder: one small file for each name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def issue(self, name: str, *, renew: bool = False) -> str:
        """Make a token; it is returned once and never again, since only its hash is kept.

        256 random bits need no slow hash: nobody can try them all.

        Args:
            name: who will upload with it.
            renew: whether a token that this name has already is replaced; what it uploaded stays its own.

        Raises:
            BadInputError: the name cannot be one, or has a token.
        """
        path = self._path(name)
        if path.exists() and not renew:
            raise BadInputError(f"{name} has a token already", "--renew replaces it")
        token = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        write_whole(path, canonical({"name": name, "sha256": _hash(token), "made_utc": made}))
        path.chmod(0o600)
        return token

    def revoke(self, name: str) -> None:
        """Let a token open nothing any more.

        Raises:
            NotFoundError: the name has none.
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise NotFoundError(f"{name} has no token") from None

    def owner(self, token: str) -> str | None:
        """Whose token this is; None for nobody's. Takes as long for a near miss as for any other."""
        offered = _hash(token[:_LONGEST_TOKEN])
        found = None
        for path in sorted(self._folder.glob("*.json")):
            try:
                document = parse(path.read_bytes(), path.name)
            except (BadInputError, OSError):
                continue
            kept = document.get("sha256") if isinstance(document, dict) else None
            if isinstance(kept, str) and hmac.compare_digest(kept.encode(), offered.encode()):
                found = path.stem
        return found

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadInputError(
                f"{name[:60]!r} cannot be the name of an uploader", "up to 40 small letters, digits, '.', '_' and '-'"
            )
        return self._folder / f"{name}.json"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
