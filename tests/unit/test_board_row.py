"""Rows of the scoreboard: only checked figures, marks in sight, and nothing private in them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from board_records import SaidAudit, document, figures, found, row
from hypothesis import given
from hypothesis import strategies as st

from harness.board.cells import cells_of, data_of, figure_lines
from harness.board.columns import AXES, COLUMNS, DEFAULT_AXES
from harness.board.command import command_of
from harness.board.detail import detail_of_record
from harness.board.row import MARKS, VERDICTS, Row, good, record_id, row_of_published, row_of_record
from harness.board.words import plain, private
from harness.metrics import Better, written
from harness.records.manifest import seal
from harness.records.published import read_published


def test_figures_come_from_the_checker_alone() -> None:
    """Proves that what a record says of itself is not shown: only what was made again from its raw data."""
    content = document(metrics={"ips": 1e9, "energy_total_j": 1e-9})
    audit = SaidAudit(figures={"ips": 4.0, "unheard_of": 1.0, "latency_p50_s": float("nan")})
    assert row_of_record(content, audit, "x").figures == {"ips": 4.0}
    assert row_of_record(content, SaidAudit(), "x").figures == {}


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({}, ()),
        ({"kind": "quick"}, ("quick",)),
        ({"kind": None}, ("quick",)),
        ({"power": "virtual", "measured": False}, ("virtual",)),
        ({"power": "virtual", "measured": True}, ()),
        ({"energy": {"meter": {}}}, ("virtual",)),
        ({"energy": "yes"}, ("virtual",)),
        ({"emulated": "rpi3"}, ("emulated: rpi3",)),
        ({"emulated": ["rpi3"]}, ("emulated: unknown",)),
        ({"wire": {"encoding": "uint8"}}, ("wire: uint8",)),
        ({"wire": {"encoding": "<b>"}}, ("wire: unknown",)),
        ({"wire": "fp16"}, ("wire: unknown",)),
        ({"options": {"runtime": "openvino", "precision": "bf16"}}, ("computed: openvino bf16",)),
        ({"options": {"runtime": "onnx"}}, ("computed: onnx",)),
        ({"options": {"runtime": "<b>"}}, ("computed: unknown",)),
        (
            {"emulated": "rpi3", "wire": {"encoding": "fp16"}, "power": "x", "measured": False, "kind": "quick"},
            ("emulated: rpi3", "wire: fp16", "virtual", "quick"),
        ),
    ],
)
def test_a_row_wears_its_marks(changes: dict, marks: tuple[str, ...]) -> None:
    """Proves that made-up energy, emulation and short runs are marked, in one order, unless denied plainly."""
    made = found(document(**changes), figures={}).row
    assert made.marks == marks
    assert [MARKS.index(mark.split(":")[0]) for mark in marks] == sorted(MARKS.index(m.split(":")[0]) for m in marks)


def test_every_published_row_is_marked_and_corrected() -> None:
    """Proves that published rows keep their figures, their ranges and the reason, and never claim to be verified."""
    rows = [row_of_published(one) for one in read_published()]
    assert len(rows) == 18
    for one in rows:
        assert one.marks == ("published 2018",)
        assert (one.origin, one.verdict, one.command) == ("published", "PUBLISHED", "")
        assert one.figures
        assert one.source
        assert bool(one.corrected) == bool(one.correction)
        assert one.declared["price_usd"] > 0
        assert not any(metric.startswith("latency") for metric in one.figures), "a period is no latency"
    farms = [one for one in rows if one.kind == "farm"]
    assert all(one.corrected for one in farms)


def test_kinds_of_figures_never_share_a_frontier() -> None:
    """Proves that published, emulated and virtual rows are kept apart where it matters, and only there."""
    measured = found(document(power="rapl")).row
    virtual = found(document(power="virtual", measured=False)).row
    emulated = found(document(power="virtual", measured=False, emulated="rpi3")).row
    published = row_of_published(read_published()[0])
    speed, energy = ("ips", "latency_p50_s"), ("ips", "energy_total_j")
    assert measured.basis(speed) == virtual.basis(speed)
    assert measured.basis(energy) != virtual.basis(energy)
    assert len({one.basis(speed) for one in (measured, emulated, published)}) == 3
    assert len({one.basis(energy) for one in (measured, virtual, emulated, published)}) == 4


def test_a_wire_that_rounds_is_another_row() -> None:
    """Proves that float32 and each rounding wire have a label, a frontier and a command of their own."""
    rows = [found(document()).row]
    for wire in ("fp16", "uint8"):
        content = document(wire={"encoding": wire})
        content["options"]["wire"] = wire
        rows.append(found(content).row)
    assert [one.wire for one in rows] == ["", "fp16", "uint8"]
    assert [one.label for one in rows][1:] == [f"farm-5-local (5 devices, {wire} wire)" for wire in ("fp16", "uint8")]
    assert len({one.basis(("ips",)) for one in rows}) == len({one.label for one in rows}) == 3
    assert [" --wire " in one.command for one in rows] == [False, True, True]


def test_another_runtime_is_another_row() -> None:
    """Proves that Keras in f32, another runtime and fewer bits have a label, a frontier and a command of their own."""
    rows = [found(document()).row]
    for asked in ({"runtime": "onnx"}, {"runtime": "openvino", "precision": "bf16"}):
        content = document()
        content["options"] |= asked
        rows.append(found(content).row)
    assert [one.computed for one in rows] == ["", "onnx", "openvino bf16"]
    assert len({one.basis(("ips",)) for one in rows}) == len({one.label for one in rows}) == 3
    assert [one.command.count(" --runtime ") for one in rows] == [0, 1, 1]
    assert [one.command.count(" --precision ") for one in rows] == [0, 0, 1]


def test_the_order_puts_usable_rows_first() -> None:
    """Proves that valid rows come first, published ones after them and refused ones last, the fastest first."""
    rows = [row(verdict=verdict, figures={"ips": ips}) for verdict in reversed(VERDICTS) for ips in (1.0, 2.0)]
    ordered = sorted(rows, key=good)
    assert [one.verdict for one in ordered] == [verdict for verdict in VERDICTS for _ in range(2)]
    assert [one.figures["ips"] for one in ordered] == [2.0, 1.0] * 4


def test_a_row_survives_its_document() -> None:
    """Proves that a row comes back from JSON as it was, and that another document is no row."""
    rows = [found(document(power="rapl", declared={"price_usd": 3, "price_source": "x"})).row]
    rows += [row_of_published(one) for one in read_published()]
    for one in rows:
        assert Row.from_document(json.loads(json.dumps(one.to_document()))) == one
    good_document = rows[0].to_document()
    with pytest.raises(ValueError, match="too many or missing"):
        Row.from_document(good_document | {"more": 1})
    with pytest.raises(ValueError, match="no row"):
        Row.from_document(good_document | {"id": "../../etc/passwd"})
    with pytest.raises(ValueError, match="no row"):
        Row.from_document(good_document | {"verdict": "SPLENDID"})


def test_no_record_can_claim_the_page_of_another() -> None:
    """Proves that a row's id is computed from what the record says, not read from it."""
    mine = seal(document())
    other = seal(document(target="other"))
    stolen = other | {"manifest": {**other["manifest"], "record_sha256": mine["manifest"]["record_sha256"]}}
    assert record_id(mine) == mine["manifest"]["record_sha256"][:16]
    assert record_id(stolen) == record_id(other) != record_id(mine)


