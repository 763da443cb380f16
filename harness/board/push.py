"""Sends records to a scoreboard: what leaves is collected first and shown, then sent in parts that survive a cut."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.board.push_wire import Caller, TryAgainError
from harness.board.redaction import redacted
from harness.board.words import plain
from harness.errors import BadInputError, FarmError, NotFoundError
from harness.records.check import check_file
from harness.records.entries.entry import MODULE, MODULE_UID, RECORDS_FOLDER
from harness.records.entries.unpack import entries_in_zip
from harness.records.manifest import beside, broken_seals
from harness.records.store import read_record

LOOSE = "ck-iot-farm-records"
"""Name of the entry in which records travel that lie in no entry."""
_PART_BYTES = 1024 * 1024
_TRIES = 6
_EPOCH = (1980, 1, 1, 0, 0, 0)
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,190}", re.ASCII)


@dataclass(frozen=True)
class Parcel:
    """One record as it leaves the machine.

    Attributes:
        entry: experiment entry that it travels in.
        name: stem of its file.
        verdict: what the checks say here.
        fields: what the record holds, by name.
        files: name in the entry's folder of records -> bytes.
        removed: private text -> its stand-in.
    """

    entry: str
    name: str
    verdict: str
    fields: tuple[str, ...]
    files: dict[str, bytes]
    removed: dict[str, str]


@dataclass(frozen=True)
class Shipment:
    """What is about to leave.

    Attributes:
        parcels: the records.
        without: entries in which there is no record of ours, and nothing to send.
        archive: the bytes that travel; the same records give the same bytes.
    """

    parcels: tuple[Parcel, ...]
    without: tuple[str, ...]
    archive: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the archive."""
        return hashlib.sha256(self.archive).hexdigest()


def collect(sources: Sequence[Path], *, with_addresses: bool = False) -> Shipment:
    """Gather records, check each, and make what leaves of them.

    Only our raw records leave: CK's own files of an entry say nothing that is not in them, and hold paths.

    Args:
        sources: records, CK entries, or archives that `ck zip` made.
        with_addresses: leave absolute paths and addresses of machines in.

    Raises:
        NotFoundError: a source does not exist.
        BadInputError: a source is none of those, a record was changed after it was written, or there is none.
    """
    parcels: dict[tuple[str, str], Parcel] = {}
    without: list[str] = []
    for source in sources:
        with tempfile.TemporaryDirectory() as folder:
            for entry, records in _records_of(source, Path(folder) / "repository"):
                if not records:
                    without.append(entry)
                for record in records:
                    parcel = _parcel(entry, record, with_addresses=with_addresses)
                    parcels[parcel.entry, parcel.name] = parcel
    if not parcels:
        raise BadInputError(
            "there is no record to send", "iot-farm run makes one; entries without iot-farm/ hold nothing to check"
        )
    chosen = tuple(parcels[key] for key in sorted(parcels))
    return Shipment(chosen, tuple(without), _packed(chosen))


def address_of(url: str) -> str:
    """The address of a scoreboard without a slash at its end.

    Raises:
        BadInputError: it is no http or https address.
    """
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        bad = True
    if bad:
        raise BadInputError(f"{plain(url)} is no address of a scoreboard", "http://127.0.0.1:8000 is one")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInputError("the address of a scoreboard holds no user, query or fragment", "use --token")
    return url.rstrip("/")


