"""`python -m power.virtual`: start a virtual analyzer, say where it is, serve until stdin closes or SIGTERM."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time

from power.errors import PowerError
from power.virtual.busy_load import parse_busy
from power.virtual.device import PERSONAS, Device
from power.virtual.farm_load import FarmLoad, parse_farm
from power.virtual.faults import Faults
from power.virtual.instrument import Instrument
from power.virtual.loads import Load, parse_load
from power.virtual.scpi_server import ScpiServer
from power.virtual.vxi11_server import Vxi11Server

_FOREVER_S = 3600.0
_EXAMPLES = """examples:
  python -m power.virtual --persona wt300e --load bursts:idle=11.8,busy=18,period=0.18,duty=0.6
  python -m power.virtual --load farm:4711+4712,device=pi3 --noise 0.02
  python -m power.virtual --load constant:12.5 --fault nan:every=5 --fault eof:after=20
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m power.virtual",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--persona", choices=sorted(PERSONAS), default="wt300e", help="which instrument it plays")
    parser.add_argument("--load", default="constant:12.5", help="what it measures")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="of the raw socket; 0 takes a free one")
    parser.add_argument("--vxi11-port", type=int, default=0, help="of VXI-11; 0 takes a free one")
    parser.add_argument("--update", type=float, default=0.1, help="seconds between two values")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation in watts")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--digits", type=int, default=4, help="behind the point")
    parser.add_argument("--range", type=float, default=None, help="power range in watts; automatic without it")
    parser.add_argument("--single-session", action="store_true", help="turn a second client away")
    parser.add_argument("--fault", action="append", default=[], help="NAME[:every=N|after=N|from=S,for=S], repeatable")
    return parser.parse_args()


def _serve(given: argparse.Namespace) -> None:
    began_s = time.monotonic()
    load: FarmLoad | Load
    if given.load.startswith("farm:"):
        load = parse_farm(given.load, began_s)
    elif given.load.startswith("busy:"):
        load = parse_busy(given.load, began_s)
    else:
        load = parse_load(given.load)
    instrument = Instrument(
        load,
        update_s=given.update,
        noise_w=given.noise,
        seed=given.seed,
        digits=given.digits,
        range_w=given.range,
        began_s=began_s,
    )
    device = Device(PERSONAS[given.persona](instrument), Faults(tuple(given.fault)))
    if isinstance(load, FarmLoad):
        load.start()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ending.set())
    session = threading.Semaphore(1) if given.single_session else None
    with (
        ScpiServer((given.host, given.port), device, session) as scpi,
        Vxi11Server((given.host, given.vxi11_port), device, session) as vxi11,
    ):
        for server in (scpi, vxi11):
            # They end with the process, and wait without looking round: it shares the cores that it is about.
            threading.Thread(target=server.serve_forever, args=(_FOREVER_S,), daemon=True).start()
        instrument.wait_update()  # whoever reads the line finds a value on the display
        instrument.wait_update()
        resources = {
            "resource": f"TCPIP::{given.host}::{scpi.port}::SOCKET",
            "vxi11": f"TCPIP::{given.host},{vxi11.port}::inst0::INSTR",
        }
        # The truth of a waveform is a function of the seconds since it began, on the clock that all processes share.
        sys.stdout.write(json.dumps({**resources, "pid": os.getpid(), "began_s": began_s}) + "\n")
        sys.stdout.flush()
        threading.Thread(target=_await_stdin, args=(ending,), daemon=True).start()
        ending.wait()


def _await_stdin(ending: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    ending.set()


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        _serve(_arguments())
    except (PowerError, OSError) as error:
        hint = f" ({error.hint})" if isinstance(error, PowerError) and error.hint else ""
        sys.stderr.write(f"virtual analyzer: {error}{hint}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
