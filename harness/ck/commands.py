"""What `ck run program:request-iot-benchmark --cmd_key=KEY` calls: a measurement, or this machine's nodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bench.energy import DEFAULT_IDLE_S, PowerOptions, RunMeter
from harness.bench.options import DEFAULT_FRAMES, DEFAULT_SEED, MOST_FRAMES, RunOptions
from harness.bench.session import run_benchmark
from harness.ck.keys import benchmark_key, server_key
from harness.ck.locking import exclusive
from harness.ck.targets import target_of_ck_run
from harness.ck.timers import TIMER_FILE, identity_of, write_timer
from harness.emulate.emulation import emulation_called
from harness.errors import BadInputError, InvalidRunError
from harness.farm.config import FarmConfig
from harness.node.blocks import NodeOptions
from harness.node.launch import run_foreground
from harness.partition.paper import partition_for
from harness.partition.wire import Wire
from harness.plan.plan import make_plan
from harness.records.declared import read_declared

if TYPE_CHECKING:
    from harness.bench.progress import Progress
    from harness.records.record import Record

FRAMES_VARIABLE = "STAT_REPEAT"
GPU_MEMORY_VARIABLE = "CK_TF_GPU_MEMORY_PERCENT"
POWER_VARIABLE = "POWER"
IDLE_VARIABLE = "POWER_IDLE_S"
PROFILE_VARIABLE = "POWER_PROFILE"
DECLARED_VARIABLE = "DECLARED"
SECONDS_VARIABLE = "SECONDS_AT_LEAST"
WIRE_VARIABLE = "WIRE"
EMULATE_VARIABLE = "EMULATE"
_WHOLE_PERCENT = 100
_LOCK_FILE = "tmp-ck-run.lock"


def options_of(key_name: str, environ: Mapping[str, str]) -> RunOptions:
    """What a cmd_key measures, with the environment that CK and the user set.

    Raises:
        BadInputError: unknown key, or a variable is no usable number; the message names it and its value.
        TargetNotSpecifiedError: a farm key without `--target`.
        NotFoundError: the target's folder is gone.
    """
    key = benchmark_key(key_name)
    frames = _positive_integer(FRAMES_VARIABLE, environ, DEFAULT_FRAMES)
    percent = _percentage(GPU_MEMORY_VARIABLE, environ)
    declared = read_declared(Path(environ[DECLARED_VARIABLE])) if environ.get(DECLARED_VARIABLE) else None
    least_s = _seconds(SECONDS_VARIABLE, environ, 0.0)
    wire, emulate = _wire(environ), _emulation(environ)
    if not key.farm:
        assert key.model is not None
        return RunOptions(
            model=key.model,
            target_name="host",
            device=key.device,
            frames=frames,
            gpu_memory_percent=percent,
            least_s=least_s,
            wire=wire,
            emulate=emulate,
            declared=declared,
        )
    name, farm_file = target_of_ck_run(environ)
    return RunOptions(
        model=key.model or _planned_model(name, FarmConfig.load(farm_file)),
        target_name=name,
        farm_file=farm_file,
        partition=key.partition,
        frames=frames,
        least_s=least_s,
        wire=wire,
        emulate=emulate,
        declared=declared,
    )


def meter_of(environ: Mapping[str, str]) -> RunMeter | None:
    """The meter that the environment names; None where POWER is missing or `none`.

    Raises:
        BadInputError: POWER_IDLE_S is no positive number, or it or POWER_PROFILE stand without POWER.
    """
    source = environ.get(POWER_VARIABLE) or "none"
    if source == "none":
        for name in (IDLE_VARIABLE, PROFILE_VARIABLE):
            if name in environ:
                raise BadInputError(
                    f"{name} is set without {POWER_VARIABLE}", f"for example --env.{POWER_VARIABLE}=virtual"
                )
        return None
    profiles = (Path(environ[PROFILE_VARIABLE]),) if environ.get(PROFILE_VARIABLE) else ()
    return RunMeter(PowerOptions(source, _seconds(IDLE_VARIABLE, environ, DEFAULT_IDLE_S), profiles))


def run_key(
    key_name: str,
    environ: Mapping[str, str],
    *,
    folder: Path,
    progress: Progress,
    file_record: Callable[[Record, RunMeter | None], None],
) -> None:
    """Measure what a cmd_key says and tell CK the figures; a run that is not valid leaves no timer file.

    Args:
        key_name: the cmd_key.
        environ: STAT_REPEAT, SECONDS_AT_LEAST, CK_TARGET_PATH, CK_TF_GPU_MEMORY_PERCENT, POWER, POWER_IDLE_S,
            POWER_PROFILE, DECLARED, WIRE and EMULATE are read.
        folder: the working directory of the `ck run`, where CK looks for the timer file.
        progress: listens to the run.
        file_record: takes the record, valid, invalid or broken off, and the meter (None for one broken off), before
            the figures go to CK.

    Raises:
        UserError: the run could not be made.
        InvalidRunError: it was made, and its figures must not be used.
    """
    busy = BadInputError(
        f"another run is at work in {folder}", "wait for it, or add --generate_rnd_tmp_dir=yes to `ck run`"
    )
    with exclusive(folder / _LOCK_FILE, busy):
        # CK removes it too; one that outlives a failed run would be read as that run's figures.
        (folder / TIMER_FILE).unlink(missing_ok=True)
        meter = meter_of(environ)
        record = run_benchmark(
            options_of(key_name, environ),
            progress=progress,
            meter=meter,
            broken_off=lambda broken: file_record(broken, None),
        )
        file_record(record, meter)
        if not record.verdict.valid:
            raise InvalidRunError(
                f"the run is INVALID: {'; '.join(record.verdict.reasons)}", f"{TIMER_FILE} is not written"
            )
        write_timer(folder / TIMER_FILE, record.metrics, identity_of(record))


def start_server(key_name: str, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Run the nodes of this machine in the foreground, until a signal comes or one of them fails.

    Raises:
        TargetNotSpecifiedError: `ck run` was typed without `--target`.
        UserError: unknown key, unusable farm, a port in use, a node that failed.
    """
    key = server_key(key_name)
    name, farm_file = target_of_ck_run(environ)
    farm = FarmConfig.load(farm_file)
    model = key.model or _planned_model(name, farm)
    plan = make_plan(partition_for(farm, model_name=model, name=key.partition), farm)
    options = NodeOptions(seed=DEFAULT_SEED, emulate=_emulation(environ))
    run_foreground(farm_file, plan, options, say)


