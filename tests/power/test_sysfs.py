"""Meters of the kernel on made-up sysfs trees: RAPL counters and INA3221 rails, whole, broken and missing."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path

import pytest

from power import sysfs
from power.errors import LinkError, ReplyError
from power.meter import Meter
from power.source import open_source
from power.sysfs import Ina3221Meter, RaplMeter

SPAN_UJ = 262_143_328_850


class Clock:
    """A clock that stands still between two steps; sleeping moves it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        """The instant."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the meters."""
    made = Clock()
    monkeypatch.setattr(sysfs, "time", types.SimpleNamespace(monotonic=made.monotonic, sleep=made.sleep))
    return made


class Domain:
    """One domain of powercap."""

    def __init__(self, folder: Path, name: str, count_uj: int = 5_000_000, span_uj: int = SPAN_UJ) -> None:
        folder.mkdir(parents=True)
        self.counter = folder / "energy_uj"
        self.span_uj = span_uj
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{span_uj}\n")
        self.count_uj = count_uj
        self.use(0)

    def use(self, joules: float) -> None:
        """Count on, and begin anew at the end."""
        self.count_uj = (self.count_uj + round(joules * 1e6)) % self.span_uj
        self.counter.write_text(f"{self.count_uj}\n")


def after(clock: Clock, seconds: float, *used: tuple[Domain, float]) -> None:
    """Let time pass and domains use joules."""
    clock.sleep(seconds)
    for domain, joules in used:
        domain.use(joules)


def test_rapl_adds_packages_and_nothing_else(tmp_path: Path, clock: Clock) -> None:
    """The power is that of all packages; their parts and the whole platform beside them are not counted again."""
    one = Domain(tmp_path / "intel-rapl:0", "package-0")
    two = Domain(tmp_path / "intel-rapl:1", "package-1")
    others = [
        Domain(tmp_path / "intel-rapl:2", "psys"),
        Domain(tmp_path / "intel-rapl:0:0", "core"),
        Domain(tmp_path / "intel-rapl-mmio:0", "package-0"),
    ]
    meter: Meter = RaplMeter(tmp_path)
    meter.open()
    after(clock, 0.1, (one, 2.0), (two, 1.0), *((other, 7.0) for other in others))
    assert meter.read().power_w == pytest.approx(30.0)
    assert (meter.info.scope, meter.info.measured) == ("package", True)
    assert meter.info.identity == "intel-rapl:0, intel-rapl:1"


def test_rapl_reading_is_the_mean_of_its_update(tmp_path: Path, clock: Clock) -> None:
    """Asked twice per update, each reading is the mean of the last 0.1 s; not of the time since the last question."""
    package = Domain(tmp_path / "intel-rapl:0", "package-0")
    meter = RaplMeter(tmp_path)
    meter.open()
    seen = []
    for watts in (10, 10, 30, 30, 10, 10):
        after(clock, 0.05, (package, 0.05 * watts))
        seen.append(meter.read().power_w)
    assert seen == pytest.approx([10, 10, 20, 30, 20, 10])
    assert meter.info.kind == "average"
    assert meter.info.update_s == pytest.approx(0.1)


@pytest.mark.parametrize("span_uj", [SPAN_UJ, 65_532_610_987])
def test_rapl_counter_begins_anew_at_its_end(tmp_path: Path, clock: Clock, span_uj: int) -> None:
    """Over the end of the counter the power is right; another end of the counter gives another power."""
    package = Domain(tmp_path / "intel-rapl:0", "package-0", count_uj=span_uj - 500_000, span_uj=span_uj)
    meter = RaplMeter(tmp_path)
    meter.open()
    after(clock, 0.1, (package, 2.0))
    assert package.count_uj < 2_000_000, "control: it did begin anew"
    assert meter.read().power_w == pytest.approx(20.0)


