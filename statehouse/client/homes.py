"""The engines of this process: handles on one directory (or memory:NAME, or daemon) share one.

* I1. A directory has at most one engine in a process; it is closed when its last lease ends. Handles on one
  daemon that wait equally long for it to be there share one connection likewise.
* I2. Opening and closing one home is done under that home's lock: a second opener waits, and then shares
  the engine or opens a new one, never sees a half of either.
* I3. A lease that the garbage collector ends is closed by a thread of ours: the collector may run in any
  thread, the engine's own writer too, and at any moment, inside our locks too.
* I4. In a forked child the registry is empty and has fresh locks. What the parent opened is leaked there,
  never closed: closing it can destroy the parent's data.
* I5. A child of a process that had a directory open cannot open any: RocksDB's threads were not forked, and
  its first flush would wait for them for ever.
* I6. A child of a process that was ever connected to a daemon cannot connect to one: what gRPC's threads were
  about, of closed connections too, stays half done in the child, which it hangs or kills, now and then.
* I7. What was heard of a store is a home's where the store cannot change under it, and each handle's own at a
  daemon's address: when the daemon comes back with another store, a handle that is opened then must work.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from statehouse.client.connection import Connection, Seen, live_connections
from statehouse.client.url import Address
from statehouse.errors import (
    DirectoryLockedError,
    EngineError,
    ForkedProcessError,
    InvalidArgumentError,
)
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS, check_seconds
from statehouse.protocol.requests import Status
from statehouse.tracing.side import Side, asking

if TYPE_CHECKING:
    from pathlib import Path

    from statehouse.storage import Store

Durability = Literal["sync", "none"]

CONNECT_TIMEOUT_S: Final = 5.0

_AFTER_FORK: Final = (
    "start workers by 'spawn' or 'forkserver' (multiprocessing), or use what you open only after the fork"
)
_DAEMONS_OWN: Final = {
    "durability": "the daemon has a durability for all its clients: statehoused --durability {value}",
    "read_only": "what is read only is a directory that another process has open, file:./directory",
    "accept_data_loss": "the daemon has to be started so: statehoused --accept-data-loss",
}


@dataclass(frozen=True, slots=True)
class Options:
    """How to open a home; None means whatever it is open with, or the default.

    Attributes:
        durability: ``sync`` (G2, the default on disk) or ``none``.
        read_only: Read a directory that another process holds, without writing to it.
        accept_data_loss: Open although commits that were acknowledged are missing.
        connect_timeout: Seconds a call waits for a daemon that is not there; None for 5. What is in this
            process is there.
    """

    durability: Durability | None = None
    read_only: bool | None = None
    accept_data_loss: bool = False
    connect_timeout: float | None = None


class _Home:
    """One engine and how many leases it has."""

    def __init__(self, key: tuple[str, ...], url: str) -> None:
        self.key = key
        self.url = url
        self.lock = threading.Lock()
        self.engine: Engine | None = None
        self.options = Options()
        self.seen = Seen()
        self.leases = 0
        self.closed = False


class Lease:
    """A handle's share of a home; `release` gives it back, once."""

    def __init__(self, home: _Home, engine: Engine) -> None:
        self._home = home
        self.engine = engine
        self.seen = home.seen
        self._process = os.getpid()
        self._released = False

    def release(self) -> None:
        """Gives the share back, once; the last one closes the engine. A forked child does nothing."""
        if self._process != os.getpid():
            return
        home = self._home
        with home.lock:
            if self._released or home.closed:
                return
            self._released = True
            home.leases -= 1
            if home.leases == 0:
                _close_locked(home)