@pytest.mark.parametrize(
    ("content", "command"),
    [
        (
            document(frames=200, power="virtual"),
            (
                "iot-farm run --target farm-5-local --model alexnet --partition alexnet-5 --frames 200 --seed 2018 "
                "--official --power virtual --idle 30"
            ),
        ),
        (
            document(target="host", device="gpu", devices=1, kind="quick", options={"frames": 3, "least_s": 5.0}),
            "iot-farm run --target host --model alexnet --device gpu --frames 3 --seconds 5",
        ),
        (document(target="my farm; rm -rf ~", options={}), "'my farm; rm -rf ~'"),
        (document(target="--out=etc", options={}), "--target=--out=etc"),
        (document(target="a\x1b[2Jb"), ""),
        (document(target="a\nb"), ""),
        (document(target="10.1.2.3"), ""),
        (document(target=7), ""),
        (document(options={"frames": "7; reboot"}), ""),
        (document(options={"frames": True}), ""),
        (document(device="cpu; reboot", target="host"), ""),
        (document(options=[]), "--official"),
    ],
)
def test_the_command_repeats_the_run_and_nothing_else(content: dict, command: str) -> None:
    """Proves that the command holds the run's options, quoted; a text that one cannot see gives no command."""
    made = command_of(content)
    assert command in made if command else made == ""


def test_a_meter_s_address_stays_at_home() -> None:
    """Proves that an instrument's address is in neither command nor row, while its name for everybody is."""
    content = document(power="TCPIP::10.1.2.3::INSTR")
    assert '--power "$METER"' in command_of(content)
    assert "10.1.2.3" not in json.dumps(found(content).row.to_document())
    assert "--power rapl" in command_of(document(power="rapl"))


