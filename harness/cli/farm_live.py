"""`iot-farm farm watch|join|leave`: a farm while a run is at work on it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import insecure_lan_option, json_option
from harness.cli.targets import farm_plan, find_farm

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.plan.plan import Plan

_EVERY_S = 0.5


@click.command(short_help="See a farm live: roles, queues, rates, epochs, losses.")
@click.argument("target")
@click.option("--once", is_flag=True, help="Look for half a second, and stop.")
@insecure_lan_option
@json_option
def watch(target: str, once: bool, as_json: bool) -> None:
    """Show who does what on TARGET, twice a second, until Ctrl-C or the end of the run.

    With --json every look is one line. Exit code 3 when no run is at work on the farm.

    \b
    Examples:
      iot-farm farm watch farm-5-local
      iot-farm farm watch farm-5-local --once --json
    """
    plan = _trusted(target)
    state = _asked(plan)
    from rich.console import Console

    rate = _Rate()
    if once:
        rate.of(state)
        time.sleep(_EVERY_S)
        state = _look(plan) or state
        fps = rate.of(state)
        if as_json:
            click.echo(json.dumps({**state, "fps": fps}))
        else:
            Console().print(_table(state, fps))
        return
    if as_json or not sys.stdout.isatty():
        _lines(plan, state, rate, as_json=as_json)
        return
    from rich.live import Live

    with Live(_table(state, rate.of(state)), console=Console(), refresh_per_second=4, transient=False) as live:
        while (latest := _look(plan)) is not None:
            state = latest
            live.update(_table(state, rate.of(state)))
            time.sleep(_EVERY_S)
    click.echo("the run is over")


@click.command(short_help="Put a device to use in the run at work.")
@click.argument("target")
@click.argument("address", metavar="HOST[:PORT]")
@insecure_lan_option
def join(target: str, address: str) -> None:
    """Ask the run at work on TARGET (one with --adapt) to use the device at HOST from the next table on.

    The device must run a node of the farm: one that left before, or one that the farm file does not name. The run
    takes it once it answers as such a node; `iot-farm farm watch` shows it, and the run's own terminal says why not.

    \b
    Example:
      iot-farm node --target farm-5-local --address 127.0.0.59 --spare &
      iot-farm farm join farm-5-local 127.0.0.59
    """
    _ask(target, "join", address)
    click.echo(f"{address} is put to use as soon as it answers; see iot-farm farm watch {target}")


@click.command(short_help="Take a device out of the run at work.")
@click.argument("target")
@click.argument("address", metavar="HOST[:PORT]")
@insecure_lan_option
def leave(target: str, address: str) -> None:
    """Ask the run at work on TARGET (one with --adapt) to do without the device at HOST; its frames are sent again.

    \b
    Example:
      iot-farm farm leave farm-5-local 127.0.0.53
    """
    _ask(target, "leave", address)
    click.echo(f"{address} is done without from the next table on; see iot-farm farm watch {target}")


def _ask(target: str, message: str, address: str) -> None:
    plan = _trusted(target)
    asyncio.run(_call(plan, message, {"address": address}))


def _trusted(target: str) -> Plan:
    """The plan of a farm that may be talked to: on a network it has keys, or its user wants none."""
    from harness.farm.key_folder import require_trust

    plan = farm_plan(find_farm(target), model_name=None, partition=None)
    require_trust(plan.farm)
    return plan


async def _call(plan: Plan, message: str, request: dict[str, Any]) -> Any:
    from harness.errors import BadInputError, FarmError
    from harness.rpc.client import RpcClient
    from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, RemoteError
    from harness.rpc.security import security_of

    initial = plan.farm.initial
    client = RpcClient(initial.host, initial.port, connect_timeout_s=2, security=security_of(plan.farm))
    try:
        return await client.call(message, request, timeout_s=2)
    except (PeerUnreachableError, PeerTimeoutError):
        raise FarmError(
            f"no run is at work on {plan.farm.source}: nobody answers at {initial}",
            f"start one: iot-farm run --target {plan.farm.source} --adapt",
        ) from None
    except RemoteError as error:
        raise BadInputError(error.text) from None
    finally:
        await client.close()


def _asked(plan: Plan) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(asyncio.run(_call(plan, "watch", {})))
    return state


def _look(plan: Plan) -> dict[str, Any] | None:
    """The state of the run, or None when it is over."""
    from harness.errors import FarmError

    try:
        return _asked(plan)
    except FarmError:
        return None


def _lines(plan: Plan, state: dict[str, Any] | None, rate: _Rate, *, as_json: bool) -> None:
    while state is not None:
        fps = rate.of(state)
        click.echo(json.dumps({**state, "fps": fps}) if as_json else _line(state, fps))
        time.sleep(_EVERY_S)
        state = _look(plan)


class _Rate:
    """Verified frames per second between two looks."""

    def __init__(self) -> None:
        self._last: tuple[str, int, float] | None = None

    def of(self, state: dict[str, Any]) -> float | None:
        now_s, run, frames = time.monotonic(), state["run"], state["frames_verified"]
        last, self._last = self._last, (run, frames, now_s)
        if last is None or last[0] != run:
            return None
        return float((frames - last[1]) / (now_s - last[2]))


def _line(state: dict[str, Any], fps: float | None) -> str:
    alive = sum(device["state"] == "alive" for device in state["devices"])
    rate = "" if fps is None else f", {fps:.1f} frames/s"
    return (
        f"{state['phase']}: epoch {state['epoch']}, {alive} of {len(state['devices'])} devices alive, "
        f"{state['frames_verified']} of {state['frames_sent']} frames verified{rate}, "
        f"{state['in_flight']} in flight, {state['sent_again']} sent again, {state['late']} late"
    )


def _table(state: dict[str, Any], fps: float | None) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("device", "state", "computes"):
        table.add_column(title)
    for title in ("waiting", "computed"):
        table.add_column(title, justify="right")
    colours = {"alive": "green", "gone": "red", "left": "yellow"}
    for device in state["devices"]:
        table.add_row(
            device["address"],
            Text(device["state"], style=colours[device["state"]]),
            ", ".join(device["roles"]) or ("stands ready" if device["state"] == "alive" else ""),
            str(device.get("waiting", "")),
            str(device.get("computed", "")),
        )
    changes = [Text(f"epoch {change['epoch']}: {change['why']}") for change in state.get("changes", [])]
    return Group(Text(_line(state, fps)), table, *changes)