def test_rapl_counter_set_back_is_no_power(tmp_path: Path, clock: Clock) -> None:
    """A counter that falls without having been near its end is no reading of megawatts; the next ones are good."""
    package = Domain(tmp_path / "intel-rapl:0", "package-0", count_uj=9_000_000_000)
    meter = RaplMeter(tmp_path)
    meter.open()
    after(clock, 0.1)
    package.count_uj = 0
    package.use(0.001)
    with pytest.raises(ReplyError) as jumped:
        meter.read()
    assert jumped.value.cause == "limit"
    after(clock, 0.1, (package, 1.5))
    assert meter.read().power_w == pytest.approx(15.0)


def test_rapl_counter_that_stands_still(tmp_path: Path, clock: Clock) -> None:
    """A counter that does not move is a flagged reading, not 0 W."""
    package = Domain(tmp_path / "intel-rapl:0", "package-0")
    meter = RaplMeter(tmp_path)
    meter.open()
    after(clock, 0.1)
    with pytest.raises(ReplyError) as frozen:
        meter.read()
    assert frozen.value.cause == "frozen"
    after(clock, 0.1, (package, 1.0))
    assert meter.read().power_w > 0, "control"


def test_rapl_gone_in_mid_run(tmp_path: Path, clock: Clock) -> None:
    """A counter that can no longer be read is a lost link; the same ones may come back, others may not."""
    package = Domain(tmp_path / "intel-rapl:0", "package-0")
    meter = RaplMeter(tmp_path)
    meter.open()
    package.counter.unlink()
    for act in (meter.read, meter.recover):
        with pytest.raises(LinkError, match="energy_uj") as gone:
            act()
        assert gone.value.cause == "eof"
    package.use(1.0)
    meter.recover()
    after(clock, 0.1, (package, 1.0))
    assert meter.read().power_w == pytest.approx(10.0)
    Domain(tmp_path / "intel-rapl:1", "package-1")
    with pytest.raises(LinkError) as replaced:
        meter.recover()
    assert replaced.value.cause == "replaced"


def _no_packages(folder: Path) -> None:
    Domain(folder / "intel-rapl:0", "psys")


def _forbidden(folder: Path) -> None:
    # Tests may run as root, who may read everything: a folder in the counter's place fails for root too.
    domain = Domain(folder / "intel-rapl:0", "package-0")
    domain.counter.unlink()
    domain.counter.mkdir()


def _no_counter(folder: Path) -> None:
    Domain(folder / "intel-rapl:0", "package-0").counter.unlink()


def _no_number(folder: Path) -> None:
    Domain(folder / "intel-rapl:0", "package-0").counter.write_text("12.5 J\n")


def _no_end(folder: Path) -> None:
    Domain(folder / "intel-rapl:0", "package-0")
    (folder / "intel-rapl:0" / "max_energy_range_uj").write_text("\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _folder: None, "no RAPL counters in"),
        (_no_packages, "no RAPL counters in"),
        (_forbidden, "energy_uj: Is a directory"),
        (_no_counter, "energy_uj: No such file"),
        (_no_number, "energy_uj holds no whole number"),
        (_no_end, "max_energy_range_uj holds no whole number"),
    ],
)
def test_rapl_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    """Counters that are missing, unreadable or no numbers are one line with a way out, when the meter is opened."""
    make(tmp_path)
    with pytest.raises(LinkError, match=message) as caught:
        RaplMeter(tmp_path).open()
    assert caught.value.hint
    assert "\n" not in caught.value.message


def chip(folder: Path, rails: dict[str, tuple[str, str]], name: str = "ina3221") -> Path:
    """A chip of hwmon with channels of millivolts and milliamperes."""
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    for number, (label, (millivolts, milliamperes)) in enumerate(rails.items(), start=1):
        (folder / f"in{number}_label").write_text(f"{label}\n")
        (folder / f"in{number}_input").write_text(f"{millivolts}\n")
        (folder / f"curr{number}_input").write_text(f"{milliamperes}\n")
    return folder


BOARD = {"VDD_GPU": ("19000", "40"), "VDD_INTERNAL": ("5000", "900"), "VDD_IN": ("19072", "512")}


