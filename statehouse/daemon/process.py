"""The daemon's life: opens the store, serves it, and closes it when it is signalled.

In this order, and a crash between any two lines leaves a store that opens again:

1. Addresses are checked: what cannot be listened on is refused before anything is touched.
2. The engine opens the store; whoever holds its directory is named.
3. The server starts, and the ready line is printed.
4. A signal: health says NOT_SERVING, running calls finish within `drain_s`, the engine closes the store,
   which marks it clean, and the process exits with 0.

What may block (a disk, a resolver) does so in a thread, so that a second signal is always heard. Nothing in
the data directory is written but by the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import platform
import socket
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from statehouse._version import __version__, git_sha
from statehouse.daemon import logs
from statehouse.daemon.addresses import require_listenable
from statehouse.daemon.config import Configuration
from statehouse.daemon.lines import Lines
from statehouse.daemon.notify import notify
from statehouse.daemon.settings import LIMITS, Settings
from statehouse.daemon.signals import Signals
from statehouse.daemon.telemetry import Telemetry, require_installed
from statehouse.errors import DirectoryLockedError, StatehouseError
from statehouse.programs.exits import Exit, Refusal, exit_of
from statehouse.programs.words import paragraph
from statehouse.protocol.replies import StoreStatus
from statehouse.protocol.requests import Status
from statehouse.rpc.addresses import Unix

if TYPE_CHECKING:
    from statehouse.engine import LocalEngine
    from statehouse.rpc.serving.server import ServerOptions

__all__ = ["run"]

_log = logging.getLogger("statehouse.daemon")

_STDOUT: Final = 1
_FLUSH_S: Final = 1.0
_LOOK_EVERY_S: Final = 5.0
"""Status counts the files of the store, which may be thousands."""

_PATIENCE_S: Final = 2.0
_OBJECTS_BETWEEN_LOOKS: Final = 20_000


def run(configuration: Configuration, warnings: Sequence[str] = ()) -> int:
    """Serves until it is signalled.

    Args:
        configuration: How.
        warnings: What is to be said about the configuration once there is a log.

    Returns:
        The exit code (`statehouse.programs.exits`).
    """
    settings = configuration.settings
    lines = logs.begin(settings.log, settings.log_format)
    try:
        for warning in warnings:
            _log.warning(warning)
        asyncio.run(_Daemon(settings, lines).live())
        code = Exit.OK
    except Refusal as error:
        code = _complain(lines, settings, str(error), error.code)
    except DirectoryLockedError as error:
        code = _complain(lines, settings, _held(Path(error.path), error.details["holder"]), exit_of(error))
    except StatehouseError as error:
        # An address may have been taken between the check and the start.
        code = Exit.UNAVAILABLE if error.details.get("in_use") else exit_of(error)
        _complain(lines, settings, error.message, code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _complain(lines, settings, f"{where}{error.strerror or error}", Exit.UNAVAILABLE)
    except Exception:  # noqa: BLE001 - it is the last that this process says
        _log.critical("statehoused ends by an error that nobody foresaw: please report it", exc_info=True)
        code = Exit.DEFECT
    lines.flush(_FLUSH_S)
    return int(code)


def _calm_collector() -> None:
    """Has Python's garbage collector look less often, and not at what stays until the end.

    What requests leave is freed when they are done; the collector only finds cycles, of which there are few.
    At its defaults (every 700 objects, and again and again at all modules) it takes a tenth of a commit's
    time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)


def _complain(lines: Lines, settings: Settings, text: str, code: Exit) -> Exit:
    """Says in one paragraph why it ends; as a record only where records are for programs."""
    if settings.log_format == "json":
        _log.critical(paragraph(text))
    else:
        lines.put(f"statehoused: {paragraph(text)}")
    _log.debug("where that came from", exc_info=True)
    return code


def _held(path: Path, holder: dict[str, Any]) -> str:
    who = "another process"
    if holder:
        since = f", since {holder['started_at']}" if holder.get("started_at") else ""
        elsewhere = holder.get("host") not in (None, socket.gethostname())
        host = f" on {holder['host']}" if elsewhere else ""
        who = f"process {holder['pid']}{host} ({holder.get('command', '?')}{since})"
    return (
        f"the store in {str(path)!r} is held by {who}. A store is one process's at a time: stop that one, or "
        "use the store through it if it is a daemon, or give another --data-dir"
    )