def test_paths_and_addresses_do_not_get_onto_a_page() -> None:
    """Proves that reasons, details and environments are shown without addresses and absolute paths."""
    secret = "node 10.20.30.40:12345 wrote /home/somebody/farm/x.json"
    audit = SaidAudit(
        status="INVALID",
        reasons=(secret,),
        notes=(secret,),
        findings=(SimpleNamespace(rule="r", title=secret, passed=False, detail=secret),),
    )
    content = document(
        devices=[{"name": "10.20.30.40", "roles": [], "before": {"at": secret}, "after": {"l": [secret]}}]
    )
    shown = repr((row_of_record(content, audit, "x"), detail_of_record(content, audit, None)))
    assert "somebody" not in shown
    assert "10.20.30.40" not in shown
    assert "address-1" in shown
    assert private("2 of 3 frames, 1.5 ms, a/b") == "2 of 3 frames, 1.5 ms, a/b"


def test_a_figure_keeps_the_digits_that_mean_something() -> None:
    """Proves that an uncertainty of two digits decides, that none leaves four, and that cells carry it."""
    assert (written(2.30312, 0.0123), written(1234.5), written(0.0)) == ("2.303", "1234", "0")
    cells = {cell.column.id: cell for cell in cells_of(found(document(power="rapl")).row)}
    assert (cells["energy_dynamic_j"].text, cells["energy_dynamic_j"].uncertainty) == ("0.400 J", "± 0.012")
    assert (cells["accuracy"].value, cells["accuracy"].text) == (None, "unknown")
    assert cells["price_usd"].text == "\N{EN DASH}", "missing is not zero"


def test_columns_and_axes_have_a_direction() -> None:
    """Proves that each axis of the plots says which way is better, and that the first two are among them."""
    assert all(axis.metric.better is not Better.NEITHER for axis in AXES)
    assert set(DEFAULT_AXES) <= {axis.id for axis in AXES}
    families = {"ips", "latency_p50_s", "energy_total_j", "price_usd", "accuracy"}
    assert families <= {axis.id for axis in AXES}
    assert families | {"peak_power_w", "frames_verified"} <= {column.id for column in COLUMNS}


def test_the_scripts_get_what_the_cells_show() -> None:
    """Proves that the data of the page's scripts are the row's own figures, missing ones left out."""
    one = found(document(power="virtual", measured=False)).row
    (data,) = data_of([one], "records/{id}.html")["rows"]
    assert data["values"] == {
        column.id: one.value(column.id) for column in (*COLUMNS, *AXES) if one.value(column.id) is not None
    }
    assert "accuracy" not in data["values"]
    assert data["href"] == f"records/{one.id}.html"
    assert (data["virtual"], data["usable"]) == (True, True)
    assert {line.exact for line in figure_lines(one)} >= {repr(one.figures["ips"]), repr(1.3)}


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(document())), JUNK, max_size=6))
def test_no_record_can_break_a_row(changes: dict) -> None:
    """Proves that whatever stands in a record that was let in, its row and its page's details are made."""
    content = document(frames=3) | changes
    try:
        record_id(content)
    except (ValueError, TypeError):
        return  # no JSON has such content
    said = SaidAudit(figures=figures(document(frames=3)))
    made = row_of_record(content, said, "name")
    detail = detail_of_record(content, said, None)
    for text in (made.model, made.system, made.device, *made.marks, *(text for fact in detail.facts for text in fact)):
        assert text.isprintable()
        assert len(text) <= 200
    assert Row.from_document(json.loads(json.dumps(made.to_document()))) == made


def test_long_and_unprintable_texts_are_cut_and_marked() -> None:
    """Proves that no name fills a page or turns its letters round."""
    made = replace(row(), system=plain("x" * 1000, 60))
    assert len(made.system) == 60
    assert made.system.endswith("…")
    assert plain("a\u202eb\x00c\nd") == "a�b�c�d"


def test_an_emulated_row_tells_how_to_repeat_it() -> None:
    """Proves that what was imitated, and by which requests, are marks, frontiers and commands of their own."""
    content = document(emulated="rpi3+wifi-n/requests-2018")
    content["options"]["protocol"] = "requests-2018"
    rows = [found(document(emulated="rpi3+wifi-n")).row, found(content).row]
    assert [one.marks[0] for one in rows] == ["emulated: rpi3+wifi-n", "emulated: rpi3+wifi-n/requests-2018"]
    assert len({one.basis(("ips",)) for one in rows}) == 2
    assert all("--emulate rpi3+wifi-n" in one.command for one in rows)
    assert ["--protocol requests-2018" in one.command for one in rows] == [False, True]
