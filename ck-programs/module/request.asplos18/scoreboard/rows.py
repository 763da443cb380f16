"""Rows of the scoreboard: one for each point of an entry whose repetitions succeeded."""

import json
import math
import re
from pathlib import Path

from .dimensions import DIMENSIONS, META, RUN
from .system import DECLARED, meta_of
from .verdicts import RECORD_KEY, judge

MAX_FILE_BYTES = 64 * 1024 * 1024  # the largest flat file of a real entry has 60 kB
LONGEST_TEXT = 300  # characters
POINT = re.compile(r"ckp-([0-9a-f]{16})\.flat\.json")
ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
CLAIMED = tuple("##choices#env#" + name for name in ("CK_TARGET", "CK_CPU_FREQUENCY", "CK_GPU_FREQUENCY"))
ENDINGS = ("min", "mean", "max")
MEASURED, VIRTUAL = "measured", "virtual"


def rows_of(entries):
    """Rows of entries.

    Args:
        entries: dictionaries with `path`, `repo_uoa`, `data_uoa`, `data_uid` and `meta` (the entry's whole meta).

    Returns:
        Rows, and for each entry or point that gives none one line with the reason.
    """
    rows, left_out = [], []
    for entry in entries:
        for path in sorted(Path(entry["path"]).glob("ckp-*.flat.json")):
            match = POINT.fullmatch(path.name)
            if not match:
                continue
            try:
                flat = _read(path)
            except (OSError, ValueError, RecursionError) as error:
                left_out.append("%s, point %s: %s" % (plain(entry["data_uoa"]), match[1], error))
                continue
            if _failed(flat):
                left_out.append("%s, point %s: a repetition failed" % (plain(entry["data_uoa"]), match[1]))
                continue
            rows.append(_row(entry, match[1], flat))
    return sorted(rows, key=lambda row: (str(row.get(META + "model_design_name")), row["##data_uoa"])), left_out


def inner_meta(entry):
    """What an entry says about system, model and software."""
    meta = entry["meta"].get("meta", {}) if isinstance(entry["meta"], dict) else {}
    return meta if isinstance(meta, dict) else {}


def number(value):
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def plain(value):
    """A text without what no page should be sent: control characters and unbounded length."""
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."


def _row(entry, point, flat):
    meta = inner_meta(entry)
    judged = judge(entry["path"], flat)
    ours = RECORD_KEY in flat
    row = {
        "##repo_uoa": entry["repo_uoa"],
        "##data_uoa": entry["data_uoa"],
        "##data_uid": entry["data_uid"],
        "##point_uid": point,
        "verdict": judged.verdict,
        "reasons": [plain(reason) for reason in judged.reasons],
        "marks": _marks(meta, flat, ours),
        "repetitions": flat.get(RUN + "execution_time#repeats"),
        "environment": _environment(flat),
        "software": _software(meta),
        "replay": _replay(entry, point),
    }
    if judged.record is not None:
        # An entry's meta tells of its latest run; another point of it may have run elsewhere.
        meta = {key: value for key, value in meta.items() if key not in DECLARED.values()}
        dependencies = meta.get("deps_summary")
        meta.update(meta_of(judged.record, dependencies if isinstance(dependencies, dict) else {}))
    for key, value in meta.items():
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != "":
            row[META + str(key)] = plain(value) if isinstance(value, str) else value
    for key in ("##choices#data_uoa#min", "##choices#cmd_key#min", "##choices#target#min"):
        if isinstance(flat.get(key), str):
            row[key] = plain(flat[key])
    row.update(_figures(flat, judged.confirmed, ours))
    return row


def _figures(flat, confirmed, ours):
    """Figures by flat key; what nobody measured, or does not follow from raw samples that are there, is left out."""
    found = {}
    for name in [dimension.key for dimension in DIMENSIONS if not dimension.declared] + ["frames_verified"]:
        if confirmed is not None and name not in confirmed:
            continue
        if name == "inference_latency" and not ours:
            continue  # what 2018 calls so is the time between two replies
        values = {ending: flat.get("%s%s#%s" % (RUN, name, ending)) for ending in ENDINGS}
        if not all(map(number, values.values())) or (name.startswith("accuracy") and values["max"] == 0):
            continue  # 0.0 is what 2018 wrote for accuracies that nobody measured
        found.update({"%s%s#%s" % (RUN, name, ending): value for ending, value in values.items()})
    return found


def _marks(meta, flat, ours):
    """What a row has to wear: where its energy comes from, what is emulated or rounded, when it was published."""
    marks = []
    measured = flat.get(RUN + "energy_measured#all")
    if isinstance(measured, list) and measured:
        marks.append(MEASURED if all(measured) else VIRTUAL)
    emulated = flat.get(RUN + "emulated#all", [])
    devices = {plain(name) for name in emulated if name != "no"} if isinstance(emulated, list) else {"?"}
    marks += ["emulated: " + name for name in sorted(devices)]
    wires = flat.get(RUN + "wire#all", [])
    wires = {plain(name) for name in wires} if isinstance(wires, list) else {"?"}
    marks += ["wire: " + name for name in sorted(wires)]
    if not ours:
        year = str(meta.get("timestamp", ""))[:4]
        marks.append("published " + year if year.isdigit() else "published")
    return marks


def _environment(flat):
    """What the run was told through its environment, but for paths and for clocks that CK claims unread."""
    prefix = "##choices#env#"
    found = {
        key[len(prefix) : -len("#min")]: value
        for key, value in flat.items()
        if key.startswith(prefix) and key.endswith("#min") and not key.startswith(CLAIMED)
    }
    return plain(", ".join("%s=%s" % item for item in sorted(found.items()) if not str(item[1]).startswith("/")))


def _software(meta):
    """Resolved dependencies with their versions."""
    summary = meta.get("deps_summary")
    found = (
        [summary[key] for key in sorted(summary) if isinstance(summary[key], dict)] if isinstance(summary, dict) else []
    )
    return plain(", ".join("%s %s" % (part.get("data_name", ""), part.get("version", "")) for part in found))


def _replay(entry, point):
    """The command that repeats a point; none for names that a shell might take for something else."""
    names = (str(entry["repo_uoa"]), str(entry["data_uoa"]))
    if not all(map(ALIAS.fullmatch, names)):
        return ""
    return "ck replay %s:experiment:%s --point=%s --subpoint=0001" % (*names, point)


def _failed(flat):
    """Whether a repetition failed; then there is no figure, or not of all."""
    fails = flat.get("##pipeline_state#fail#all")
    return (isinstance(fails, list) and "yes" in fails) or not isinstance(flat.get(RUN + "execution_time#all"), list)


def _read(path):
    if path.is_symlink() or path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError("it is a link or too large")
    flat = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(flat, dict):
        raise ValueError("it is no JSON object")
    return flat