def test_ina3221_volts_times_amperes_of_the_input(tmp_path: Path) -> None:
    """Of all chips and rails the board's input is taken: 19.072 V x 0.512 A; not another rail, not another chip."""
    chip(tmp_path / "hwmon0", {"VDD_IN": ("1000", "1")}, name="tmp451")
    chip(tmp_path / "hwmon1", {"VDD_SOC": ("1000", "2")})
    chip(tmp_path / "hwmon2", BOARD)
    meter: Meter = Ina3221Meter(tmp_path)
    meter.open()
    assert meter.read().power_w == pytest.approx(9.764864)
    assert meter.info.identity == "VDD_IN"
    assert meter.info.resource.endswith("hwmon2")
    assert (meter.info.scope, meter.info.kind, meter.info.measured) == ("board rails", "point", True)
    (tmp_path / "hwmon2" / "curr3_input").write_text("1024\n")
    assert meter.read().power_w == pytest.approx(2 * 9.764864)


@pytest.mark.parametrize("label", ["VDD_IN", "POM_5V_IN", "vdd_in", "SYSTEM", "Total"])
def test_ina3221_names_of_the_input(tmp_path: Path, label: str) -> None:
    """The names that boards give to their input are known."""
    chip(tmp_path / "hwmon0", {"VDD_CPU": ("1", "1"), label: ("5000", "1000")})
    meter = Ina3221Meter(tmp_path)
    meter.open()
    assert meter.read().power_w == pytest.approx(5.0)


def test_ina3221_without_an_input_rail(tmp_path: Path) -> None:
    """No chip, or none with an input rail, is one line that names the folder and the rails that are there."""
    with pytest.raises(LinkError, match="no INA3221"):
        Ina3221Meter(tmp_path).open()
    chip(tmp_path / "hwmon0", {"VDD_CPU": ("1", "1"), "VDD_INTERNAL": ("1", "1")})
    with pytest.raises(LinkError, match="rails are VDD_CPU, VDD_INTERNAL") as caught:
        Ina3221Meter(tmp_path).open()
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("file", "content", "error", "cause"),
    [
        ("in3_input", None, LinkError, "eof"),
        ("curr3_input", None, LinkError, "eof"),
        ("curr3_input", "", ReplyError, "garbage"),
        ("in3_input", "19.072", ReplyError, "garbage"),
        ("curr3_input", "-8", ReplyError, "negative"),
    ],
)
def test_ina3221_that_shows_no_power(
    tmp_path: Path, file: str, content: str | None, error: type[LinkError | ReplyError], cause: str
) -> None:
    """What is missing, no whole number, or negative is named and no power; on opening as in mid-run."""
    board = chip(tmp_path / "hwmon0", BOARD)
    meter = Ina3221Meter(tmp_path)
    meter.open()
    before = (board / file).read_text()
    if content is None:
        (board / file).unlink()
    else:
        (board / file).write_text(content)
    for act in (meter.read, meter.recover):
        with pytest.raises(error) as caught:
            act()
        assert caught.value.cause == cause
    with pytest.raises(LinkError, match="INA3221"):
        Ina3221Meter(tmp_path).open()
    (board / file).write_text(before)
    meter.recover()
    assert meter.read().power_w > 0, "control"


def test_ina3221_another_rail_in_its_place(tmp_path: Path) -> None:
    """When another rail answers to the search than before, the link is not taken up again."""
    board = chip(tmp_path / "hwmon0", BOARD)
    meter = Ina3221Meter(tmp_path)
    meter.open()
    (board / "in3_label").write_text("VDD_SOC\n")
    (board / "in1_label").write_text("VDD_IN\n")
    with pytest.raises(LinkError) as caught:
        meter.recover()
    assert caught.value.cause == "replaced"


@pytest.mark.parametrize(("source", "kind"), [("rapl", RaplMeter), ("ina3221", Ina3221Meter)])
def test_words_for_meters_of_the_kernel(source: str, kind: type) -> None:
    """`rapl` and `ina3221` name these meters."""
    assert isinstance(open_source(source), kind)
