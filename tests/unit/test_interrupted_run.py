"""A run of one device that is broken off in its window: a real process, interrupted as a user does it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.records.check import check_file
from harness.records.store import read_record


def test_ctrl_c_in_the_window_leaves_an_incomplete_record(tmp_path: Path) -> None:
    """Proves that what was measured until then is kept, says why there is no more, and gives no figure."""
    command = [sys.executable, "-m", "harness", "run", "--model", "alexnet", "--target", "host", "--seconds", "60"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "records")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell inherits an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
    ) as run:
        assert run.stderr is not None
        try:
            seen = ""
            while "measuring" not in seen:
                assert not list(tmp_path.glob("records/*.json")), "before the window nothing is filed"
                line = run.stderr.readline()
                assert line, seen
                seen += line
            time.sleep(1)
            run.send_signal(signal.SIGINT)
            _, rest = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 130, rest
    assert "Traceback" not in rest
    (path,) = (tmp_path / "records").glob("*.json")
    assert str(path) in rest
    audit = check_file(path)
    assert (audit.status, audit.figures) == ("INCOMPLETE", {})
    assert audit.reasons == ("the run was broken off: it was interrupted",)
    assert len(read_record(path)["frames"]) > 1
