#! /usr/bin/env python3
"""Measure one cmd_key three times and record it in local:experiment:ck-request-asplos18-iot-farm-<cmd_key>.

    python benchmarking.py --cmd_key=benchmark-alexnet-farm-5-nodes --target=farm-5

Same options and the same entry as the script of the original repository. Unlike that one it ends with a
non-zero code when a repetition failed; the failed point is recorded all the same, so that the record shows it.
"""

import argparse
import copy
import os

import ck.kernel as ck

import raw_records

PROGRAM = "request-iot-benchmark"
REPETITIONS = 3
ENTRY_PREFIX = "ck-request-asplos18-iot-farm-"
DEFAULT_KEY = "benchmark-alexnet-single-device-cpu"
FAILED = 10  # exit code of a measurement that ran and failed
NOT_READY = 11  # exit code of a pipeline that could not be prepared

# A point is found again by its features: the clock of this moment would make every run a point of its own.
MOMENTARY = {"current_freq", "cpu MHz"}
# What the program reads; recorded as choices, so that runs of another length are another point.
VARIABLES = (
    "STAT_REPEAT",
    "SECONDS_AT_LEAST",
    "CK_TF_GPU_MEMORY_PERCENT",
    "POWER",
    "POWER_IDLE_S",
    "POWER_PROFILE",
    "DECLARED",
    "WIRE",
    "EMULATE",
)

# The submission of the paper: https://doi.org/10.1145/3229771
SUBMISSION = {
    "report_uid": "640fb4c4b9ba9822",
    # What really ran: this repository, not the one of the paper.
    "repo_uoa": "ck-iot-farm-programs",
    "repo_uid": "7d06399c97a656e9",
    "repo_cmd": "iot-farm ck install",
    "algorithm_species": "4b8bbc192ec57f63",  # image classification
    "farm": "",
}


class CkError(Exception):
    """A CK action that returned an error."""

    def __init__(self, answer):
        super().__init__(answer.get("error", ""))
        self.answer = answer


def main():
    """Parse the command line, measure, record."""
    options = parse()
    try:
        measure(options)
    except CkError as error:
        ck.err(error.answer)  # prints `Error: ...` and exits with the code of the answer


def parse():
    """Read the options."""
    parser = argparse.ArgumentParser(description="Measure one cmd_key three times and record it in CK.")
    parser.add_argument("--cmd_key", default=DEFAULT_KEY, help="key of program:%s (%s)" % (PROGRAM, DEFAULT_KEY))
    parser.add_argument("--target", default="", help="CK machine entry; needed by the farm keys")
    parser.add_argument("--target_os", default="", help="CK entry of the target's operating system")
    parser.add_argument("--device_id", default="", help="which device, where a target has several")
    parser.add_argument("--random_name", action="store_true", help="record under a fresh random name")
    return parser.parse_args()


def measure(options):
    """Prepare CK's pipeline, run it and record what it found.

    Raises:
        CkError: something could not be prepared, or a repetition failed.
    """
    if options.cmd_key.endswith("-start-server"):
        raise CkError({"return": 1, "error": "%s starts nodes and never ends: use ck run" % options.cmd_key})
    target = options.target or default_target(options.cmd_key)
    platform = access(
        action="detect",
        module_uoa="platform",
        target=target,
        target_os=options.target_os,
        device_id=options.device_id,
        out="out",
    )
    pipeline = prepare(options.cmd_key, target, platform)
    platform["features"].update(copy.deepcopy(pipeline["features"]))
    common = access(
        action="prepare_common_meta",
        module_uoa="request.asplos18",
        platform_dict=platform,
        deps=pipeline["dependencies"],
        request_dict=SUBMISSION,
    )
    name = access_uid() if options.random_name else ENTRY_PREFIX + options.cmd_key
    refuse_foreign(name)
    ck.out("Experiment - local:" + name)
    answer = access(
        action="autotune",
        module_uoa="pipeline",
        data_uoa="program",
        pipeline=pipeline,
        target=target,
        iterations=1,
        repetitions=REPETITIONS,
        sleep="0",  # CK waits 3 s, so that one can read the choices; here there are none
        record="yes",
        record_failed="yes",
        record_params={"search_point_by_features": "yes"},
        record_repo="local",
        record_uoa=name,
        record_dict=common["record_dict"],
        tags=[*common["tags"], PROGRAM],
        meta=common["meta"],
        out="con",
    )
    # autotune reports a failed repetition only inside the output of its last iteration.
    last = answer.get("last_iteration_output", {})
    if "yes" in (answer.get("fail"), last.get("fail")):
        reason = last.get("fail_reason") or answer.get("fail_reason") or "no reason given"
        raise CkError({"return": FAILED, "error": "the run failed: " + reason.strip()})
    complete(name, common["meta"]["deps_summary"])


