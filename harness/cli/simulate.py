"""`iot-farm simulate`: farms under a simulated clock, fitted to a run or made of profiles."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option

if TYPE_CHECKING:
    from harness.simulate.against import Prediction
    from harness.simulate.federation import Wanted
    from harness.simulate.fit import Calibration
    from harness.simulate.scene import Failures, Outage
    from harness.simulate.study import Case, Curve

_SHOWN = 40
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--fit", "record", type=_FILE, metavar="RECORD", help="Fit devices and messages to this measured run.")
@click.option(
    "--predict",
    "predicted",
    type=_FILE,
    multiple=True,
    metavar="FILE",
    help="A farm file, or the record of a run to stand beside; may be given several times.",
)
@click.option("--model", "models", multiple=True, metavar="NAME", help="alexnet or vgg16; both where none is named.")
@click.option("--devices", "counts", metavar="N,N,...", help="How many, in farms of --farm-devices.")
@click.option("--device", default="rpi3", show_default=True, metavar="NAME|FILE", help="Profile of all devices.")
@click.option(
    "--network", metavar="NAME|FILE", help="wifi-n, ethernet-100, loopback, a file [default: wifi-n; --fit: loopback]."
)
@click.option("--extrapolate", is_flag=True, help="Take fits where a profile has no figures of the model.")
@click.option("--own-links", is_flag=True, help="Each device has a link of that bandwidth to itself.")
@click.option("--all-cases", is_flag=True, help="Shared medium and own links, without and with failures.")
@click.option("--objective", default="throughput", show_default=True, metavar="NAME", help="Of the farms' plans.")
@click.option("--farm-devices", type=int, default=1000, show_default=True, metavar="N", help="Of a farm at most.")
@click.option("--distinct", type=int, default=4, show_default=True, metavar="N", help="Farms of each size to simulate.")
@click.option("--frames", type=int, metavar="N", help="Of each window [default: 500; of a farm file 1000].")
@click.option("--rate", "rate_fps", type=float, metavar="FPS", help="Frames per second to each farm, come what may.")
@click.option("--mtbf", "between_s", type=float, metavar="S", help="Mean time between two failures of a device.")
@click.option(
    "--repair", "repair_s", type=float, default=60.0, show_default=True, metavar="S", help="Mean time to repair."
)
@click.option(
    "--fail", "outages", multiple=True, metavar="AT:DEVICE[:FOR]", help="A device loses power at AT s; 0 is the first."
)
@click.option("--jitter", type=float, metavar="SHARE", help="Of block times [default: 0.05; --fit: as measured].")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same figures.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", help="Write JSON and figures there."
)
@json_option
def simulate(
    record: Path | None,
    predicted: tuple[Path, ...],
    models: tuple[str, ...],
    counts: str | None,
    device: str,
    network: str | None,
    extrapolate: bool,
    own_links: bool,
    all_cases: bool,
    objective: str,
    farm_devices: int,
    distinct: int,
    frames: int | None,
    rate_fps: float | None,
    between_s: float | None,
    repair_s: float,
    outages: tuple[str, ...],
    jitter: float | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Let farms run under a simulated clock: the harness's own scheduler on devices that are only reckoned.

    Each --predict is printed beside what was measured: with --fit, by devices like those of another run, else by the
    profile of --device. With --devices, farms are planned: a number beyond --farm-devices is split into farms with an
    initial each. Nothing is computed, and no figure of it is a measurement.

    \b
    Examples:
      iot-farm simulate --fit alexnet-5.json --predict alexnet-6.json --predict farm.json
      iot-farm simulate --predict emulated.json --device rpi3 --network wifi-n
      iot-farm simulate --model vgg16 --devices 11,100,1000000
      iot-farm simulate --model alexnet --devices 100 --fail 10:3:60 --fail 20:4
      iot-farm simulate --devices 100,1000,1000000 --all-cases --mtbf 86400 --out figures
    """
    from harness.cli.simulate_checks import require_fitting
    from harness.errors import BadInputError
    from harness.runtime.packages import import_package

    require_fitting(
        devices=counts is not None,
        record=record,
        failing=between_s is not None or all_cases,
        frames=frames,
        out=out,
    )
    import_package("simpy", "simulate")
    if counts is None:
        calibration = _calibration(record, predicted, device, network, jitter)
        _predict(calibration, predicted, frames, jitter, seed, out, as_json, figures=record is None and not extrapolate)
        return
    if record is not None or predicted:
        raise BadInputError("--devices plans farms of its own", "leave it out, or --fit and --predict")
    from harness.profile.coverage import EXTRAPOLATE, require_figures
    from harness.simulate.scene import DEFAULT_JITTER
    from harness.simulate.study import study

    failures = _failures(between_s, repair_s, outages)
    wanted = _wanted(
        models, device, network or "wifi-n", 500 if frames is None else frames, rate_fps,
        DEFAULT_JITTER if jitter is None else jitter,
        failures, seed, farm_devices, distinct, objective,
    )  # fmt: skip
    if not extrapolate:
        for one in wanted:
            require_figures(one.profile, one.graph, EXTRAPOLATE)
    cases = _cases(wanted, failures, all_cases=all_cases, own_links=own_links)
    say = _say if not as_json else lambda _: None
    curves = study(wanted, _counts(counts), cases, say)
    document = _study_document(curves, wanted[0], device)
    if out is not None:
        _write(out, document, curves)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    _print_study(curves)
    if out is not None:
        click.echo(f"figures and data: {out}")


