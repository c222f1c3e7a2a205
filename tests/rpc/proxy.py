"""A TCP proxy that does to connections what networks do, in a thread with an event loop of its own.

A fault holds for every connection there is, and every one that comes, until the next one or `heal`::

    with Proxy(url) as proxy:
        engine = RemoteEngine(proxy.url)
        proxy.inject(Fault("lost reply"))
        ...
        proxy.heal()

What was held back passes when the fault is gone, as TCP sends again what was lost on the way; a connection
that is half-open or has lost something is reset then, as by a host that has forgotten it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

Kind = Literal[
    "none", "latency", "reset", "cut request", "cut reply", "lost reply", "blackhole", "half-open", "refuse"
]
KINDS: Final[tuple[Kind, ...]] = (
    "latency",
    "reset",
    "cut request",
    "cut reply",
    "lost reply",
    "blackhole",
    "half-open",
    "refuse",
)
_SILENT: Final = frozenset({"blackhole", "half-open"})
_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """What a network does.

    Attributes:
        kind: ``latency`` delays every piece, in both directions; ``reset`` ends every connection that is open
            now; ``cut request`` and ``cut reply`` let so many bytes pass in that direction, and then reset;
            ``lost reply`` lets requests pass, swallows so many bytes of answers, and then resets;
            ``blackhole`` takes connections and bytes and says nothing; ``half-open`` ends the daemon's end of
            a connection and says nothing to the client's; ``refuse`` takes no connections, and resets those
            that are open.
        after_bytes: See `kind`.
        seconds: How long a piece is delayed.
    """

    kind: Kind
    after_bytes: int = 0
    seconds: float = 0.0


_NONE: Final = Fault("none")
_CLOSED: Final = Fault("none")


class _Pipe:
    """One connection through the proxy: two sockets, and a task for each direction."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.daemon: asyncio.StreamWriter | None = None
        self.doomed = False
        self._seen: Fault = _NONE
        self._left = 0
        self._due: dict[asyncio.StreamWriter, float] = {}

    def reset(self) -> None:
        """Ends both ends, so that the peers get a reset."""
        for writer in (self.client, self.daemon):
            if writer is not None:
                _reset(writer)

    def spent(self, fault: Fault, size: int) -> int:
        """How many of so many bytes still pass under a fault that lets only some of them."""
        if self._seen is not fault:
            self._seen, self._left = fault, fault.after_bytes
        passing = min(self._left, size)
        self._left -= passing
        return passing

    def write(self, writer: asyncio.StreamWriter, data: bytes, delay_s: float) -> None:
        """Sends bytes after a while, and not before those that were to be sent earlier."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = self._due[writer] = max(now + delay_s, self._due.get(writer, 0.0))
        if due <= now:
            writer.write(data)
        else:
            loop.call_at(due, writer.write, data)


class Proxy:
    """Stands before a daemon.

    Args:
        upstream: Where the daemon is, ``host:port``.

    Attributes:
        url: Where the proxy is.
        injected: How many faults there were.
        taken: How many connections there have been.
        cuts: How many of them were reset in the middle of something.
    """

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._listening: socket.socket | None = None
        self._fault = _NONE
        self._changed = asyncio.Event()
        self._pipes: set[_Pipe] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._port = 0
        self.url = ""
        self.injected = 0
        self.taken = 0
        self.cuts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._set(_NONE))
        self.url = f"127.0.0.1:{self._port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._pipes)

    def inject(self, fault: Fault) -> None:
        """Begins a fault, which ends the one before."""
        self.injected += 1
        self._call(self._set(fault))

    def heal(self) -> None:
        """Ends the fault."""
        self._call(self._set(_NONE))

    def _call(self, coroutine: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    # In the loop.

    def _listen(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self._port))
        self._listening.setblocking(False)
        self._port = self._listening.getsockname()[1]
        self._loop.add_reader(self._listening, self._take, self._listening)

    def _take(self, listening: socket.socket) -> None:
        sock, _ = listening.accept()
        self.taken += 1
        sock.setblocking(False)
        task = self._loop.create_task(self._serve(sock))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    async def _close(self) -> None:
        self._stop_listening()
        await self._set(_CLOSED)
        for pipe in self._pipes:
            pipe.reset()
        await asyncio.gather(*self._serving)

    async def _set(self, fault: Fault) -> None:
        ended, self._fault = self._fault, fault
        self._changed.set()
        self._changed = asyncio.Event()
        for pipe in self._pipes:
            # What was swallowed is lost for good.
            if pipe.doomed or ended.kind == "half-open" or fault.kind in {"reset", "refuse"}:
                pipe.reset()
        if fault.kind == "half-open":
            for pipe in self._pipes:
                if pipe.daemon is not None:
                    _reset(pipe.daemon)
        if fault.kind == "refuse":
            self._stop_listening()
        elif self._listening is None and fault is not _CLOSED:
            self._listen()

    async def _serve(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        pipe = _Pipe(writer)
        self._pipes.add(pipe)
        try:
            await self._until(lambda kind: kind not in _SILENT)
            upstream, pipe.daemon = await asyncio.open_connection(*self._upstream)
            asking = asyncio.create_task(self._pump(pipe, reader, pipe.daemon, request=True))
            answering = asyncio.create_task(self._pump(pipe, upstream, writer, request=False))
            await asyncio.wait((asking, answering), return_when=asyncio.FIRST_COMPLETED)
            # To a half-open connection nobody says that its other end is gone.
            await self._until(lambda kind: kind != "half-open")
            pipe.reset()
            await asyncio.wait((asking, answering))
        except OSError:
            return  # the daemon is not there, or the proxy is closed
        finally:
            pipe.reset()
            self._pipes.discard(pipe)

    async def _pump(
        self, pipe: _Pipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, request: bool
    ) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                await self._until(lambda kind: kind not in _SILENT)
                if not self._passes(pipe, writer, data, request=request):
                    self.cuts += 1
                    pipe.reset()
                    return
                await writer.drain()
        except OSError:
            return  # one end is gone; `_serve` ends the other

    def _passes(self, pipe: _Pipe, writer: asyncio.StreamWriter, data: bytes, *, request: bool) -> bool:
        """Writes what may pass; False when the connection is to be reset."""
        fault = self._fault
        if fault.kind == "lost reply" and not request:
            pipe.doomed = True
            return pipe.spent(fault, len(data)) == len(data)
        if fault.kind == ("cut request" if request else "cut reply"):
            passing = pipe.spent(fault, len(data))
            pipe.write(writer, data[:passing], 0.0)
            return passing == len(data)
        pipe.write(writer, data, fault.seconds if fault.kind == "latency" else 0.0)
        return True

    async def _until(self, may_go_on: Callable[[Kind], bool]) -> None:
        while not may_go_on(self._fault.kind):
            await self._changed.wait()
        if self._fault is _CLOSED:
            raise ConnectionAbortedError


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