def refuse_foreign(name):
    """Keep out of an entry that others recorded: its meta would say of their points what holds for ours.

    Raises:
        CkError: there is such an entry.
    """
    found = ck.access({"action": "load", "module_uoa": "experiment", "repo_uoa": "local", "data_uoa": name})
    recorded_by = found.get("dict", {}).get("meta", {}).get("repo_uid", SUBMISSION["repo_uid"])
    if recorded_by != SUBMISSION["repo_uid"]:
        words = "local:experiment:%s was recorded by another repository (%s): add --random_name, or make room with "
        words += "ck rename local:experiment:%s local:experiment:NEW-NAME"
        raise CkError({"return": 1, "error": words % (name, recorded_by, name)})


def complete(name, dependencies):
    """Bring the raw records into the entry, and what the scoreboard wants to know into its meta."""
    entry = access(action="load", module_uoa="experiment", repo_uoa="local", data_uoa=name)
    program = access(action="find", module_uoa="program", data_uoa=PROGRAM)
    records, missing = raw_records.copy_records(entry["path"], raw_records.results_folder(program["path"]))
    for stem in missing:
        ck.out("note: the raw record %s is not there any more; the entry goes without it" % stem)
    if records:
        latest = max(records, key=lambda path: path.name)  # names begin with the time
        told = access(
            action="prepare_scoreboard_meta",
            module_uoa="request.asplos18",
            record_file=str(latest),
            deps_summary=dependencies,
        )
        access(
            action="update",
            module_uoa="experiment",
            repo_uoa="local",
            data_uoa=name,
            dict={"meta": told["meta"]},
            ignore_update="yes",
            sort_keys="yes",
        )
        ck.out("Raw records: %d in %s" % (len(records), records[0].parent))


def prepare(cmd_key, target, platform):
    """Let CK resolve the program, its dependencies and the platform for one key."""
    answer = access(
        action="pipeline",
        prepare="yes",
        module_uoa="program",
        data_uoa=PROGRAM,
        cmd_key=cmd_key,
        target=target,
        target_os=platform["os_uoa"],
        device_id=platform["device_id"],
        env={name: os.environ[name] for name in VARIABLES if name in os.environ},
        # Without a target CK would ask which machine to take, or take the only one it knows, a farm included.
        skip_target="" if target else "yes",
        no_state_check="yes",
        no_compiler_description="yes",
        skip_calibration="yes",
        # Clocks are left as they are: CK would record "max" whether or not anything could set them.
        cpu_freq="",
        gpu_freq="",
        flags="-O3",
        speed="no",
        energy="no",
        skip_print_timers="yes",
        out="con",
    )
    if answer.get("fail") == "yes":
        raise CkError({"return": FAILED, "error": "pipeline failed (%s)" % answer.get("fail_reason", "")})
    if answer.get("ready") != "yes":
        raise CkError({"return": NOT_READY, "error": "pipeline not ready"})
    for key in ("ready", "fail", "return"):
        answer.pop(key, None)
    answer["cmd_key"] = cmd_key
    answer["features"] = without(MOMENTARY, answer["features"])
    return copy.deepcopy(answer)


def without(names, value):
    """A copy of nested data that lacks the keys of these names."""
    if isinstance(value, dict):
        return {key: without(names, item) for key, item in value.items() if key not in names}
    return [without(names, item) for item in value] if isinstance(value, list) else value


def default_target(cmd_key):
    """The target of a key that came without one: machine:host where registered, none else.

    Raises:
        CkError: a farm key needs its farm named.
    """
    if "-farm-" in cmd_key:
        raise CkError({"return": 1, "error": "CK target is not specified: add --target=NAME (see: ck show machine)"})
    found = ck.access({"action": "find", "module_uoa": "machine", "data_uoa": "host"})
    return "host" if found["return"] == 0 else ""


def access(**request):
    """One CK action; an error becomes an exception."""
    answer = ck.access(request)
    if answer["return"] > 0:
        raise CkError(answer)
    return answer


def access_uid():
    """A fresh CK UID."""
    answer = ck.gen_uid({})
    if answer["return"] > 0:
        raise CkError(answer)
    return answer["data_uid"]


if __name__ == "__main__":
    main()
