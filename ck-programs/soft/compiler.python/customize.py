"""How CK finds Python: it is the one that runs this `ck`, with its virtual environment."""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def dirs(i):
    """Say where to look: the folder of the running interpreter."""
    import runpy  # `ck run` loads this file each time, and calls nothing in it

    shared = os.path.join(os.path.dirname(HERE), "python-package", "no_terminal.py")
    runpy.run_path(shared)["answer_with_defaults"](i["ck_kernel"])
    return {"return": 0, "dirs": [os.path.dirname(sys.executable)]}


def limit(i):
    """Keep the running interpreter; the link in a virtual environment is what makes it one."""
    return {"return": 0, "list": [sys.executable]}


def version_cmd(i):
    """Ask the interpreter for its version."""
    try:
        answer = subprocess.run([i["full_path"], "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"return": 1, "error": "%s does not run: %s" % (i["full_path"], error)}
    found = re.search(r"Python (\d+(\.\w+)*)", answer.stdout + answer.stderr)
    return {"return": 0, "cmd": "", "version": found.group(1) if found else ""}


def setup(i):
    """Name the interpreter to programs: their commands begin with CK_ENV_COMPILER_PYTHON_FILE."""
    prefix = i["customize"]["env_prefix"]
    full_path = i["customize"]["full_path"]
    folder = os.path.dirname(full_path)
    i["env"].update(
        {
            prefix: os.path.dirname(folder),
            prefix + "_FILE": full_path,
            prefix + "_BIN": folder,
            "CK_PYTHON_BIN": os.path.basename(full_path),
            "CK_PYTHON_VER%s" % i["version"].split(".")[0]: "YES",
        }
    )
    return {"return": 0, "bat": 'export PATH="%s":$PATH\n' % folder}
