"""The way to one address: parcels go out one after the other, each until it has arrived or its time is over."""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import FarmError
from harness.rpc.client import Delivered, RpcClient
from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, RemoteError

BUSY = "busy"
"""First word of the error with which a node says that its queue is full: try again."""

_FORGOTTEN = FarmError("given up: another run has begun")
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


@dataclass(frozen=True)
class Parcel:
    """One message on its way.

    Attributes:
        payload: raw bytes of the tensor (float32 little endian, or uint8 for a frame).
        next: role that the receiver shall compute.
        tag: the identity of the payload as text.
        done: called once, from any thread: None when the receiver has it, else why it does not.
    """

    payload: bytes | memoryview
    next: str
    tag: str
    done: Callable[[FarmError | None], None]


class _State(enum.Enum):
    IDLE = enum.auto()
    POSTED = enum.auto()
    """A parcel is out, and its receipt is read by whoever comes next."""
    HELD = enum.auto()
    """One thread moves the lane on, or the event loop will."""


class Lane:
    """Parcels for one address, in order.

    The usual way of a parcel costs no turn of the event loop: whoever brings it reads the receipt of the one
    before, which has long been here, and writes to the socket. Only what goes wrong (no connection yet, no receipt
    yet, a peer that is busy or away) is left to the loop.

    Args:
        client: the connection; no one else uses it.
        deadline_s: how long one parcel may take, all attempts together.
        loop: the event loop.
    """

    def __init__(self, client: RpcClient, deadline_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: deque[Parcel] = deque()
        self._state = _State.IDLE
        self._out: Parcel | None = None
        self._posted_s = 0.0
        self._watching = False
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def put(self, parcel: Parcel) -> None:
        """Queue a parcel; may be called from any thread (the caller bounds how many are under way)."""
        with self._lock:
            self._waiting.append(parcel)
            before, self._state = self._state, _State.HELD
        if before is not _State.HELD:
            self._move(before)

    def look(self, now_s: float) -> bool:
        """Read a receipt that nobody has come for, and give up what is overdue; to be called on the loop.

        Returns:
            Whether something is still under way.
        """
        with self._lock:
            before = self._state
            mine = before is _State.POSTED
            if mine:
                self._state = _State.HELD
        if (mine or self._watching) and now_s - self._posted_s > self._deadline_s:
            self._client.abort(f"no answer for {self._deadline_s:g} s")
        if mine:
            self._move(before, wait=False)
        return self._state is not _State.IDLE

    def silent(self, since_s: float) -> bool:
        """Whether a parcel is out, and nothing has come from the receiver since a time of the loop's clock."""
        return self._out is not None and self._posted_s < since_s

    def forget(self) -> None:
        """Drop what waits and what is tried again: nobody wants it any more; to be called on the loop."""
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
        for parcel in dropped:
            parcel.done(_FORGOTTEN)
        if self._task is not None and not self._task.done():
            self._task.cancel()

    async def close(self) -> None:
        """Stop sending; what is still queued is dropped."""
        self._closing = True
        with self._lock:
            self._waiting.clear()
            self._state = _State.HELD
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()

    def _move(self, state: _State, *, wait: bool = True) -> None:
        """Do all that can be done at once; the caller has made the state HELD, and it was `state` before."""
        asked = False
        while True:
            if state is _State.POSTED:
                receipt = self._client.receipt()
                if receipt is None:
                    if wait or not self._leave(_State.POSTED):
                        self._loop.call_soon_threadsafe(self._watch)
                    return
                if not self._settle(receipt):
                    return
                asked = True
            if self._leave(_State.IDLE):
                return
            with self._lock:
                parcel = self._out = self._waiting.popleft()
            self._posted_s = time.monotonic()
            if not self._client.post_forward(parcel.payload, parcel.next, parcel.tag, asked=asked):
                self._loop.call_soon_threadsafe(self._try_again)
                return
            state = _State.POSTED
            if self._leave(state):
                return

    def _leave(self, state: _State) -> bool:
        """Leave the lane to the next comer in `state`, unless parcels have come meanwhile."""
        with self._lock:
            if self._waiting:
                return False
            self._state = state
            return True

    def _watch(self) -> None:
        self._watching = True
        self._client.watch(self._receipt)

    def _receipt(self, receipt: FarmError | Delivered) -> None:
        """The loop has waited for a receipt, and here it is."""
        self._watching = False
        if self._settle(receipt):
            self._move(_State.IDLE)

    def _settle(self, receipt: FarmError | Delivered) -> bool:
        """Act on a receipt; returns False when the parcel is to be sent again and the loop has the lane."""
        error = receipt if isinstance(receipt, FarmError) else None
        if error is not None and not _final(error):
            self._loop.call_soon_threadsafe(self._try_again)
            return False
        self._end(error)
        return True

    def _end(self, error: FarmError | None) -> None:
        parcel, self._out = self._out, None
        if parcel is not None:
            parcel.done(error)

    def _try_again(self) -> None:
        if self._out is not None:
            self._task = self._loop.create_task(self._until_delivered(self._out))

    async def _until_delivered(self, parcel: Parcel) -> None:
        try:
            await self._deliver(parcel)
        except asyncio.CancelledError:
            if self._closing:
                raise
            self._end(_FORGOTTEN)
        except FarmError as error:
            self._end(error)
        else:
            self._end(None)
        self._move(_State.IDLE)

    async def _deliver(self, parcel: Parcel) -> None:
        deadline = time.monotonic() + self._deadline_s
        pause_s = _FIRST_PAUSE_S
        while True:
            left_s = deadline - time.monotonic()
            try:
                await self._client.forward(parcel.payload, parcel.next, parcel.tag, timeout_s=max(left_s, 0.001))
            except (PeerUnreachableError, PeerTimeoutError, RemoteError) as error:
                if _final(error) or time.monotonic() + pause_s >= deadline:
                    raise
                if isinstance(error, RemoteError):
                    self._posted_s = time.monotonic()  # busy, and there
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _final(error: FarmError) -> bool:
    """Whether another attempt would end the same way."""
    return isinstance(error, RemoteError) and not error.text.startswith(BUSY)
