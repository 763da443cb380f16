"""Whoever is asked whether records may leave, and says no, is heard."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from board.serving import Service
from run_records import run_record

from harness.board.push import collect
from harness.records.canonical import canonical
from harness.records.manifest import seal


@pytest.mark.parametrize(
    ("typed", "code", "last"),
    [("n\n", 1, "nothing was sent"), ("\n", 1, "nothing was sent"), ("", 130, "interrupted"), ("y\n", 0, "")],
)
def test_the_answer_is_heard(service: Service, tmp_path: Path, typed: str, code: int, last: str) -> None:
    """At a terminal "n" and Enter send nothing and end with 1, Ctrl-C with 130; "y", the control, sends."""
    path = tmp_path / "run.json"
    path.write_bytes(canonical(seal(run_record(run=f"{code:016x}").to_document())))
    keyboard, terminal = pty.openpty()
    command = [sys.executable, "-m", "harness", "scoreboard", "push", str(path)]
    with subprocess.Popen(
        [*command, "--to", service.url, "--token", service.token],
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        # A test run in the background of a shell inherits an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
    ) as process:
        try:
            assert process.stderr is not None
            asked = b""
            while not asked.endswith(b"[y/N]:"):
                more = process.stderr.read1(1)
                assert more, asked
                asked += more
            if typed:
                os.write(keyboard, typed.encode())
            else:
                # One that falls between the question and the read is kept until something is typed: press again.
                for _ in range(20):
                    process.send_signal(signal.SIGINT)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(3)
                        break
            assert process.wait(60) == code
            said = process.stderr.read().decode()
        finally:
            process.kill()
            os.close(keyboard)
            os.close(terminal)
    assert (said.strip().splitlines() or [""])[-1] == last
    content = json.loads(collect([path]).parcels[0].files["run.json"])
    with service.client() as client:
        answer = client.get(f"/api/records/{content['manifest']['record_sha256'][:16]}")
    assert answer.status_code == (200 if code == 0 else 404)
