"""The scoreboard of the module request.asplos18: through real ck and over HTTP."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from energy_records import VIRTUAL_METER, file_record
from power_traces import METER

from harness.ck.timers import SCOREBOARD_NAMES
from harness.records.canonical import canonical, parse
from harness.records.entries.entry import read_entry
from harness.records.entries.writer import NewPoint, write_point
from harness.records.manifest import TRACE, beside, seal
from harness.records.store import read_record

RUN, META = "##characteristics#run#", "##meta#"
HEADINGS = {"Verdict", "Marks", "Model", "Precision", "Dataset", "Farm", "Platform", "CPU", "GPU", "OS", "Library"}
DECLARED = {
    "price_usd": 200,
    "price_date": "2026-01-02",
    "price_source": "a shop",
    "peak_power_w": 25,
    "peak_power_source": "a label",
}
HEADINGS |= {"Software", "Compiler", "Workload", "Environment", "Batch", "Repetitions", "Recorded", "Repeat it"}


def _repetition(path: Path) -> dict:
    """What a run tells CK."""
    record = read_record(path)
    metrics = record["metrics"]
    named = {name: metrics[metric] for name, metric in SCOREBOARD_NAMES.items()}
    identity = {"iot_farm_record": path.stem, "iot_farm_run": record["run"], "emulated": "no", "run_success": "yes"}
    time_s = metrics["execution_time_classify"]
    return {"run": {**identity, **metrics, **named, "execution_time": time_s}}


def _meta(**changes):
    return {
        "processed": "yes",
        "algorithm_species": "f4f75a0a6b65e4cd",
        "model_design_name": "AlexNet",
        "model_precision": "fp32",
        "cpu_name": "a processor",
        "scenario_module_uoa": "a555738be4b65860",
        "timestamp": "2026-01-02T03:04:05",
        **changes,
    }


def _declare(path, declared):
    """The same record with a declaration."""
    document = {**parse(path.read_bytes(), str(path)), "declared": declared}
    path.write_bytes(canonical(seal(document, {TRACE: beside(path, TRACE)})))


def _entry(repository, results, name, *, meter=METER, meta=None, change=None, declared=None, **record):
    """An entry of three runs with their raw records."""
    # The names of their files begin with the same time; the run's identity tells them apart.
    paths = [
        file_record(results, meter=meter, run=f"{number}{name.encode().hex():0<15.15}", **record) for number in range(3)
    ]
    for path in paths if declared else ():
        _declare(path, declared)
    runs = [_repetition(path) for path in paths]
    if change:
        change(runs)
    tags = ["request", "request-asplos18"]
    choices = {"cmd_key": name, "data_uoa": "request-iot-benchmark", "env": {"STAT_REPEAT": "300"}}
    folder, _ = write_point(
        repository, name, NewPoint(runs, choices=choices), meta=meta or _meta(), tags=tags, records=paths
    )
    return folder


@pytest.fixture(scope="module")
def board(home, tmp_path_factory):
    """A home with entries of every kind."""
    local, results = home.repos / "local", tmp_path_factory.mktemp("results")
    home.ck("ls", "local:experiment:*")
    starts = (f"2026-02-03T0{number}:05:06.789+00:00" for number in range(1, 6))
    for name, options in {
        "measured": {"declared": DECLARED},
        # What its meta claims was declared by nobody, and it is no farm.
        "virtual": {"meter": VIRTUAL_METER, "target": "host", "device": "cpu", "meta": _meta(platform_price=7)},
        "plain": {"meter": None},
        "lying": {"change": lambda runs: runs[0]["run"].update(execution_time_classify=1e-3)},
    }.items():
        _entry(local, results, name, started_utc=next(starts), **options)
    missing = _entry(local, results, "missing", started_utc=next(starts))
    read_entry(missing).records[0].unlink()
    failed = NewPoint([{"run": {"return_code": 3}}], pipeline_state={"fail": "yes", "fail_reason": "<b>no"})
    write_point(local, "failed", failed, meta=_meta(), tags=["request-asplos18"])
    write_point(local, "raw", NewPoint([{"run": {"execution_time": 1.0}}]), meta={"m": 1}, tags=["request-asplos18"])
    return home


def _ask(home, action, **request):
    script = """
