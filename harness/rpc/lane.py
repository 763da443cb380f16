"""The way to one address: parcels go out one after the other, each until it has arrived or its time is over."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import FarmError
from harness.rpc.client import RpcClient
from harness.rpc.errors import PeerTimeoutError, PeerUnreachableError, RemoteError

BUSY = "busy"
"""First word of the error with which a node says that its queue is full: try again."""

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


@dataclass(frozen=True)
class Parcel:
    """One message on its way.

    Attributes:
        payload: raw bytes of the tensor (float32 little endian, or uint8 for a frame).
        next: role that the receiver shall compute.
        tag: the identity of the payload as text.
        done: called once on the event loop: None when the receiver has it, else why it does not.
    """

    payload: bytes | memoryview
    next: str
    tag: str
    done: Callable[[FarmError | None], None]


class Lane:
    """Parcels for one address, in order.

    The usual way of a parcel costs no turn of the event loop: whoever brings it writes it to the socket. Only what
    goes wrong (no connection yet, a peer that is busy or away) is left to a task that tries again.

    Args:
        client: the connection; no one else uses it.
        deadline_s: how long one parcel may take, all attempts together.
        loop: the event loop that reads the answers.
    """

    def __init__(self, client: RpcClient, deadline_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: deque[Parcel] = deque()
        self._busy = False
        self._posted_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    def put(self, parcel: Parcel) -> None:
        """Queue a parcel; may be called from any thread (the caller bounds how many are under way)."""
        with self._lock:
            self._waiting.append(parcel)
            if self._busy:
                return
            self._busy = True
        self._send_next()

    def enforce(self, now_s: float) -> None:
        """Give up an attempt that has used up its time; to be called on the loop every now and then."""
        if self._posted_s is not None and now_s - self._posted_s > self._deadline_s:
            self._client.abort(f"no answer for {self._deadline_s:g} s")

    async def close(self) -> None:
        """Stop sending; what is still queued is dropped."""
        with self._lock:
            self._waiting.clear()
            self._busy = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()

    def _send_next(self) -> None:
        with self._lock:
            if not self._waiting:
                self._busy = False
                return
            parcel = self._waiting.popleft()

        def answered(error: FarmError | None) -> None:
            self._posted_s = None
            if error is None or _final(error):
                self._end(parcel, error)
            else:
                self._try_again(parcel)

        self._posted_s = self._loop.time()
        if not self._client.post_forward(parcel.payload, parcel.next, parcel.tag, answered):
            self._posted_s = None
            self._loop.call_soon_threadsafe(self._try_again, parcel)

    def _end(self, parcel: Parcel, error: FarmError | None) -> None:
        parcel.done(error)
        self._send_next()

    def _try_again(self, parcel: Parcel) -> None:
        self._task = self._loop.create_task(self._until_delivered(parcel))

    async def _until_delivered(self, parcel: Parcel) -> None:
        try:
            await self._deliver(parcel)
        except FarmError as error:
            self._end(parcel, error)
        else:
            self._end(parcel, None)

    async def _deliver(self, parcel: Parcel) -> None:
        deadline = self._loop.time() + self._deadline_s
        pause_s = _FIRST_PAUSE_S
        while True:
            left_s = deadline - self._loop.time()
            try:
                await self._client.forward(parcel.payload, parcel.next, parcel.tag, timeout_s=max(left_s, 0.001))
            except (PeerUnreachableError, PeerTimeoutError, RemoteError) as error:
                if _final(error) or self._loop.time() + pause_s >= deadline:
                    raise
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _final(error: FarmError) -> bool:
    """Whether another attempt would end the same way."""
    return isinstance(error, RemoteError) and not error.text.startswith(BUSY)