class _Registry:
    """Everything of this module that a forked child must not inherit."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.homes: dict[tuple[str, ...], _Home] = {}
        self.dropped: SimpleQueue[Lease] = SimpleQueue()
        self.closer: threading.Thread | None = None
        self.loaded_rocksdb = False
        self.parent_loaded_rocksdb = False
        self.was_connected = False
        self.parent_was_connected = False


_registry = _Registry()
_leaked: list[_Registry] = []
_private_names = itertools.count(1)


def connect(address: Address, options: Options, *, timeout: float) -> Connection:
    """Opens a home, or shares the one that is open, and gives a connection to it.

    A daemon is not asked anything yet.

    Raises:
        InvalidArgumentError: The options contradict those it is open with, are a daemon's own, or are none.
        NotFoundError: To be read only, and there is no store.
        DirectoryLockedError: Another process has the directory.
        FormatVersionError: It was written by a newer Statehouse.
        CorruptionError: What is on disk is not what was written.
    """
    _check_options(options)
    if address.kind == "export":
        raise InvalidArgumentError(
            f"{address.url} is a run that was exported, not a store: statehouse.debug.open(path) opens it"
        )
    remote = address.kind == "remote"
    if remote:
        _refuse_daemons_own(address, options)
    lease = _lease(address, options)
    try:
        engine: Any = lease.engine
        connection = Connection(
            engine.with_timeout(timeout) if remote else engine,
            url=address.url,
            timeout=timeout,
            seen=None if remote else lease.seen,  # I7
            release=lease.release,
            local=not remote,
            side=_side(address) if remote else None,
        )
    except BaseException:
        lease.release()
        raise
    # I3. At exit `_close_all` does it, in order.
    weakref.finalize(connection, _registry.dropped.put, lease).atexit = False
    return connection


def _side(address: Address) -> Side:
    """How spans speak of a daemon."""
    if address.where.startswith("unix:"):
        return asking(address.where.removeprefix("unix:"))
    host, _, port = address.where.rpartition(":")
    return asking(host, int(port))


def _check_options(options: Options) -> None:
    if options.durability not in (None, "sync", "none"):
        raise InvalidArgumentError(f'durability must be "sync" or "none": {options.durability!r:.80}')
    for name in ("read_only", "accept_data_loss"):
        if getattr(options, name) not in (None, True, False):
            raise InvalidArgumentError(f"{name} must be True or False: {getattr(options, name)!r:.80}")
    if options.connect_timeout is not None:
        limits = DEFAULT_LIMITS
        check_seconds("connect_timeout", options.connect_timeout, limits.timeout_s_min, limits.timeout_s_max)


def _refuse_daemons_own(address: Address, options: Options) -> None:
    for name, advice in _DAEMONS_OWN.items():
        value = getattr(options, name)
        if value is not None and (value or name == "read_only"):
            raise InvalidArgumentError(
                f"{address.url} is a daemon, for which {name}={value!r} cannot be said here: "
                f"{advice.format(value=value)}. Leave {name} out"
            )


def _lease(address: Address, options: Options) -> Lease:
    # A private memory gets a name that no URL can spell.
    key: tuple[str, ...] = (address.kind, address.where or f"/{next(_private_names)}")
    if address.kind == "remote":
        key = (*key, str(_connect_timeout(options)))
    while True:
        registry = _registry
        with registry.lock:
            home = registry.homes.get(key)
            if home is None:
                home = registry.homes[key] = _Home(key, address.url)
            if registry.closer is None:
                registry.closer = threading.Thread(
                    target=_close_dropped, args=(registry.dropped,), name="statehouse-closer", daemon=True
                )
                registry.closer.start()
        with home.lock:
            if home.closed:
                continue
            if home.engine is None:
                try:
                    home.engine = _open(address, options, home.seen)
                except BaseException:
                    _discard_locked(home)
                    raise
                home.options = Options(_durability(address, options), bool(options.read_only))
            else:
                _check_same(home, options)
            home.leases += 1
            return Lease(home, home.engine)


def _check_same(home: _Home, options: Options) -> None:
    for name in ("durability", "read_only"):
        asked, open_with = getattr(options, name), getattr(home.options, name)
        if asked is not None and asked != open_with:
            raise InvalidArgumentError(
                f"{home.url} is open in this process with {name}={open_with!r}, so it cannot be opened with "
                f"{name}={asked!r}; leave {name} out, or close the other handles first"
            )


def _durability(address: Address, options: Options) -> Durability:
    return options.durability or ("sync" if address.kind == "file" else "none")


def _connect_timeout(options: Options) -> float:
    return CONNECT_TIMEOUT_S if options.connect_timeout is None else float(options.connect_timeout)


def _open(address: Address, options: Options, seen: Seen) -> Engine:
    if address.kind == "remote":
        if _registry.parent_was_connected:
            raise ForkedProcessError(
                f"{address.url} cannot be connected to in process {os.getpid()}, which was forked from one "
                f"that had been connected to a daemon: gRPC does not survive a fork; {_AFTER_FORK}"
            )
        from statehouse.rpc.calling import RemoteEngine  # noqa: PLC0415 - loads gRPC, 20 MB of it

        return RemoteEngine(address.where, connect_timeout=_connect_timeout(options))
    from statehouse.engine import open_engine  # noqa: PLC0415 - `import statehouse` must not load an engine

    engine = open_engine(
        _store(address, read_only=bool(options.read_only)),
        durability=_durability(address, options),
        accept_data_loss=options.accept_data_loss,
    )
    try:
        seen.status(engine.execute(Status()), time.monotonic())
    except BaseException:
        engine.close()
        raise
    return engine


def _store(address: Address, *, read_only: bool) -> Store:
    if address.kind == "memory":
        from statehouse.storage.memory import MemoryStore  # noqa: PLC0415 - loaded only where it is used

        if read_only:
            raise InvalidArgumentError(f"{address.url} cannot be opened read-only: only a directory can")
        return MemoryStore()
    from pathlib import Path  # noqa: PLC0415 - a third of what `import statehouse` would take

    from statehouse.storage.rocksdb import RocksStore  # noqa: PLC0415 - loads RocksDB, 10 MB of it

    path = Path(address.where)
    if _registry.parent_loaded_rocksdb:
        _refuse_forked(path)
    _registry.loaded_rocksdb = True
    return RocksStore.open(path, read_only=read_only)


def _refuse_forked(path: Path) -> NoReturn:
    """I5."""
    from statehouse.storage.directory import DataDirectory  # noqa: PLC0415 - loaded only where it is used

    holder = DataDirectory(path).holder()
    if holder:
        raise DirectoryLockedError(
            f"{str(path)!r} is open in process {holder['pid']} ({holder.get('command', '')}); {_AFTER_FORK}",
            path=str(path),
            holder=holder,
        )
    raise ForkedProcessError(
        f"{str(path)!r} cannot be opened in process {os.getpid()}, which was forked from one that had a "
        f"directory open: RocksDB does not survive a fork; {_AFTER_FORK}"
    )


def _close_locked(home: _Home) -> None:
    # Only when it is closed may another home take its place: until then openers wait for this one's lock.
    try:
        if home.engine is not None:
            _registry.was_connected |= _was_connected(home)
            home.engine.close()
    finally:
        _discard_locked(home)


def _was_connected(home: _Home) -> bool:
    """I6."""
    return bool(getattr(home.engine, "connected", False))


def _discard_locked(home: _Home) -> None:
    home.closed = True
    with _registry.lock:
        if _registry.homes.get(home.key) is home:
            del _registry.homes[home.key]


def _close_dropped(dropped: SimpleQueue[Lease]) -> None:
    while True:
        lease = dropped.get()
        # What cannot be closed here stays open until exit; there is nobody to tell.
        try:
            lease.release()
        except (EngineError, OSError):
            continue


def _close_all() -> None:
    # Handles first, so that who follows a store sees its end and no error; then whatever is still open. One
    # that cannot be closed must not keep the others from it.
    with ExitStack() as stack:
        for home in list(_registry.homes.values()):
            stack.callback(_close, home)
        for connection in live_connections():
            stack.callback(connection.close)


def _close(home: _Home) -> None:
    with home.lock:
        if not home.closed:
            _close_locked(home)


def _after_fork_in_child() -> None:
    global _registry  # noqa: PLW0603 - I4: the child starts with nothing
    parent = _registry
    _leaked.append(parent)
    _registry = _Registry()
    _registry.parent_loaded_rocksdb = parent.loaded_rocksdb or parent.parent_loaded_rocksdb
    connected = parent.was_connected or any(_was_connected(home) for home in parent.homes.values())
    _registry.parent_was_connected = connected or parent.parent_was_connected


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
