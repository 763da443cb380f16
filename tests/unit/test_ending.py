"""A process that loaded TensorFlow ends without being taken apart, and nothing that it had to say or do is lost."""

import subprocess
import sys

import pytest

# The name is what counts, not seconds of imports; what is taken apart says so.
SCRIPT = """
import atexit, sys, threading, time, types
from harness.ending import ends_with, watch_for_the_end
watch_for_the_end()
class Loud:
    def __del__(self, write=sys.stdout.write):
        write("taken apart\\n")
loud = Loud()
if sys.argv[1] == "loaded":
    sys.modules["tensorflow"] = types.ModuleType("tensorflow")
atexit.register(print, "called back")
def work():
    time.sleep(0.2)
    print("x" * 100_000, "worked")
threading.Thread(target=work).start()
def end():
    if sys.argv[2] == "traceback":
        raise LookupError
    ends_with(int(sys.argv[2]))
    sys.exit(int(sys.argv[2]))
end()
"""


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The process, after its end."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("code", ["0", "3"])
def test_nothing_is_lost(code: str) -> None:
    """Proves that code, output, threads and callbacks are those of any process; the control is taken apart, too."""
    quick, usual = ended("loaded", code), ended("small", code)
    assert (quick.returncode, quick.stderr) == (usual.returncode, usual.stderr) == (int(code), "")
    assert quick.stdout.endswith("worked\ncalled back\n")
    assert usual.stdout == quick.stdout + "taken apart\n"


def test_a_traceback_ends_as_ever() -> None:
    """Proves that an exception that nobody expected is shown, with Python's own exit code."""
    failed = ended("loaded", "traceback")
    assert failed.returncode == 1
    assert "LookupError" in failed.stderr


def test_the_command_line_tells_its_code() -> None:
    """Proves that a command ends with its own exit code and its whole words, with and without TensorFlow."""
    script = (
        "import sys, types; {}; sys.argv[1:] = ['farm', 'status', 'nope']; from harness.cli.app import main; main()"
    )
    loaded = "sys.modules['tensorflow'] = types.ModuleType('tensorflow')"
    found = [
        subprocess.run([sys.executable, "-c", script.format(one)], capture_output=True, text=True, check=False)
        for one in (loaded, "pass")
    ]
    assert found[0].stderr == found[1].stderr != ""
    assert found[0].returncode == found[1].returncode == 16
