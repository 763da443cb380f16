"""`iot-farm profile`: how long a kind of device needs for each layer of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.bench.options import DEFAULT_SEED
from harness.cli.numbers import FiniteRange
from harness.cli.options import json_option, runtime_options, typed_of
from harness.cli.outputs import require_output, write_output

if TYPE_CHECKING:
    from harness.profile.profile import Fit, LayerFigure, Profile
    from harness.records.computing import Precision, RuntimeName, Way


@click.command()
@click.argument("model_name", metavar="MODEL")
@click.option(
    "--device",
    default="host",
    show_default=True,
    metavar="NAME|FILE",
    help="host measures this machine; rpi3, tx1-cpu, tx1-gpu, tx2-cpu, tx2-gpu are of published figures.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of the measured machine.")
@click.option(
    "--seconds",
    "layer_s",
    type=FiniteRange(min=0, max=60, min_open=True),
    default=0.3,
    show_default=True,
    help="Computing for each measured layer.",
)
@click.option("--seed", type=click.IntRange(0), default=DEFAULT_SEED, show_default=True, help="Seed of the weights.")
@click.option("--idle-w", type=FiniteRange(min=0, max=1e6), help="Watts of this machine when idle, if you know them.")
@click.option("--load-w", type=FiniteRange(min=0, max=1e6, min_open=True), help="Watts of this machine under load.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Keep the profile there.")
@runtime_options
@json_option
def profile(
    model_name: str,
    device: str,
    threads: int,
    layer_s: float,
    seed: int,
    idle_w: float | None,
    load_w: float | None,
    out: Path | None,
    runtime: RuntimeName,
    precision: Precision,
    way: Way,
    as_json: bool,
) -> None:
    """Show seconds and memory of each layer of MODEL (alexnet, vgg16) on a kind of device, and their sources.

    \b
    Examples:
      iot-farm profile alexnet
      iot-farm profile alexnet --out host.json        # then: iot-farm plan --device host.json ...
      iot-farm profile vgg16 --device rpi3
    """
    from harness.errors import BadInputError
    from harness.models.catalogue import model
    from harness.profile.profile import profile_document, profile_text
    from harness.profile.shipped import HOST, profile_called

    graph = model(model_name)
    require_output(out, "profile", _is_profile)
    _require_sense(device, idle_w, load_w)
    if device == HOST:
        from harness.bench.layer_profile import profile_host
        from harness.cli.progress import progress_for
        from harness.records.computing import Wanted

        with progress_for(quiet=as_json) as progress:
            found = profile_host(
                graph,
                wanted=Wanted(runtime, precision, way),
                threads=threads,
                seed=seed,
                layer_s=layer_s,
                idle_w=idle_w,
                load_w=load_w,
                progress=progress,
            )
    else:
        found = profile_called(device)
        if found.figures(graph) is None:
            raise BadInputError(
                f"profile {found.name} has no figures of {model_name}", f"it has {', '.join(found.models) or 'none'}"
            )
    if out is not None:
        write_output(out, profile_text(found))
    if as_json:
        click.echo(json.dumps(profile_document(found), indent=1))
        return
    _print(found, model_name)
    if out is not None:
        click.echo(f"kept in {out}")


_OF_HOST = ("threads", "layer_s", "seed", "idle_w", "load_w", "runtime", "precision", "way")


def _require_sense(device: str, idle_w: float | None, load_w: float | None) -> None:
    """What would be found out only when all layers are measured, or never."""
    from harness.errors import BadInputError
    from harness.profile.shipped import HOST

    if device != HOST and (typed := typed_of(_OF_HOST)):
        raise BadInputError(f"{typed} is for --device {HOST}", "the figures of other devices are published ones")
    if idle_w is not None and load_w is not None and load_w < idle_w:
        raise BadInputError(
            f"--load-w {load_w:g} is less than --idle-w {idle_w:g}", "under load a machine draws as much or more"
        )


def _is_profile(document: Any) -> bool:
    from harness.profile.profile import FORMAT

    return isinstance(document, dict) and document.get("format") == FORMAT


def _print(found: Profile, model_name: str) -> None:
    from rich import box
    from rich.table import Table

    from harness.cli.report import console

    figures = found.models[model_name]
    device = found.device
    click.echo(f"{found.name}: {device.title}, {device.cores} cores, {device.memory_bytes / 1e9:.1f} GB")
    click.echo(f"  idle {_watts(device.idle_w)}, load {_watts(device.load_w)}")
    table = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("layer", "part of", "warm", "cold", "memory", "basis"):
        table.add_column(title, justify="left" if title in {"layer", "basis"} else "right")
    for one in figures.layers:
        table.add_row(
            one.layer, str(one.parts), _warm(one), _milliseconds(one.cold_s), _megabytes(one.memory_bytes), one.basis
        )
    console().print(table)
    whole_s = sum(one.warm_s for one in figures.layers if one.parts == 1)
    click.echo(f"all layers in memory {_milliseconds(whole_s)}; whole model by itself {_milliseconds(figures.whole_s)}")
    for kind, fitted in found.fits.items():
        click.echo(f"  {kind}: {_fit(fitted)}")
    for curve in found.curves:
        points = ", ".join(
            f"{point.size}: {_milliseconds(point.warm_s)} / {_milliseconds(point.first_100_s)}"
            for point in curve.points
        )
        click.echo(f"  {curve.title} (steady / mean of the first 100 runs): {points}")
    click.echo("sources:")
    for source in dict.fromkeys([*(one.source for one in figures.layers), figures.whole_source, *_sources(found)]):
        if source:
            click.echo(f"  {source}")


def _sources(found: Profile) -> list[str]:
    named = [f"{field}: {source}" for field, source in found.device.sources.items()]
    named += [f"{kind}: {fitted.source}" for kind, fitted in found.fits.items()]
    named += [f"{curve.title}: {curve.source}" for curve in found.curves]
    return named if found.device.swap is None else [*named, f"swap: {found.device.swap.source}"]


def _fit(fitted: Fit) -> str:
    terms = " + ".join(
        f"{seconds * 1e3:.3g} ms" if feature == "one" else f"{seconds * 1e9:.3g} ns per {_ONE_OF[feature]}"
        for feature, seconds in fitted.seconds_per.items()
    )
    if fitted.median_error is None or fitted.largest_error is None:
        error = "error unknown"
    else:
        error = f"error {fitted.median_error:.0%}, largest {fitted.largest_error:.0%}, each point left out once"
    return f"{terms} ({fitted.points} points, {error})"


_ONE_OF = {"macs": "MAC", "parameters": "parameter", "input_bytes": "byte in", "output_bytes": "byte out"}


def _warm(one: LayerFigure) -> str:
    swapping = "" if one.swapping_s is None else f" (swapping {_milliseconds(one.swapping_s)})"
    return _milliseconds(one.warm_s) + swapping


def _milliseconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds * 1e3:,.3g} ms" if seconds < 1 else f"{seconds:,.3f} s"


def _megabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.1f} MB"


def _watts(watts: float | None) -> str:
    return "unknown" if watts is None else f"{watts:g} W"