import json, sys
import ck.kernel as ck
print(json.dumps(ck.access(json.loads(sys.argv[1]))))
"""
    request = {"action": action, "module_uoa": "request.asplos18", **request}
    done = home.python("-W", "ignore", "-c", script, json.dumps(request))
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def _by_name(table):
    return {row["##data_uoa"]: row for row in table}


def test_rows(board):
    """A row for each point with figures: VALID where they follow from the raw records; none for a failed point."""
    found = _ask(board, "get_raw_data", results="local")
    rows = _by_name(found["table"])
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "measured": "VALID",
        "virtual": "VALID",
        "plain": "VALID",
        "lying": "INVALID",
        "missing": "INCOMPLETE",
    }
    assert found["left_out"] == [found["left_out"][0]]
    assert found["left_out"][0].startswith("failed, point ")
    assert "execution_time_classify" in rows["lying"]["reasons"][0]
    assert rows["missing"]["reasons"] == ["2 raw records for 3 repetitions"]
    for name in ("lying", "missing"):  # what does not hold is not shown
        assert not [key for key in rows[name] if key.startswith(RUN)]


def test_energy_of_a_row(board):
    """Energy stands in static, dynamic and total joules, each row marked measured or virtual; none where none was."""
    rows = _by_name(_ask(board, "get_raw_data")["table"])
    for name, mark in (("measured", "measured"), ("virtual", "virtual")):
        row = rows[name]
        assert row["marks"] == [mark]
        static, dynamic, total = (row[f"{RUN}energy_{part}_j#mean"] for part in ("static", "dynamic", "total"))
        assert static + dynamic == pytest.approx(total)
    assert rows["plain"]["marks"] == []
    assert f"{RUN}energy_total_j#mean" not in rows["plain"]


def test_columns_of_the_table(board):
    """The table has the columns of the original scoreboard and energy; prices only where declared, and no zeros."""
    page = _ask(board, "show", results="local")["html"]
    heads = re.findall(r"<th scope[^>]*>(.*?)</th>", page)
    assert set(heads) >= HEADINGS
    for words in ("Throughput", "Time per inference", "Latency", "top 1", "static", "dynamic", "total", "peak power"):
        assert any(words in head for head in heads), words
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells.count("200") == cells.count("25") == 1
    assert not {"0", "0.0", "7", "None", "nan"} & set(cells)


def test_the_system_of_a_row(board):
    """System, price and peak power of a checked row are those of its own record, whatever the entry's meta says."""
    rows = _by_name(_ask(board, "get_raw_data")["table"])
    assert rows["measured"][f"{META}farm"] == "farm-5-local: 5 devices (Avro)"
    assert rows["measured"][f"{META}platform_price"] == 200
    assert f"{META}farm" not in rows["virtual"]
    assert f"{META}platform_price" not in rows["virtual"]


def test_rows_of_one_filter(board):
    """A filter leaves the rows that have its value."""
    page = _ask(board, "show", verdict="INVALID")["html"]
    assert page.count("<tr>") == 2
    assert "ck replay local:experiment:lying" in page


def test_what_can_be_chosen(board):
    """Dimensions, axes, filters and columns are told, each key with a name."""
    config = _ask(board, "get_raw_config")
    keys = [dimension["key"] for dimension in config["dimensions"]]
    assert {config["xDimension"], config["yDimension"]} <= set(keys)
    assert {f"{RUN}energy_{part}_j" for part in ("static", "dynamic", "total")} <= set(keys)
    assert {f"{META}platform_price", f"{META}platform_peak_power", f"{RUN}accuracy_top1"} <= set(keys)
    assert all(item["name"] for part in ("dimensions", "selector", "table_view") for item in config[part])


