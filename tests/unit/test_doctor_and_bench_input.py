"""What the doctor says of packages that only some commands need, and what `python -m benchmarks` refuses."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from harness import doctor


def test_optional_packages_are_told_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a line; a missing one is a remark with the extra that installs it, a missing needed one a fault."""
    names = {module: extra for module, extra, _ in doctor._OPTIONAL}
    assert set(names) == {"onnx", "onnxruntime", "openvino", "ai_edge_litert", "simpy"}
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda _name: None)
    found = {check.name: check for check in doctor.check_machine()}
    for module, extra in names.items():
        assert (found[module].ok, found[module].found) == (None, "not installed")
        assert f"[{extra}]" in found[module].fix
    assert found["keras"].ok is False


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--cores", "9999"], "--cores 9999 is more than this process may use"),
        (["--output", "taken"], "is a file"),
        (["--output", "taken/below"], "cannot be made"),
    ],
)
def test_benchmarks_refuse_what_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], said: str
) -> None:
    """One line, before anything is measured or this process is tied to cores; the file in the way stays."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("kept", encoding="utf-8")
    cores = os.sched_getaffinity(0)
    ended = CliRunner().invoke(main, [*typed, "--quick", "--only", "hop"])
    assert ended.exit_code != 0
    assert isinstance(ended.exception, SystemExit)
    assert said in ended.output
    assert os.sched_getaffinity(0) == cores
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "kept"


def test_benchmarks_have_short_help() -> None:
    """-h is --help, and another letter is none."""
    assert CliRunner().invoke(main, ["-h"]).exit_code == 0
    assert CliRunner().invoke(main, ["-z"]).exit_code == 2