def _calibration(
    record: Path | None, predicted: Sequence[Path], device: str, network: str | None, jitter: float | None
) -> Calibration:
    """What devices are like: as in a run, or as a profile says.

    Raises:
        UserError: there is nothing to predict, or no such record, profile or network.
    """
    from harness.errors import BadInputError
    from harness.plan.network import network_called
    from harness.profile.shipped import profile_called
    from harness.simulate.fit import fit_record, unfitted
    from harness.simulate.scene import DEFAULT_JITTER

    if record is not None and not predicted:
        raise BadInputError("--fit without --predict predicts nothing", "name farm files or records")
    if not predicted:
        raise BadInputError("give --devices N, or --fit RECORD and --predict FILE", "iot-farm simulate --help")
    if record is not None:
        return fit_record(record, network=network or "")
    spread = DEFAULT_JITTER if jitter is None else jitter
    return unfitted(profile_called(device), network_called(network or "wifi-n"), spread)


def _predict(
    calibration: Calibration,
    predicted: Sequence[Path],
    frames: int | None,
    jitter: float | None,
    seed: int,
    out: Path | None,
    as_json: bool,
    *,
    figures: bool,
) -> None:
    from harness.cli.simulate_report import prediction_document, print_predictions
    from harness.profile.coverage import EXTRAPOLATE, require_figures
    from harness.simulate.against import asked_by, predict_run

    asked = [asked_by(path, frames=frames) for path in predicted]
    if figures:
        for one in asked:
            require_figures(calibration.profile, one.plan.partition.graph, EXTRAPOLATE)
    found: list[Prediction] = [predict_run(calibration, one, jitter=jitter, seed=seed) for one in asked]
    document = prediction_document(calibration, found, seed)
    if out is not None:
        _write_json(out, "prediction.json", document)
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        print_predictions(calibration, found)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _counts(text: str) -> list[int]:
    from harness.errors import BadInputError

    try:
        return [int(part.replace("_", "")) for part in text.split(",")]
    except ValueError:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise BadInputError(
            f"'{shown}' is no list of numbers of devices", "for example --devices 11,100,1000"
        ) from None


def _failures(between_s: float | None, repair_s: float, outages: Sequence[str]) -> Failures:
    from harness.simulate.scene import Failures

    return Failures(tuple(_outage(text) for text in outages), math.inf if between_s is None else between_s, repair_s)


def _outage(text: str) -> Outage:
    from harness.errors import BadInputError
    from harness.simulate.scene import Outage

    parts = text.split(":")
    try:
        at_s, device, *for_s = (float(parts[0]), int(parts[1]), *(float(part) for part in parts[2:]))
        return Outage(at_s, int(device), *for_s)
    except (ValueError, IndexError, TypeError):
        raise BadInputError(f"'{text}' is no outage", "write AT:DEVICE or AT:DEVICE:FOR, for example 10:3:60") from None


def _wanted(
    models: Sequence[str],
    device: str,
    network: str,
    frames: int,
    rate_fps: float | None,
    jitter: float,
    failures: Failures,
    seed: int,
    farm_devices: int,
    distinct: int,
    objective: str,
) -> list[Wanted]:
    from harness.models.catalogue import model
    from harness.plan.network import network_called
    from harness.profile.shipped import profile_called
    from harness.simulate.federation import Wanted

    profile, found = profile_called(device), network_called(network)
    return [
        Wanted(model(name), profile, found, frames, rate_fps, jitter, failures, seed, farm_devices, distinct, objective)
        for name in dict.fromkeys(models) or ("alexnet", "vgg16")
    ]


def _cases(wanted: Sequence[Wanted], failures: Failures, *, all_cases: bool, own_links: bool) -> Sequence[Case]:
    from harness.simulate.study import ALL_CASES, Case

    return ALL_CASES if all_cases else (Case(wanted[0].network.shared and not own_links, not failures.none),)


def _study_document(curves: Sequence[Curve], wanted: Wanted, device: str) -> dict[str, Any]:
    from harness.cli.simulate_report import study_document

    return study_document(curves, wanted, device)


def _print_study(curves: Sequence[Curve]) -> None:
    from harness.cli.simulate_report import print_study

    print_study(curves)


def _write(out: Path, document: dict[str, Any], curves: Sequence[Curve]) -> None:
    from harness.cli.simulate_report import figure
    from harness.report.files import write_files

    text = json.dumps(document, indent=1) + "\n"
    write_files(out, {"simulation.json": text.encode(), "simulation.svg": figure(curves)})


def _write_json(out: Path, name: str, document: dict[str, Any]) -> None:
    from harness.report.files import write_files

    write_files(out, {name: (json.dumps(document, indent=1) + "\n").encode()})
