"""The shipped profiles, made from the published figures by rules that each figure names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import mean
from typing import Final

from harness.errors import NotFoundError
from harness.models.catalogue import model
from harness.models.graph import ModelGraph
from harness.profile import published_figures as published
from harness.profile.fit import Point, dense_features, estimate_s, features_of, fit, kind_of
from harness.profile.profile import (
    Basis,
    Curve,
    CurvePoint,
    Device,
    Fit,
    LayerFigure,
    ModelFigures,
    Profile,
    Swap,
    rounded,
)
from harness.profile.times import WEIGHT_BYTES

_FC: Final = "parallel-ml/fc, Raspberry Pi 3, mean of 50 or 100 runs"
_RESULTS: Final = "ctuning/ck-request-asplos18-results-iot-farm"
_TABLES: Final = "paper, Tables 1 and 2"
_GB: Final = 1_000_000_000
_LAYER_KINDS: Final = ("Conv2D", "MaxPool2D", "Dense", "Flatten")


def published_profile(name: str) -> Profile:
    """A profile from published figures.

    Args:
        name: one of `published_names`.

    Raises:
        NotFoundError: there are no published figures of such a device.
    """
    if name not in _MAKERS:
        raise NotFoundError(f"there is no profile '{name}'", f"known: {', '.join(_MAKERS)}")
    return _MAKERS[name]()


def published_names() -> tuple[str, ...]:
    """Devices with published figures."""
    return tuple(_MAKERS)


def _rpi3() -> Profile:
    vgg16, alexnet = model("vgg16"), model("alexnet")
    fits = _pi_fits(vgg16)
    pi = Profile(
        name="rpi3",
        device=_pi_device(),
        models={"vgg16": ModelFigures(vgg16.digest(), _pi_vgg16(vgg16, fits), None, "")},
        fits=fits,
        curves=_pi_curves(),
    )
    whole_s = mean(published.WHOLE_S["rpi3"]["alexnet"])
    source = f"{_RESULTS}: alexnet-rpi-cpu, mean of three repetitions of 50"
    figures = _scaled(alexnet, fits, whole_s, "the fit of its kind, all layers scaled alike to the whole model's time")
    return replace(
        pi, models={**pi.models, "alexnet": ModelFigures(alexnet.digest(), figures, rounded(whole_s), source)}
    )


def _pi_device() -> Device:
    largest = (published.FC_INPUTS + 1) * published.FC_LARGEST_IN_MEMORY * WEIGHT_BYTES
    activations = (published.FC_INPUTS + published.FC_LARGEST_IN_MEMORY) * WEIGHT_BYTES
    copies = 2
    runtime = _GB - copies * largest - activations
    fc1 = (published.VGG16_FC1_INPUTS + 1) * published.FC_UNITS * WEIGHT_BYTES
    fc1_activations = (published.VGG16_FC1_INPUTS + published.FC_UNITS) * WEIGHT_BYTES
    beyond = fc1 - (_GB - runtime - fc1_activations) / copies
    return Device(
        title="Raspberry Pi 3 Model B",
        cores=4,
        memory_bytes=_GB,
        runtime_bytes=runtime,
        weight_copies=float(copies),
        idle_w=1.3,
        load_w=6.5,
        swap=Swap(
            rounded((published.VGG16_FC1_SWAPPING_S - _fc1_in_memory_s()) / beyond),
            "extrapolated",
            f"dense1 of VGG16 (411 MB) took 2.483 s in place of {_fc1_in_memory_s():.2f} s, and fc 7680 -> 12228 "
            "(376 MB) shows no cliff: what lies between is taken to be read for every frame",
        ),
        sources={
            "memory_bytes": f"{_TABLES}: 1 GB",
            "runtime_bytes": "inferred: the largest layer without a cliff, fc 7680 -> 12228, just fits in two copies",
            "weight_copies": "assumed: TensorFlow 1.5 keeps what it was given beside the variable",
            "idle_w": f"{_TABLES}: idle, no power gating",
            "load_w": f"{_TABLES}: full load",
        },
    )


def _fc1_in_memory_s() -> float:
    """fc1 of VGG16 if it did not swap: at the pace of fc2, 6.8 ns for each parameter."""
    units = published.FC_UNITS
    pace_s = published.VGG16_LAYERS_S["fc2"] / ((units + 1) * units)
    return pace_s * (published.VGG16_FC1_INPUTS + 1) * units


def _pi_vgg16(graph: ModelGraph, fits: Mapping[str, Fit]) -> tuple[LayerFigure, ...]:
    pace = "the pace of dense2, 6.8 ns for each parameter"
    figures = []
    for layer in graph.layers:
        seconds = published.VGG16_LAYERS_S.get(layer.name)
        if seconds is not None:
            figures.append(_figure(layer.name, seconds, "published", f"{_FC}, models/stats"))
        elif layer.name == "fc1":
            whole = _figure("fc1", _fc1_in_memory_s(), "extrapolated", f"{pace}; swapping: {_FC}, models/stats, dense1")
            figures.append(replace(whole, swapping_s=published.VGG16_FC1_SWAPPING_S))
            figures.append(_figure("fc1", _fc1_in_memory_s() / 2, "extrapolated", pace, parts=2))
        else:
            seconds = estimate_s(fits[kind_of(graph, layer.name)], features_of(graph, layer.name))
            figures.append(_figure(layer.name, seconds, "extrapolated", "the fit of its kind"))
    return tuple(figures)


def _pi_fits(vgg16: ModelGraph) -> dict[str, Fit]:
    points: dict[str, list[Point]] = {kind: [] for kind in _LAYER_KINDS}
    for layer, seconds in published.VGG16_LAYERS_S.items():
        points[kind_of(vgg16, layer)].append(Point(features_of(vgg16, layer), seconds))
    curve = {
        units: Point(dense_features(published.FC_INPUTS, units), seconds)
        for units, seconds in published.FC_STEADY_S.items()
    }
    outlier = curve.pop(published.FC_OUTLIER)
    points["Dense"] += curve.values()
    fc = "dense2 and dense3 of VGG16 and fc 7680 -> N but for N = 6114, whose error counts"
    fits = {
        "Conv2D": fit("Conv2D", points["Conv2D"], "the 13 convolutions of VGG16"),
        "MaxPool2D": fit("MaxPool2D", points["MaxPool2D"], "the 5 poolings of VGG16"),
        "Dense": fit("Dense", points["Dense"], fc, outliers=[outlier]),
        "Flatten": fit("Flatten", points["Flatten"], "the one of VGG16: what a call costs"),
    }
    return fits | {"Rescale": replace(fits["Flatten"], source="as Flatten: no element-wise layer was published")}


def _pi_curves() -> tuple[Curve, ...]:
    fc = tuple(
        CurvePoint(units, seconds, published.FC_FIRST_100_S[units]) for units, seconds in published.FC_STEADY_S.items()
    )
    filters = tuple(CurvePoint(size, None, seconds) for size, seconds in published.CONV_FILTERS_S.items())
    channels = tuple(CurvePoint(size, None, seconds) for size, seconds in published.CONV_CHANNELS_S.items())
    aside = "kept for what it shows; such calls cost 0.1 s by themselves, which layers inside a model do not"
    return (
        Curve(
            "fc 7680 -> N, by N", fc, "parallel-ml/fc, siamese_clsfy/time_fc; the fit of Dense uses the steady state"
        ),
        Curve("convolution 5x5 over 200x200x3, by filters", filters, f"parallel-ml/fc, CNN_*; {aside}"),
        Curve(
            "convolution 5x5, 64 filters over 100x100, by input channels", channels, f"parallel-ml/fc, CNN_*; {aside}"
        ),
    )


def _scaled(graph: ModelGraph, fits: Mapping[str, Fit], whole_s: float, rule: str) -> tuple[LayerFigure, ...]:
    """Every layer by its fit, all scaled alike so that they add up to the whole."""
    names = [layer.name for layer in graph.layers]
    estimates_s = [estimate_s(fits[kind_of(graph, name)], features_of(graph, name)) for name in names]
    factor = whole_s / sum(estimates_s)
    source = f"{rule} (factor {factor:.3f})"
    return tuple(
        _figure(name, seconds * factor, "extrapolated", source)
        for name, seconds in zip(names, estimates_s, strict=True)
    )


def _figure(layer: str, seconds: float, basis: Basis, source: str, *, parts: int = 1) -> LayerFigure:
    return LayerFigure(layer, parts, rounded(seconds), None, None, None, None, None, basis, source)


def _jetson(name: str, device: Device, wholes_s: Mapping[str, tuple[float, str]]) -> Profile:
    """A device of which whole models alone were timed: they are divided over the layers as on the Pi 3."""
    pi = _rpi3()
    models, points = {}, {kind: list[Point]() for kind in (*_LAYER_KINDS, "Rescale")}
    for model_name, (whole_s, source) in wholes_s.items():
        graph = model(model_name)
        wholes = [one for one in pi.models[model_name].layers if one.parts == 1]
        factor = whole_s / sum(one.warm_s for one in wholes)
        rule = f"its share on the Raspberry Pi 3 without swapping, of the whole model's time (factor {factor:.4f})"
        figures = tuple(_figure(one.layer, one.warm_s * factor, "extrapolated", rule) for one in wholes)
        models[model_name] = ModelFigures(graph.digest(), figures, rounded(whole_s), source)
        for one in figures:
            points[kind_of(graph, one.layer)].append(Point(features_of(graph, one.layer), one.warm_s))
    source = "figures that are extrapolated themselves"
    return Profile(name, device, models, {kind: fit(kind, found, source) for kind, found in points.items()})


def _jetson_device(title: str, gigabytes: int, cores: int, watts: tuple[float, float] | None, sources: str) -> Device:
    return Device(
        title=title,
        cores=cores,
        memory_bytes=gigabytes * _GB,
        runtime_bytes=_pi_device().runtime_bytes,
        weight_copies=2.0,
        idle_w=None if watts is None else watts[0],
        load_w=None if watts is None else watts[1],
        swap=None,
        sources={
            "memory_bytes": sources,
            "runtime_bytes": "as inferred for the Raspberry Pi 3",
            "weight_copies": "as assumed for the Raspberry Pi 3",
            "idle_w": "unknown" if watts is None else sources,
            "load_w": "unknown" if watts is None else sources,
        },
    )


def _jetson_of_results(name: str, device: Device) -> Profile:
    wholes_s = {
        model_name: (mean(repetitions), f"{_RESULTS}: {model_name}-{name}, mean of three repetitions of 50")
        for model_name, repetitions in published.WHOLE_S[name].items()
    }
    return _jetson(name, device, wholes_s)


def _tx1(kind: str) -> Profile:
    title = f"NVIDIA Jetson TX1 ({kind.upper()})"
    return _jetson_of_results(f"tx1-{kind}", _jetson_device(title, 4, 4, None, "the maker's data sheet: 4 GB"))


def _tx2_device(kind: str) -> Device:
    return _jetson_device(f"NVIDIA Jetson TX2 ({kind.upper()})", 8, 6, (5.0, 15.0), _TABLES)


def _tx2_gpu() -> Profile:
    source = "paper, Figures 5 and 6, bar TX2 GPU; slower than the older TX1's GPU elsewhere, so hardly what it can do"
    wholes_s = {model_name: (1 / ips, source) for model_name, ips in published.TX2_GPU_IPS.items()}
    return _jetson("tx2-gpu", _tx2_device("gpu"), wholes_s)


_MAKERS: Final[dict[str, Callable[[], Profile]]] = {
    "rpi3": _rpi3,
    "tx2-cpu": lambda: _jetson_of_results("tx2-cpu", _tx2_device("cpu")),
    "tx2-gpu": _tx2_gpu,
    "tx1-cpu": lambda: _tx1("cpu"),
    "tx1-gpu": lambda: _tx1("gpu"),
}
