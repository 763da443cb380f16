"""Which files an experiment entry of Collective Knowledge has; everything else stays out of archives."""

from __future__ import annotations

import re

from harness.records.entries.entry import MODULE, MODULE_UID, RECORDS_FOLDER

UID = re.compile(r"[0-9a-f]{16}", re.ASCII)
"""A CK UID."""

_UID = UID.pattern
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"

CACHE = re.compile(rf"{MODULE}/{_NAME}/ckp-{_UID}\.{_UID}\.cache\.json", re.ASCII)
"""Left by dashboards in an entry; says nothing that is not elsewhere in it, and may be stale."""

FILES = re.compile(
    rf"""\.cm/alias-a-{MODULE} | \.cm/alias-u-{MODULE_UID}
    | {MODULE}/\.cm/alias-(a-{_NAME}|u-{_UID})
    | {MODULE}/{_NAME}/(
        \.cm/(meta|info|desc|updates)\.json | desc\.json | pipeline\.json
        | ckp-{_UID}\.(\d{{4}}|flat|features|features_flat|desc|deps)\.json
        | {RECORDS_FOLDER}/{_NAME}\.(json|power\.csv)
    )""",
    re.ASCII | re.VERBOSE,
)
"""Files that travel, relative to the repository."""

FOLDERS = re.compile(rf"\.cm/|{MODULE}/(\.cm/|{_NAME}/(\.cm/|{RECORDS_FOLDER}/)?)?", re.ASCII)
"""Their folders, as archives name them."""
