"""What `iot-farm simulate` prints and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich import box
from rich.table import Table

from harness.cli.report import console
from harness.plan.explain import seconds
from harness.report.simulation_figures import SimulatedLine, SimulatedPoint, simulation_svg
from harness.simulate.against import FIGURES, Prediction
from harness.simulate.federation import Federation, Wanted
from harness.simulate.fit import Calibration
from harness.simulate.study import Curve

_SIMULATED = "simulated, not measured"
_TITLES = ["devices", "farms", "simulated", "IPS", "planned", "p50", "p90", "J/frame", "failures", "again", "lost"]


def prediction_document(calibration: Calibration, predictions: Sequence[Prediction], seed: int) -> dict[str, Any]:
    """Predictions as plain data."""
    rates = calibration.profile.fits["Conv2D"].seconds_per if calibration.nodes else {}
    return {
        "measured": False,
        "seed": seed,
        "fit": {
            "source": calibration.source,
            "s_per_mac": rates.get("macs"),
            "s_per_parameter": rates.get("parameters"),
            "network": calibration.network.name,
            "message_s": calibration.network.message_s,
            "shared_cores": calibration.shared_cores,
            "jitter": calibration.jitter,
            "largest_error": calibration.largest_error,
            "nodes": [
                {
                    "role": node.role,
                    "part": node.part,
                    "block_s": node.block_s,
                    "fitted_s": node.fitted_s,
                    "cpu_s": node.cpu_s,
                    "messages": node.messages,
                }
                for node in calibration.nodes
            ],
        },
        "predictions": [
            {
                "of": one.asked.name,
                "partition": one.asked.plan.partition.name,
                "figures": {
                    figure: {
                        "predicted": one.predicted(figure),
                        "measured": one.measured(figure),
                        "error": one.error(figure),
                    }
                    for figure in FIGURES
                },
                "outcome": one.outcome.describe(),
            }
            for one in predictions
        ],
    }


def print_predictions(calibration: Calibration, predictions: Sequence[Prediction]) -> None:
    """The fit, and each prediction beside what was measured."""
    _print_fit(calibration)
    table = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("of", "cut", "frames", "figure", "predicted", "measured", "error"):
        table.add_column(title, justify="left" if title in {"of", "cut", "figure"} else "right")
    for one in predictions:
        head = (one.asked.name, one.asked.plan.partition.name, str(one.asked.frames))
        for figure in FIGURES:
            error = one.error(figure)
            table.add_row(
                *head,
                "IPS" if figure == "ips" else figure.removeprefix("latency_").removesuffix("_s"),
                _figure(figure, one.predicted(figure)),
                _figure(figure, one.measured(figure)),
                "unknown" if error is None else f"{error:+.1%}",
            )
            head = ("", "", "")
    console().print(table)
    click.echo(f"predicted is {_SIMULATED}")


def _print_fit(calibration: Calibration) -> None:
    if not calibration.nodes:
        network = calibration.network.name
        click.echo(f"profile {calibration.source} on {network}, jitter {calibration.jitter:.1%}; nothing is fitted")
        return
    rates = calibration.profile.fits["Conv2D"].seconds_per
    where = "machines of their own"
    if calibration.shared_cores is not None:
        where = f"{calibration.shared_cores} cores that all nodes share"
    click.echo(
        f"fitted to {calibration.source}: {rates['macs'] * 1e12:.3g} ps per MAC, "
        f"{rates['parameters'] * 1e12:.3g} ps per weight, {seconds(calibration.network.message_s)} per message at "
        f"either end, jitter {calibration.jitter:.1%}, {where}"
    )
    click.echo(f"  its own blocks within {calibration.largest_error:.1%}")


def study_document(curves: Sequence[Curve], wanted: Wanted, device: str) -> dict[str, Any]:
    """A study as plain data."""
    return {
        "measured": False,
        "device": device,
        "network": wanted.network.name,
        "frames": wanted.frames,
        "rate_fps": wanted.rate_fps,
        "jitter": wanted.jitter,
        "seed": wanted.seed,
        "farm_devices": wanted.farm_devices,
        "distinct": wanted.distinct,
        "objective": wanted.objective,
        "curves": [curve.describe() for curve in curves],
    }


def print_study(curves: Sequence[Curve]) -> None:
    """A table for each curve, and how many farms were simulated."""
    for curve in curves:
        click.echo(f"{curve.model}, {curve.case.title} ({_SIMULATED})")
        table = Table(box=box.SIMPLE, pad_edge=False)
        for title in _TITLES:
            table.add_column(title, justify="right")
        for one in curve.federations:
            table.add_row(*_row(one))
        console().print(table)
        for one in curve.federations:
            click.echo(f"  {one.devices:,}: {one.counted}; plan: {one.sizes[0].roles}")
        for count, why in curve.missing.items():
            click.echo(f"  {count:,}: {why}")


def figure(curves: Sequence[Curve]) -> bytes:
    """All curves as one SVG."""
    lines = [
        SimulatedLine(
            curve.model,
            curve.case.title,
            tuple(
                SimulatedPoint(
                    one.devices,
                    one.ips,
                    one.latency_s(50),
                    one.latency_s(90),
                    None if one.energy is None else one.energy.total_j,
                )
                for one in curve.federations
            ),
        )
        for curve in curves
    ]
    largest = max((one for curve in curves for one in curve.federations), key=lambda one: one.devices, default=None)
    counted = "" if largest is None else f"{largest.devices:,} devices: {largest.counted}"
    return simulation_svg(lines, "Farms under a simulated clock (simulated, not measured)", counted)


def _row(one: Federation) -> tuple[str, ...]:
    energy = one.energy
    outcomes = [outcome for size in one.sizes for outcome in size.outcomes]
    planned = sum(size.count * size.planned.ips for size in one.sizes)
    return (
        f"{one.devices:,}",
        f"{one.farms:,}",
        f"{one.simulated:,}",
        f"{one.ips:,.4g}",
        f"{planned:,.4g}",
        _seconds(one.latency_s(50)),
        _seconds(one.latency_s(90)),
        "unknown" if energy is None else f"{energy.total_j:.3g}",
        str(sum(outcome.failures for outcome in outcomes)),
        str(sum(outcome.resent for outcome in outcomes)),
        str(sum(outcome.sent - outcome.returned for outcome in outcomes)),
    )


def _figure(name: str, value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}" if name == "ips" else seconds(value)


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else seconds(value)
