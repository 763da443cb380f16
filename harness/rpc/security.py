"""Who may talk to whom: mutual TLS 1.3 with the keys of one farm, and nothing else."""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.farm.key_folder import CA_FILE, CERTIFICATE_FILE, KEY_FILE, keys_of
from harness.rpc.cipher_order import CHACHA_FIRST, has_aes

_PRIORITIZE_CHACHA: Final = 1 << 21
"""OpenSSL's SSL_OP_PRIORITIZE_CHACHA, which the module ssl does not name: follow a client that puts it first."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_AGAIN: Final = "make keys with `iot-farm farm keys TARGET`, and copy this device's folder here"


@dataclass(frozen=True)
class Security:
    """The keys of one device of a farm.

    Attributes:
        ca: certificate of the farm's authority, the only one that is trusted.
        certificate: of this device.
        key: belongs to it; nobody else may read the file.
    """

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def load(cls, folder: Path) -> Security:
        """The keys in a device's folder, tried out.

        Raises:
            BadInputError: a file is missing or is none of its kind, or others may read the key.
        """
        found = cls(folder / CA_FILE, folder / CERTIFICATE_FILE, folder / KEY_FILE)
        for path in (found.ca, found.certificate, found.key):
            if not path.is_file():
                raise BadInputError(f"{path} is missing", _AGAIN)
        if found.key.stat().st_mode & _OTHERS:
            raise BadInputError(f"others may read {found.key}", f"chmod 600 {found.key}")
        _ = found.server_context, found.client_context
        return found

    @cached_property
    def server_context(self) -> ssl.SSLContext:
        """For who listens: shows its certificate, asks for the peer's."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0  # connections are kept: there is nothing to resume
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | _PRIORITIZE_CHACHA
        return context

    @cached_property
    def client_context(self) -> ssl.SSLContext:
        """For who connects: the same, and the certificate must carry the host that it wanted."""
        context = self._context(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = True
        context.hostname_checks_common_name = False
        return context

    def _context(self, side: ssl._SSLMethod) -> ssl.SSLContext:
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        try:
            context.load_verify_locations(self.ca)
            context.load_cert_chain(self.certificate, self.key, password=_refuse_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise BadInputError(f"the keys in {self.key.parent} cannot be used: {_short(error)}", _AGAIN) from error
        choose = getattr(context, "set_ciphersuites", None)  # before Python 3.15 see `prefer_chacha`
        if choose is not None and not has_aes():
            choose(CHACHA_FIRST)
        return context


def security_of(farm: FarmConfig, host: str | None = None) -> Security | None:
    """The keys that this machine uses in a farm, see `keys_of`; None where the farm has none here.

    Raises:
        BadInputError: the farm has keys, and none that this device can use.
    """
    folder = keys_of(farm, host)
    return None if folder is None else Security.load(folder)


def _refuse_password() -> str:
    raise ValueError("the key asks for a password, and a node has nobody to ask")


def _short(error: Exception) -> str:
    return (getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)).replace("_", " ").lower()
