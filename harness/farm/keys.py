"""The keys of a farm: an authority of its own, and a certificate for each device."""

from __future__ import annotations

import ipaddress
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.farm.key_folder import (
    CA_FILE,
    CA_KEY_FILE,
    CERTIFICATE_FILE,
    DEFAULT_DAYS,
    KEY_FILE,
    device_folder,
    farm_name,
    hosts,
    keys_root,
)

_EARLIER: Final = timedelta(days=1)
"""Certificates hold since yesterday: the clock of a Pi may be late until it has asked the network."""
_NAME_LENGTH: Final = 64
_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class MadeKeys:
    """What `make_keys` wrote.

    Attributes:
        folder: of the farm.
        devices: host -> folder that belongs on that device.
        until: when the new certificates expire.
    """

    folder: Path
    devices: dict[str, Path]
    until: datetime


def make_keys(
    farm: FarmConfig,
    *others: str,
    root: Path | None = None,
    days: int = DEFAULT_DAYS,
    force: bool = False,
) -> MadeKeys:
    """Make keys for every device of a farm; where the farm has keys, for those devices that have none.

    Args:
        farm: its hosts get one certificate each.
        others: hosts that may join the farm, and do not stand in its file.
        root: folder of all farms' keys; None is the usual one.
        days: how long the certificates hold.
        force: make the authority and all keys anew; every device then needs its new folder.

    Raises:
        BadInputError: every device has keys already, or the folder is none of keys or cannot be written.
    """
    folder = (root or keys_root()) / farm_name(Path(farm.source))
    if folder.exists() and not (folder / CA_FILE).is_file():
        raise BadInputError(f"{folder} holds no keys", "name another folder with --out")
    fresh = force or not folder.exists()
    wanted = [
        host for host in dict.fromkeys((*hosts(farm), *others)) if fresh or not device_folder(folder, host).exists()
    ]
    if not wanted:
        raise BadInputError(
            f"{folder} has keys for every device of the farm",
            "--force makes all of them anew, --also HOST one for a device more",
        )
    try:
        return _write(folder, farm_name(Path(farm.source)), wanted, days, fresh=fresh)
    except OSError as error:
        raise BadInputError(f"{folder} cannot be written: {error.strerror}", "name another one with --out") from error


def _write(folder: Path, name: str, wanted: list[str], days: int, *, fresh: bool) -> MadeKeys:
    authority = _new_authority(name, days) if fresh else _authority_of(folder)
    until = min(datetime.now(UTC) + timedelta(days=days), authority.certificate.not_valid_after_utc)
    made = {host: authority.issue(host, until) for host in wanted}
    # Beside it first: a full disk must not leave half of the keys, or none.
    target = folder.with_name(f"{folder.name}.new") if fresh else folder
    if fresh:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, mode=0o700)
        device_folder(target, wanted[0]).parent.mkdir(mode=0o700)
        _create(target / CA_FILE, authority.pem)
        _create(target / CA_KEY_FILE, _pem(authority.key))
    for host, (certificate, key) in made.items():
        place = device_folder(target, host)
        place.mkdir(mode=0o700)
        _create(place / CA_FILE, authority.pem)
        _create(place / CERTIFICATE_FILE, certificate)
        _create(place / KEY_FILE, key)
    if fresh:
        if folder.exists():
            shutil.rmtree(folder)
        target.rename(folder)
    return MadeKeys(folder, {host: device_folder(folder, host) for host in wanted}, until)


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: _Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, host: str, until: datetime) -> tuple[bytes, bytes]:
        """Certificate and key of a device, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(_named(host), key, until)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def _new_authority(name: str, days: int) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(f"iot-farm {name}")
    certificate = (
        _builder(subject, key, datetime.now(UTC) + timedelta(days=days))
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key)


def _authority_of(folder: Path) -> _Authority:
    try:
        certificate = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
        key = serialization.load_pem_private_key((folder / CA_KEY_FILE).read_bytes(), password=None)
    except FileNotFoundError:
        raise BadInputError(
            f"{folder} has no {CA_KEY_FILE}", "add devices where the farm's keys were made, or --force"
        ) from None
    except (ValueError, TypeError) as error:
        raise BadInputError(f"the authority in {folder} cannot be read: {error}", "--force makes a new one") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise BadInputError(f"{CA_FILE} and {CA_KEY_FILE} in {folder} do not belong together", "--force makes new ones")
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise BadInputError(f"the authority in {folder} has expired", "--force makes a new one")
    return _Authority(certificate, key)


def _builder(subject: x509.Name, key: _Key, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _EARLIER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_NAME_LENGTH])])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _create(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
