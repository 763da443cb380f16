"""Archives as `ck zip` makes them, around records that pass the checks."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.records.canonical import canonical
from harness.records.entries.entry import MODULE, MODULE_UID
from harness.records.manifest import seal

UID = "0123456789abcdef"


def members_of(name: str, files: Mapping[str, bytes], uid: str = UID) -> dict[str, bytes]:
    """What an archive of one entry holds: member -> content."""
    return {
        f".cm/alias-a-{MODULE}": f"{MODULE_UID}\n".encode(),
        f".cm/alias-u-{MODULE_UID}": f"{MODULE}\n".encode(),
        f"{MODULE}/.cm/alias-a-{name}": f"{uid}\n".encode(),
        f"{MODULE}/.cm/alias-u-{uid}": f"{name}\n".encode(),
        f"{MODULE}/{name}/.cm/meta.json": json.dumps({"tags": ["request"], "meta": {}}).encode(),
        **{f"{MODULE}/{name}/iot-farm/{file}": content for file, content in files.items()},
    }


def packed(members: Mapping[str, bytes]) -> bytes:
    """The bytes of an archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def archive_of(*documents: Mapping[str, Any], name: str = "our-entry") -> bytes:
    """An archive of one entry with some records."""
    return packed(members_of(name, {f"run-{number}.json": canonical(one) for number, one in enumerate(documents)}))


def sealed(document: Mapping[str, Any], folder: Path | None = None) -> dict[str, Any]:
    """A record whose manifest fits it again."""
    del folder
    return seal(document)