def test_no_entries(new_home):
    """Without a single entry there is a page and an empty table, no crash; an unknown repository is one clear error."""
    home = new_home()
    assert home.iot_farm("ck", "install").returncode == 0
    assert _ask(home, "get_raw_data", results="local") == {"return": 0, "table": [], "left_out": []}
    assert "No results found" in _ask(home, "show")["html"]
    done = home.ck("show", "request.asplos18", "--results=nope")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout


def test_an_edit_shows_at_once(board):
    """There is no cache that could be stale: a meta that was edited shows in the next answer, and no file is left."""
    entry = board.repos / "local/experiment/missing"
    meta = entry / ".cm/meta.json"
    before = meta.read_text()
    meta.write_text(before.replace("a processor", "another processor"))
    try:
        assert _by_name(_ask(board, "get_raw_data")["table"])["missing"][f"{META}cpu_name"] == "another processor"
    finally:
        meta.write_text(before)
    assert not list(entry.glob("*.cache.json"))


def test_the_terminal(board):
    """`ck show request.asplos18` prints a line for each row and says what has none."""
    done = board.ck("show", "request.asplos18", "--results=local")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].split()[0] == "VERDICT"
    assert sum(line.startswith("VALID") for line in lines) == 3
    assert any(line.startswith("without a row: failed") for line in lines)


def test_the_entry_of_2018(place_published, own_home):
    """A published row says so, shows no accuracy and no latency that nobody measured, and keeps its own figures."""
    own_home.ck("ls", "local:experiment:*")
    place_published(own_home.repos / "local")
    (row,) = _ask(own_home, "get_raw_data")["table"]
    assert (row["verdict"], row["marks"]) == ("not checked", ["published 2018"])
    assert row[f"{RUN}prediction_time_avg_s#min"] == 0.1748318923147101
    assert not [key for key in row if "accuracy" in key or "latency" in key]


@contextmanager
def _dashboard(home, *arguments):
    """`ck dashboard request.asplos18` until Ctrl-C; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ck", "dashboard", "request.asplos18", "--results=local", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=home.work,
        env=home.environ,
        start_new_session=True,
        # A test run in the background of a shell inherits an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
    )
    try:
        line = process.stdout.readline()
        yield int(re.search(r":(\d+)/", line)[1]), process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.stdout.close()


def _get(port, path="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_the_dashboard_over_http(board):
    """`ck dashboard` takes a free port, serves page and data, no script and no action, and ends on Ctrl-C."""
    with _dashboard(board, "--port=0", "--host=127.0.0.1") as (port, process):
        status, headers, page = _get(port)
        assert status == 200
        assert page.startswith("<!doctype html>")
        assert page.count('class="VALID"') == 3
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "<script" not in page
        assert "<svg" in page
        table = json.loads(_get(port, "/raw_data.json")[2])["table"]
        assert len(table) == 5
        assert json.loads(_get(port, "/raw_config.json")[2])["dimensions"]
        _, _, chosen = _get(port, "/?x=energy_static_j&y=energy_dynamic_j&verdict=VALID")
        assert 'aria-label="Energy per inference, dynamic (J) against Energy per inference, static (J)"' in chosen
        assert _get(port, "/?x=%3Cscript%3E&y=../../etc/passwd")[0] == 200
        for path in ("/web?action=rm&module_uoa=experiment&data_uoa=plain", "/json?action=ls", "/../../etc/passwd"):
            assert _get(port, path)[0] == 404
        assert _get(port, Host="rebound.example:80")[0] == 403
    assert process.returncode == 0
    assert (board.repos / "local/experiment/plain").is_dir()


@pytest.mark.parametrize("port", ["70000", "-1", "x"])
def test_ports_that_are_none(board, port):
    """A port that is none is one clear line."""
    done = board.ck("dashboard", "request.asplos18", f"--port={port}")
    assert done.returncode == 1
    assert "is no port" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_port_in_use(board):
    """A port that is taken is one clear line with the way out."""
    with _dashboard(board, "--port=0", "--host=127.0.0.1") as (port, _):
        done = board.ck("dashboard", "request.asplos18", f"--port={port}", "--host=127.0.0.1")
    assert done.returncode == 1
    assert "try --port=0" in done.stdout
