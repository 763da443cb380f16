"""The module request.asplos18: what the records of this tournament have in common.

Same alias and UID as the module of the original repository, so that records name the same scenario. It holds the
two actions that recording needs.
"""

import copy

cfg = {}  # filled by the kernel from meta.json
work = {}  # filled by the kernel: this module's own UID and path
ck = None  # filled by the kernel: the module ck.kernel

# Default table of the scoreboard (experiment.view:request-default).
TABLE_VIEW_UID = "f84ca49f79a1446a"
META_VERSION = 1


def init(i):
    """Called by the kernel once."""
    return {"return": 0}


def prepare_common_meta(i):
    """Put together the meta of an experiment entry.

    Args:
        i: `platform_dict`: what `ck detect platform` returned; `request_dict`: the submission (report_uid,
            repo_uoa, repo_uid, repo_cmd, farm, algorithm_species); `deps`: resolved dependencies.

    Returns:
        A CK dictionary with `tags`, `meta` and `record_dict` for the entry.
    """
    now = ck.get_current_date_time({})
    if now["return"] > 0:
        return now
    timestamp = now["iso_datetime"].split(".")[0]
    compact = "".join(character for character in timestamp if character.isdigit())
    summary = ck.access({"action": "deps_summary", "module_uoa": cfg["module_deps"]["env"], "deps": i.get("deps", {})})
    if summary["return"] > 0:
        return summary

    request = i["request_dict"]
    meta = copy.deepcopy(request)
    meta.update(
        timestamp=timestamp,
        stimestamp=compact,
        request_version=META_VERSION,
        scenario_module_uoa=work["self_module_uid"],
        deps_summary=summary["deps_summary"],
        **_platform(i["platform_dict"]),
    )
    tags = ["request", "request-asplos18", timestamp, compact, request["algorithm_species"]]
    return {"return": 0, "tags": tags, "meta": meta, "record_dict": {"subview_uoa": TABLE_VIEW_UID}}


def make_deps_full_name(i):
    """Name a resolved dependency in one line: name, version and revision.

    Args:
        i: `deps`: one entry of `deps_summary`.

    Returns:
        A CK dictionary with `full_name`.
    """
    dependency = i["deps"]
    parts = [str(dependency.get(key) or "") for key in ("data_name", "version")]
    revision = str(dependency.get("git_revision") or "")
    if revision:
        parts.append("(" + revision + ")")
    return {"return": 0, "full_name": " ".join(part for part in parts if part)}


def _platform(detected):
    """The platform's part of the meta, under the names that the scoreboard reads."""
    features = detected.get("features", {})
    system, board, gpu = (features.get(part, {}) for part in ("os", "platform", "gpu"))
    cpu = features.get("cpu", {})
    gpgpu = _first_gpgpu(features.get("gpgpu", {}))
    return {
        "host_os_uid": detected["host_os_uid"],
        "target_os_uid": detected["os_uid"],
        "target_device_id": detected["device_id"],
        "cpu_name": _cpu_name(features),
        "cpu_abi": cpu.get("cpu_abi", ""),
        "cpu_uid": features.get("cpu_uid", ""),
        "os_name": system.get("name", ""),
        "os_uid": features.get("os_uid", ""),
        "plat_name": board.get("name", ""),
        "plat_uid": features.get("platform_uid", ""),
        "gpu_name": gpu.get("name", ""),
        "gpgpu_name": " ".join(part for part in (gpgpu.get("vendor", ""), gpgpu.get("name", "")) if part),
        "gpgpu_vendor": gpgpu.get("vendor", ""),
        "opencl": gpgpu.get("opencl", ""),
    }


def _cpu_name(features):
    """Name of the CPU; several clusters are joined, an unnamed one is called after its ABI."""
    cpu = features.get("cpu", {})
    if cpu.get("name"):
        return cpu["name"]
    if cpu.get("cpu_abi"):
        return "unknown-" + cpu["cpu_abi"]
    clusters = [cluster.get("ck_cpu_name", "") for cluster in features.get("cpu_unique", [])]
    return " ; ".join(name for name in clusters if name)


def _first_gpgpu(found):
    """Features of the first compute device; CK gives a list or a dictionary."""
    first = (found[0] if found else {}) if isinstance(found, list) else found
    return {**first.get("gpgpu", {}), "opencl": first.get("gpgpu_misc", {}).get("opencl c version", "")}
