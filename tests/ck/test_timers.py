"""The timer file that tells CK the figures of a run."""

from __future__ import annotations

import json

import pytest

from harness.ck.timers import write_timer
from harness.errors import BadInputError, InvalidRunError


def test_ck_keys_and_every_metric(tmp_path):
    """Both of CK's keys hold seconds per verified frame; every metric stands under its own name."""
    path = tmp_path / "tmp-ck-timer.json"
    write_timer(path, {"execution_time_classify": 0.25, "ips": 4.0, "frames_sent": 8})
    assert json.loads(path.read_text()) == {
        "execution_time": 0.25,
        "execution_time_classify": 0.25,
        "ips": 4.0,
        "frames_sent": 8,
        "inference_throughput": 4.0,
        "prediction_time_avg_s": 0.25,
    }
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_names_of_the_scoreboard(tmp_path):
    """A dimension of the scoreboard is the metric it stands for, and is not there where the metric is not."""
    path = tmp_path / "tmp-ck-timer.json"
    write_timer(path, {"execution_time_classify": 0.25, "latency_mean_s": 0.75})
    written = json.loads(path.read_text())
    assert written["inference_latency"] == 0.75
    assert "inference_throughput" not in written
    assert "ips" not in written


def test_what_leads_back_to_the_record(tmp_path):
    """Texts that name the run stand beside the figures, and cannot take the place of one."""
    path = tmp_path / "tmp-ck-timer.json"
    write_timer(path, {"execution_time_classify": 0.25}, {"iot_farm_run": "abc", "execution_time": "x"})
    written = json.loads(path.read_text())
    assert (written["iot_farm_run"], written["execution_time"]) == ("abc", 0.25)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["execution_time_classify", "ips"])
def test_no_nan(tmp_path, name, value):
    """A figure that is no finite number is refused, and no file is left behind."""
    path = tmp_path / "tmp-ck-timer.json"
    with pytest.raises(InvalidRunError):
        write_timer(path, {"execution_time_classify": 0.25, name: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("metrics", [{}, {"ips": 4.0}, {"execution_time_classify": 0.0}])
def test_no_time_per_frame(tmp_path, metrics):
    """Without a time per frame there is no file: nothing is ever written as 0."""
    with pytest.raises(InvalidRunError, match="execution_time_classify"):
        write_timer(tmp_path / "tmp-ck-timer.json", metrics)
    assert list(tmp_path.iterdir()) == []


def test_old_figures_stay_when_writing_fails(tmp_path):
    """A folder that cannot be written is one clear line."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BadInputError, match="cannot be written"):
        write_timer(blocked / "tmp-ck-timer.json", {"execution_time_classify": 0.25})