def _planned_model(target: str, farm: FarmConfig) -> str:
    """The model of the plan that a farm's file holds."""
    if farm.cut is None:
        raise BadInputError(
            f"target {target} holds no plan", "iot-farm plan --out FILE writes one, which `ck add machine` takes"
        )
    return farm.cut.model


def _positive_integer(name: str, environ: Mapping[str, str], default: int) -> int:
    text = environ.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_FRAMES)) and 1 <= int(text) <= MOST_FRAMES):
        raise BadInputError(
            f"{name} is '{text}', which is no positive whole number",
            f"for example --env.{name}=50; the most is {MOST_FRAMES}",
        )
    return int(text)


def _wire(environ: Mapping[str, str]) -> str:
    text = environ.get(WIRE_VARIABLE, Wire.F32)
    if text not in tuple(Wire):
        raise BadInputError(f"{WIRE_VARIABLE} is '{text}', which is no wire", f"there are {', '.join(Wire)}")
    return str(text)


def _emulation(environ: Mapping[str, str]) -> str | None:
    text = environ.get(EMULATE_VARIABLE)
    return emulation_called(text).text if text else None


def _seconds(name: str, environ: Mapping[str, str], default: float) -> float:
    text = environ.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise BadInputError(
            f"{name} is '{text}', which is no positive number of seconds", f"for example --env.{name}=30"
        )
    return value


def _percentage(name: str, environ: Mapping[str, str]) -> float | None:
    text = environ.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= _WHOLE_PERCENT:
        raise BadInputError(f"{name} is '{text}', which is no percentage above 0", f"for example --env.{name}=33")
    return value
