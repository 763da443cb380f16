"""The module request.asplos18: what the records of this tournament have in common, and their scoreboard.

Same alias and UID as the module of the original repository, so that records name the same scenario. Recording needs
`prepare_common_meta` and `prepare_scoreboard_meta`; `show`, `get_raw_data`, `get_raw_config` and `dashboard` are the scoreboard, which is made from
the entries at every look: no caches, so none that is stale.
"""

import copy
import importlib
import importlib.util
import sys
from pathlib import Path

cfg = {}  # filled by the kernel from meta.json
work = {}  # filled by the kernel: this module's own UID and path
ck = None  # filled by the kernel: the module ck.kernel

# Default table of the scoreboard (experiment.view:request-default).
TABLE_VIEW_UID = "f84ca49f79a1446a"
META_VERSION = 1
TAG = "request-asplos18"
DEFAULT_HOST, DEFAULT_PORT = "localhost", "3344"


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


def prepare_scoreboard_meta(i):
    """What the scoreboard wants to know of an entry, from the record of a run.

    Args:
        i: `record_file`: path of a record in the entry; `deps_summary`: of the entry's meta.

    Returns:
        A CK dictionary with `meta`.
    """
    read = ck.load_json_file({"json_file": i["record_file"]})
    if read["return"] > 0:
        return read
    return {"return": 0, "meta": _scoreboard("system").meta_of(read["dict"], i.get("deps_summary", {}))}


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


def show(i):
    """The scoreboard as HTML; on a terminal as a table.

    Args:
        i: `results`: a repository, `local` (the default) or `all`; axes `x` and `y`; filters as in `get_raw_config`.

    Returns:
        A CK dictionary with `html` and `style`.
    """
    found = get_raw_data(i)
    if found["return"] > 0:
        return found
    page = _scoreboard("page")
    if i.get("out", "") == "con":
        for line in page.text_table(page.chosen(found["table"], i)):
            ck.out(line)
        for line in found["left_out"]:
            ck.out("without a row: " + line)
    return {"return": 0, "html": page.fragment(found["table"], found["left_out"], i), "style": page.STYLE}


def get_raw_data(i):
    """Rows of the scoreboard as plain data.

    Args:
        i: `results`, as for `show`.

    Returns:
        A CK dictionary with `table`, one flat dictionary for each row, and `left_out`: why an entry has none.
    """
    repository = i.get("results", "") or "local"
    request = {"action": "search", "common_func": "yes", "module_uoa": cfg["module_deps"]["experiment"]}
    request.update(tags=TAG, add_meta="yes", repo_uoa="" if repository == "all" else repository)
    found = ck.access(request)
    if found["return"] > 0:
        return found
    rows = _scoreboard("rows")
    processed = [entry for entry in found["lst"] if rows.inner_meta(entry).get("processed") == "yes"]
    table, left_out = rows.rows_of(processed)
    return {"return": 0, "table": table, "left_out": left_out}


def get_raw_config(i):
    """What can be done with the rows of `get_raw_data`.

    Returns:
        A CK dictionary with `dimensions`, the default axes, `selector` (filters) and `table_view` (columns).
    """
    known = _scoreboard("dimensions")
    columns = {**known.SYSTEM_COLUMNS, **known.SOFTWARE_COLUMNS, **known.PROVENANCE_COLUMNS}
    return {
        "return": 0,
        "dimensions": [
            {"key": dimension.flat, "name": dimension.name, "reverse": "yes" if dimension.higher else "no"}
            for dimension in known.DIMENSIONS
        ],
        "xDimension": known.by_key(known.AXES[0], known.AXES[0]).flat,
        "yDimension": known.by_key(known.AXES[1], known.AXES[1]).flat,
        "selector": [{"key": key, "name": name} for key, name in known.FILTERS.items()],
        "table_view": [{"key": key, "name": name} for key, name in columns.items()],
    }


def dashboard(i):
    """Serve the scoreboard until Ctrl-C.

    Args:
        i: `results`, as for `show`; `host` (localhost) and `port` (3344; 0 takes a free one) to listen on; `browser`:
            `yes` opens one, `no` does not; without it one is opened where somebody sits at a terminal.
    """
    results = {"results": i.get("results", "")}
    page, serving = _scoreboard("page"), _scoreboard("server")

    def scoreboard(query):
        found = get_raw_data(results)
        if found["return"] > 0:
            return "text/plain", found["error"] + "\n"
        return "text/html", page.page(found["table"], found["left_out"], query)

    found = get_raw_data(results)
    if found["return"] > 0:
        return found
    host, port = i.get("host", "") or DEFAULT_HOST, str(i.get("port", "") or DEFAULT_PORT)
    if not (port.isdecimal() and int(port) < 1 << 16):
        return {"return": 1, "error": "port is '%s', which is no port: add --port=3344" % port}
    answers = {
        "/": scoreboard,
        "/raw_data.json": lambda _: serving.json_page(get_raw_data(results)),
        "/raw_config.json": lambda _: serving.json_page(get_raw_config({})),
    }
    try:
        server = serving.server(host, int(port), answers)
    except OSError as error:
        return {"return": 1, "error": "cannot listen on %s:%s (%s): try --port=0" % (host, port, error.strerror)}
    address = "http://%s:%d/" % (host, server.server_address[1])
    ck.out("Scoreboard with %d rows on %s; Ctrl-C ends it" % (len(found["table"]), address))
    sys.stdout.flush()
    if i.get("browser", "yes" if sys.stdout.isatty() else "no") == "yes":
        import webbrowser

        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        ck.out("")
    finally:
        server.server_close()
    return {"return": 0}


def _scoreboard(name):
    """A part of the package `scoreboard` beside this file, which CK loads as a file of its own."""
    package = "request_asplos18_scoreboard"
    if package not in sys.modules:
        folder = Path(__file__).resolve().parent / "scoreboard"
        spec = importlib.util.spec_from_file_location(
            package, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    return importlib.import_module(package + "." + name)


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
