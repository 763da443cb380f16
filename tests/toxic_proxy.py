"""A TCP proxy that does to connections what bad networks do, for tests; needs no privilege and nothing installed.

What it does is said by `toxics` (the seven of toxiproxy) and `toxic_messages` (requests that come twice, or in another
order). A toxic may be switched at any time by its attribute `on`. What is left to chance is drawn from the seed, for
each connection by itself, so that a run can be had again.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from toxics import Chunk, Chunks, Cut, Stream, Toxic, Wire, now_s

_PIECE_BYTES = 65_536
_PIECES_AHEAD = 64
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, no time: what is unsent is thrown away, and RST goes out


class ToxicProxy:
    """A proxy before one address; `async with`, or `running` from code without an event loop.

    Args:
        upstream: host and port of the server.
        toxics: what happens to connections, in this order from the one that sends to the one that receives.
        listen: host and port of the proxy; port 0 takes any free one.
        seed: of all chance.

    Attributes:
        address: where it listens.
        lines: connections so far.
        passed: bytes handed on, by direction.
    """

    def __init__(
        self, upstream: tuple[str, int], *toxics: Toxic, listen: tuple[str, int] = ("127.0.0.1", 0), seed: int = 0
    ) -> None:
        self._upstream = upstream
        self._toxics = toxics
        self._listen = listen
        self._seed = seed
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = listen
        self.lines = 0
        self.passed: dict[Stream, int] = {"upstream": 0, "downstream": 0}
        for place, toxic in enumerate(toxics):
            toxic.begin(f"{seed}/{place}")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, *self._listen)
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number, self.lines = self.lines, self.lines + 1
        ends, reset = [writer], False
        try:
            server = await asyncio.open_connection(*self._upstream)
            ends.append(server[1])
            await self._line(number, (reader, writer), server)
        except* Cut as cut:
            reset = any(one.reset for one in cut.exceptions if isinstance(one, Cut))
        except* OSError:  # either end has broken it, or the server is not there
            reset = True
        finally:
            self._tasks.discard(task)
            for end in ends:
                _end(end, reset=reset)

    async def _line(self, number: int, client: tuple, server: tuple) -> None:
        toxics = [(place, toxic) for place, toxic in enumerate(self._toxics) if self._has(toxic, place, number)]
        notes: dict[object, object] = {}
        watched = [toxic.watch() for _, toxic in toxics]
        async with asyncio.TaskGroup() as group:
            pumps = [
                group.create_task(self._pump(group, "upstream", number, toxics, notes, client[0], server[1])),
                group.create_task(self._pump(group, "downstream", number, toxics, notes, server[0], client[1])),
            ]
            watches = [group.create_task(watch) for watch in watched]
            await asyncio.wait(pumps)
            for watch in watches:
                watch.cancel()

    def _has(self, toxic: Toxic, place: int, number: int) -> bool:
        drawn = random.Random(f"{self._seed}/{place}/{number}").random()
        return drawn < toxic.toxicity and (toxic.first is None or number < toxic.first)

    async def _pump(
        self,
        group: asyncio.TaskGroup,
        stream: Stream,
        number: int,
        toxics: list[tuple[int, Toxic]],
        notes: dict[object, object],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        queue: asyncio.Queue[Chunk | None] = asyncio.Queue(_PIECES_AHEAD)
        reading = group.create_task(_read(reader, queue))
        chunks = _arrivals(queue)
        # Those of the other direction come first: they see what the end itself has sent.
        for place, toxic in sorted(toxics, key=lambda one: one[1].stream == stream):
            wire = Wire(number, random.Random(f"{self._seed}/{place}/{number}/{stream}"), notes)
            chunks = (toxic.stage if toxic.stream == stream else toxic.back)(wire, chunks)
        async for chunk in chunks:
            writer.write(chunk.data)
            await writer.drain()
            self.passed[stream] += len(chunk.data)
        await reading
        with suppress(OSError):  # gone already
            writer.write_eof()


@contextmanager
def running(proxy: ToxicProxy) -> Iterator[ToxicProxy]:
    """The proxy at work in a thread of its own, for the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="toxic proxy", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(10)
        try:
            yield proxy
        finally:
            asyncio.run_coroutine_threadsafe(proxy.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _read(reader: asyncio.StreamReader, queue: asyncio.Queue[Chunk | None]) -> None:
    # Apart from the stages, so that bytes are stamped when they come, however slowly they are handed on.
    while data := await reader.read(_PIECE_BYTES):
        await queue.put(Chunk(data, now_s()))
    await queue.put(None)


async def _arrivals(queue: asyncio.Queue[Chunk | None]) -> Chunks:
    while (chunk := await queue.get()) is not None:
        yield chunk


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    sock = writer.get_extra_info("socket")
    if reset and sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
    writer.close()
