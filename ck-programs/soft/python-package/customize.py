"""How CK finds a Python package (lib.tensorflow, lib.keras): in the Python that runs this `ck`.

CK's own search walks /usr, /opt and the home folder and asks for the version. Here the search is one look-up
in the running interpreter, and the version is the one that the package's own metadata states.
"""

import importlib.metadata
import importlib.util
import os
import re
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def dirs(i):
    """Say where to look: the folder that holds the package."""
    runpy.run_path(os.path.join(HERE, "no_terminal.py"))["answer_with_defaults"](i["ck_kernel"])
    file_name = i["cfg"]["customize"]["soft_file"]["linux"]
    full_path = locate(os.path.dirname(file_name))
    if full_path is None:
        return absent(os.path.dirname(file_name))
    return {"return": 0, "dirs": [os.path.dirname(os.path.dirname(full_path))]}


def limit(i):
    """Keep the one file that `import` would take."""
    module = os.path.dirname(i["soft_name"])
    full_path = locate(module)
    if full_path is None:
        return absent(module)
    if not version_of(full_path):
        return {"return": 1, "error": module + " in " + full_path + " has no metadata that states its version"}
    return {"return": 0, "list": [full_path]}


def version_cmd(i):
    """State the version; there is no command to run."""
    return {"return": 0, "cmd": "", "version": version_of(i["full_path"])}


def setup(i):
    """Name the package's folder to programs; the interpreter itself is what makes it importable."""
    prefix = i["customize"]["env_prefix"]
    package = os.path.dirname(i["customize"]["full_path"])
    i["env"][prefix] = package
    i["env"][prefix + "_LIB"] = os.path.dirname(package)
    return {"return": 0, "bat": ""}


def locate(module):
    """Full path of MODULE/__init__.py in this interpreter, or None."""
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(module)
    return spec.origin if spec is not None else None


def version_of(full_path):
    """Version of the distribution that brought this file, or an empty string."""
    package = os.path.dirname(full_path)
    module, site = os.path.basename(package), os.path.dirname(package)
    for distribution in importlib.metadata.distributions(path=[site]):
        name = re.sub(r"[-_.]+", "_", distribution.metadata["Name"] or "").lower()
        # One distribution may carry another one's name as prefix (tensorflow_io); its list of files decides.
        if name.startswith(module) and any(str(file) == module + "/__init__.py" for file in distribution.files or ()):
            return distribution.version
    return ""


def absent(module):
    """The one line for a package that is not there."""
    return {
        "return": 16,
        "error": "%s is not installed for %s; install it with: %s -m pip install 'ck-iot-farm[cpu]'"
        % (module, sys.executable, sys.executable),
    }
