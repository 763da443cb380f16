"""`ck install package` for TensorFlow and Keras: use what is installed, else ask pip, and say what it really is.

The packages keep the tags of the published artifact (v1.5.0, v2.1.3), so that its commands find them. What gets
registered carries the tags of the version that is really there; no version of 2018 is claimed.
"""

import importlib.util
import os
import platform
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PIP_TIMEOUT_S = 1800


def pre_path(i):
    """Find or install the package, then put its true version into the tags and into `customize`."""
    ck = i["ck_kernel"]
    wanted = i["cfg"]["python_package"]
    module = wanted["module"]
    answer = ck.access({"action": "find", "module_uoa": "soft", "data_uoa": "python-package"})
    if answer["return"] > 0:
        return answer
    detection = load(os.path.join(answer["path"], "customize.py"))
    load(os.path.join(answer["path"], "no_terminal.py")).answer_with_defaults(ck)

    if wanted["build"] == "source":
        return refuse(
            "%s cannot be built from its sources any more: they need Python 3.6 and Bazel 0.8; register the "
            "installed one with: ck install package --tags=lib,tensorflow,v1.5.0,vcpu,vprebuilt" % wanted["replaces"]
        )
    full_path = detection.locate(module)
    if full_path is None:
        problem = pip_install(ck, wanted)
        if problem:
            return refuse(problem)
        full_path = detection.locate(module)
    version = detection.version_of(full_path) if full_path else ""
    if not version:
        return refuse("%s was installed, but its version cannot be read" % module)
    if wanted["build"] == "cuda" and not built_for_cuda():
        return refuse(
            "%s %s in %s is built without CUDA; install the other build with: pip install 'ck-iot-farm[gpu]'"
            % (module, version, os.path.dirname(full_path))
        )
    ck.out("%s is represented here by %s %s" % (wanted["replaces"], module, version))
    # The list and the dictionary are the ones that CK goes on with, so they are changed in place.
    system = [tag for tag in i["tags"] if re.fullmatch(r"host-os-.*|target-os-.*|\d+bits", tag)]
    parts = version.split(".")
    i["tags"][:] = [*wanted["tags"], *system, *("v" + ".".join(parts[:n]) for n in range(1, len(parts) + 1))]
    i["customize"]["version"] = version
    return {"return": 0, "install_env": {"IOT_FARM_FULL_PATH": full_path}}


def setup(i):
    """Nothing is left to do; CK computes the full path only for packages that have this step."""
    return {"return": 0}


def pip_install(ck, wanted):
    """Let pip install the package into this Python; an empty string, or why it could not."""
    requirement = wanted["requirements"].get(platform.machine())
    if requirement is None:
        return "there is no ready-made %s for %s machines" % (wanted["module"], platform.machine())
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", requirement]
    ck.out("Installing: " + " ".join(command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "pip could not install %s: %s" % (requirement, error)
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
    return "pip could not install %s: %s" % (requirement, (errors or ["no reason given"])[-1])


def built_for_cuda():
    """Say whether TensorFlow's own build information names CUDA."""
    question = "import sys, tensorflow as tf; sys.exit(0 if tf.sysconfig.get_build_info().get('is_cuda_build') else 1)"
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([sys.executable, "-c", question], capture_output=True, env=quiet, check=False).returncode == 0


def refuse(reason):
    """A failure that CK prints as one line."""
    return {"return": 1, "error": reason}


def load(path):
    """Import a Python file by its path."""
    spec = importlib.util.spec_from_file_location("ck_iot_farm_" + os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
