"""A verdict decides whether CK gets figures: no timer file for a run that is not valid."""

from __future__ import annotations

import dataclasses
import json

import pytest

from harness.bench.progress import Silent
from harness.ck import commands
from harness.errors import BadInputError, InvalidRunError
from harness.records.record import Record, Verdict

KEY = "benchmark-alexnet-single-device-cpu"
FIGURES = {"execution_time_classify": 0.5, "ips": 2.0, "frames_sent": 5}
VALID = Record(
    run="r",
    started_utc="2026-01-01T00:00:00.000+00:00",
    ended_utc="2026-01-01T00:00:10.000+00:00",
    target={"name": "host", "kind": "host", "devices": 1, "device": "cpu"},
    model={"name": "alexnet"},
    plan={},
    options={},
    devices=(),
    nodes=(),
    frames=(),
    metrics=FIGURES,
    verdict=Verdict(),
    tolerance=1e-6,
)
INVALID = dataclasses.replace(VALID, verdict=Verdict(reasons=("1 of 5 frames never came back",)))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Calls `run_key` with a measurement that ends in a given record, or in an exception."""

    def call(outcome):
        filed = []

        def measured(options, *, progress, meter, broken_off):
            del broken_off
            assert meter is None
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(commands, "run_benchmark", measured)
        try:
            commands.run_key(
                KEY, {}, folder=tmp_path, progress=Silent(), file_record=lambda *filing: filed.append(filing)
            )
        finally:
            call.filed = filed

    return call


def test_a_valid_run_gives_ck_its_figures(run, tmp_path):
    """The control: the figures of a valid run reach CK, and the record is filed."""
    run(VALID)
    assert json.loads((tmp_path / "tmp-ck-timer.json").read_text()) == {
        **FIGURES,
        "execution_time": 0.5,
        "inference_throughput": 2.0,
        "prediction_time_avg_s": 0.5,
        "iot_farm_record": "20260101T000000000-alexnet-host-r",
        "iot_farm_run": "r",
        "emulated": "no",
    }
    assert run.filed == [(VALID, None)]


def test_an_invalid_run_gives_ck_nothing(run, tmp_path):
    """A run with wrong or missing frames is filed with its verdict, ends with code 1, and CK finds no timer file."""
    with pytest.raises(InvalidRunError, match="1 of 5 frames never came back") as caught:
        run(INVALID)
    assert caught.value.exit_code == 1
    assert run.filed == [(INVALID, None)]
    assert not (tmp_path / "tmp-ck-timer.json").exists()


@pytest.mark.parametrize("outcome", [INVALID, BadInputError("no")])
def test_figures_of_an_earlier_run_are_not_left(run, tmp_path, outcome):
    """The timer file of an earlier run is gone after one that failed: CK cannot take the one for the other."""
    run(VALID)
    with pytest.raises((InvalidRunError, BadInputError)):
        run(outcome)
    assert not (tmp_path / "tmp-ck-timer.json").exists()
