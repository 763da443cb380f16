"""Names the tool to `ck detect platform.gpgpu --cuda`, which runs what CK_ENV_TOOL_SHOW_CUDA_DEVICES_FULL says."""

import sys


def version_cmd(i):
    """The tool is part of this repository and has no version of its own."""
    return {"return": 0, "cmd": "", "version": "1.0"}


def setup(i):
    """State the command: the interpreter and the script, so that no executable bit is needed."""
    full_path = i["customize"]["full_path"]
    prefix = i["customize"]["env_prefix"]
    i["env"][prefix] = full_path
    i["env"][prefix + "_FULL"] = sys.executable + " " + full_path
    return {"return": 0, "bat": ""}