class _Daemon:
    """One life of a daemon."""

    def __init__(self, settings: Settings, lines: Lines) -> None:
        self._settings = settings
        self._lines = lines
        self._out = Lines(_STDOUT, lambda _: "")

    async def live(self) -> None:
        """Opens, serves and closes.

        Raises:
            Refusal: An address cannot be listened on.
            StatehouseError: The store cannot be opened, or not be closed.
        """
        settings = self._settings
        began = time.monotonic()
        with Signals(lambda: self._lines.flush(_FLUSH_S)) as signals:
            require_installed(settings)
            await asyncio.to_thread(_check_addresses, settings)
            telemetry = Telemetry(settings)
            async with _engine(settings, telemetry) as engine:
                _calm_collector()
                if signals.first is None:
                    await self._serve(engine, signals, telemetry)
                notify("STOPPING=1")
            _log.info("stopped", extra={"after_s": round(time.monotonic() - began, 3)})

    async def _serve(self, engine: LocalEngine, signals: Signals, telemetry: Telemetry) -> None:
        from statehouse.rpc.serving.server import Server

        settings = self._settings
        server = Server(telemetry.around(engine), _server_options(settings), meter=telemetry.meter)
        bound = await server.start([str(address) for address in settings.listen])
        for address in settings.listen:
            if isinstance(address, Unix):
                address.path.chmod(0o600)
        await asyncio.to_thread(telemetry.begin, server, engine)
        self._say_ready(bound)
        watching = asyncio.create_task(_watch(engine))
        try:
            await signals.wait()
        finally:
            watching.cancel()
        assert signals.first is not None
        _log.info(
            "%s: finishing the calls that run", signals.first.name, extra={"within_s": settings.drain_s}
        )
        notify("STOPPING=1\nSTATUS=finishing the calls that run")
        await server.drain(settings.drain_s)
        await asyncio.to_thread(telemetry.close)

    def _say_ready(self, bound: Sequence[str]) -> None:
        settings = self._settings
        where = ", ".join(bound)
        if settings.insecure:
            _log.warning(
                "insecure is on: whoever can reach these addresses can read and write", extra={"on": bound}
            )
        _log.info(
            "ready",
            extra={
                "on": bound,
                "version": __version__,
                "revision": git_sha(),
                "python": platform.python_version(),
                "pid": os.getpid(),
            },
        )
        self._out.put(f"statehoused {__version__} ready on {where} ({settings.home}, pid {os.getpid()})")
        notify(f"READY=1\nSTATUS=serving {settings.home} on {where}")


def _check_addresses(settings: Settings) -> None:
    try:
        scraped = () if settings.metrics_listen is None else (settings.metrics_listen,)
        require_listenable((*settings.listen, *scraped), insecure=settings.insecure)
    except Refusal as error:
        # Started twice, most likely; then who has the store says more than who has the port.
        if error.code is Exit.UNAVAILABLE and settings.data_dir is not None:
            from statehouse.storage.directory import DataDirectory

            directory = DataDirectory(settings.data_dir.absolute())
            if holder := directory.holder():
                raise Refusal(_held(directory.path, holder), error.code) from None
        raise


@contextlib.asynccontextmanager
async def _engine(settings: Settings, telemetry: Telemetry) -> AsyncIterator[LocalEngine]:
    """The engine on the store, opened and in the end closed without blocking the loop."""
    if settings.accept_data_loss:
        _log.warning("accept_data_loss is on, which is for one start: leave it out of the next one")
    began = time.monotonic()
    patience = asyncio.get_running_loop().call_later(
        _PATIENCE_S, _log.info, "still opening the store: what was written last is read again from its log"
    )
    try:
        engine = await asyncio.to_thread(_open, settings, telemetry)
    finally:
        patience.cancel()
    try:
        status = await asyncio.wrap_future(engine.submit(Status()))
        _say_opened(settings, status, time.monotonic() - began)
        yield engine
        newest = (await asyncio.wrap_future(engine.submit(Status()))).commit_ts
    finally:
        await asyncio.to_thread(engine.close)
    _log.info("closed the store", extra={"commit_ts": newest})


def _open(settings: Settings, telemetry: Telemetry) -> LocalEngine:
    from statehouse.engine import open_engine

    if settings.data_dir is None:
        from statehouse.storage.memory import MemoryStore

        memory = telemetry.counted(MemoryStore())
        return open_engine(memory, durability="none", limits=settings.limits())
    from statehouse.storage.rocksdb import RocksStore

    store = RocksStore.open(
        settings.data_dir, cache_bytes=settings.cache_bytes, free_bytes_min=settings.free_bytes_min
    )
    return open_engine(
        telemetry.counted(store),
        durability=settings.durability,
        accept_data_loss=settings.accept_data_loss,
        limits=settings.limits(),
    )


def _server_options(settings: Settings) -> ServerOptions:
    from statehouse.rpc.serving.server import ServerOptions

    return ServerOptions(
        requests_max=settings.requests_max,
        request_bytes_max=settings.request_bytes_max,
        staged_count_max=settings.staged_transactions_max,
        staged_bytes_max=settings.staged_bytes_max,
        limits=settings.limits(),
        replays_max=settings.replays_max,
        stall_s=settings.stall_s,
    )


def _say_opened(settings: Settings, status: StoreStatus, took_s: float) -> None:
    _log.info(
        "opened the store",
        extra={
            "store": status.store_id,
            "at": settings.home,
            "epoch": status.epoch,
            "format": status.format,
            "commit_ts": status.commit_ts,
            "durability": status.durability,
            "took_ms": round(took_s * 1000),
        },
    )
    changed = {
        setting.name: getattr(settings, setting.name)
        for setting in LIMITS
        if getattr(settings, setting.name) != setting.default
    }
    if changed:
        _log.info("limits that are not the default ones", extra=changed)


async def _watch(engine: LocalEngine) -> None:
    """Says so when the engine stops writing (G8), which lasts until it is opened again."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        status = await asyncio.wrap_future(engine.submit(Status()))
        if status.state == "refusing_writes":
            break
    _log.error(
        "the store takes no more writes, while reads are answered: restart statehoused to open it again",
        extra={"reason": status.reason},
    )
    notify(f"STATUS=refuses writes until it is restarted: {paragraph(status.reason)}")