def send(shipment: Shipment, url: str, token: str, told: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Send an archive, from where an earlier attempt ended; a connection that breaks is tried again.

    Args:
        shipment: of `collect`.
        url: of the scoreboard.
        token: that its keeper gave.
        told: is called with the bytes that have arrived, and with all bytes; None for nobody.

    Returns:
        The scoreboard's answer: `records`, each with `answer`, `verdict` and `reasons`.

    Raises:
        BadInputError: the scoreboard refuses.
        FarmError: it does not answer, or not as a scoreboard does.
    """
    place = f"{address_of(url)}/api/uploads/{shipment.digest}"
    total = len(shipment.archive)
    failures = 0
    offset: int | None = None
    with Caller(token) as caller:
        while True:
            try:
                if offset is None:
                    offset = _whole_number(caller.ask("GET", place).get("offset"))
                part = shipment.archive[offset : offset + _PART_BYTES]
                answer = caller.ask("PUT", place, params={"offset": offset, "length": total}, content=part)
            except TryAgainError as error:
                failures += 1
                if failures == _TRIES:
                    raise FarmError(error.message, "the same command goes on where this one ended") from None
                time.sleep(min(4.0, 0.25 * 2**failures))
                offset = None
                continue
            if isinstance(answer.get("records"), list):
                if told:
                    told(total, total)
                return answer
            reached = _whole_number(answer.get("offset"))
            if not offset < reached <= total:
                raise FarmError(f"the scoreboard has {reached} bytes of {total} after {offset}", "is it a scoreboard?")
            offset, failures = reached, 0
            if told:
                told(offset, total)


def withdraw(record: str, url: str, token: str, why: str = "") -> dict[str, Any]:
    """Take a record back.

    Raises:
        BadInputError: the scoreboard refuses.
        FarmError: it does not answer, or not as a scoreboard does.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", record):
        raise BadInputError(f"{plain(record)} is no id of a record", "16 hexadecimal digits, as push prints them")
    with Caller(token) as caller:
        try:
            return caller.ask("DELETE", f"{address_of(url)}/api/records/{record}", params={"why": why} if why else {})
        except TryAgainError as error:
            raise FarmError(error.message, "try again later") from None


def _records_of(source: Path, into: Path) -> list[tuple[str, list[Path]]]:
    """Entry -> its records."""
    if not source.exists():
        raise NotFoundError(f"there is no {source}", "name a record, a CK entry, or an archive of `ck zip`")
    if source.is_file() and source.suffix == ".json":
        return [(LOOSE, [source])]
    if source.is_file():
        entries: Sequence[Path] = entries_in_zip(source, into)
    elif (source / ".cm" / "meta.json").is_file():
        entries = [source.resolve()]
    else:
        raise BadInputError(
            f"{source} is neither a record, nor a CK entry, nor an archive",
            "name one of those; a folder's records are *.json",
        )
    return [(entry.name, sorted((entry / RECORDS_FOLDER).glob("*.json"))) for entry in entries]


def _parcel(entry: str, record: Path, *, with_addresses: bool) -> Parcel:
    if not _STEM.fullmatch(record.stem):
        raise BadInputError(f"{record} has a name that does not travel", "letters, digits, '.', '_' and '-'")
    document = read_record(record)
    manifest = document["manifest"]
    broken = ["it has no manifest: it is of the first layout"] if manifest is None else broken_seals(document, record)
    if broken:
        raise BadInputError(f"{record.name} cannot be sent: {broken[0]}", "send the record as it was written")
    verdict = check_file(record).status
    files = {name: beside(record, name).read_bytes() for name in manifest["files"]}
    content, removed = record.read_bytes(), dict[str, str]()
    if not with_addresses:
        clean = redacted(document, files)
        content, files, removed = clean.content, clean.files, clean.removed
    named = {f"{record.stem}.json": content} | {f"{record.stem}.{name}": data for name, data in files.items()}
    return Parcel(entry, record.stem, str(verdict), tuple(sorted(document)), named, removed)


def _packed(parcels: Sequence[Parcel]) -> bytes:
    """An archive as `ck zip` makes it, of nothing but the records."""
    members: dict[str, bytes] = {
        f".cm/alias-a-{MODULE}": f"{MODULE_UID}\n".encode(),
        f".cm/alias-u-{MODULE_UID}": f"{MODULE}\n".encode(),
    }
    for parcel in parcels:
        uid = hashlib.sha256(parcel.entry.encode()).hexdigest()[:16]
        members[f"{MODULE}/.cm/alias-a-{parcel.entry}"] = f"{uid}\n".encode()
        members[f"{MODULE}/.cm/alias-u-{uid}"] = f"{parcel.entry}\n".encode()
        members[f"{MODULE}/{parcel.entry}/.cm/meta.json"] = b"{}\n"
        for name, content in parcel.files.items():
            members[f"{MODULE}/{parcel.entry}/{RECORDS_FOLDER}/{name}"] = content
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in sorted(members):
            info = zipfile.ZipInfo(member, _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, members[member])
    return stream.getvalue()


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise FarmError("the scoreboard does not say how much has arrived", "is it a scoreboard?")
    return value
