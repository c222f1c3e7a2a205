"""What the handles of one store share: the engine, and the newest commit they have heard of.

`Statehouse`, its agents and transactions, and the views `aio` and `sync` all hold one `Connection`.
Closing it, or forking the process, swaps its engine for one that refuses every call: the hot paths need
no check of their own.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeVar

from statehouse.client.arguments import check_timeout
from statehouse.errors import EngineError, ForkedProcessError, InvalidArgumentError
from statehouse.protocol.engine import Engine, Flow
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.replies import StoreStatus
from statehouse.protocol.requests import Request, Status
from statehouse.tracing.engine import TracedEngine
from statehouse.tracing.side import Side, asking

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from statehouse.client.waits import Waits

R = TypeVar("R")

FRESH_S: Final = 3600.0
"""A client that heard of no commit for so long asks before it dates a transaction (G5: ids live a day)."""


_HERE: Final = asking()


class HandleClosedError(EngineError):
    """The handle was closed; open another one."""


class Seen:
    """The newest commit, and the store, that a process has heard of; shared by the handles of one home."""

    __slots__ = ("commit_ts", "epoch", "heard_at", "store_id")

    def __init__(self) -> None:
        self.commit_ts = 0
        self.store_id = ""
        self.epoch = 0
        self.heard_at: float | None = None

    def status(self, status: StoreStatus, now: float) -> None:
        """Takes in a status. Never forgets a newer commit, nor changes the store it began with."""
        if not self.store_id:
            self.store_id, self.epoch = status.store_id, status.epoch
        self.commit(status.commit_ts, now)

    def commit(self, commit_ts: int, now: float) -> None:
        """Takes in a commit_ts that was visible just now."""
        self.heard_at = now
        if commit_ts > self.commit_ts:  # noqa: PLR1730 - every commit does this; max() costs three times as much
            self.commit_ts = commit_ts


class _Refusing:
    """An engine that answers every request with one error."""

    def __init__(self, error: EngineError) -> None:
        self._error = error

    def execute(self, request: Request[R]) -> R:
        self._refuse()

    def submit(self, request: Request[R]) -> Future[R]:
        self._refuse()

    def close(self) -> None:
        """There is nothing to close."""

    def _refuse(self) -> NoReturn:
        # A new one each time: a raised error collects the traceback of whoever raised it.
        raise type(self._error)(self._error.message)


def _closed(url: str) -> HandleClosedError:
    return HandleClosedError(f"this handle on {url} is closed; open another with Statehouse(...)")


class Connection:
    """One open handle's way to its engine.

    Args:
        engine: The engine; its owner is whoever `release` tells.
        url: How people call the store.
        timeout: How long, in seconds, a transaction and a single call may take.
        seen: What is known of the store; None for nothing yet.
        release: Called once when the connection is closed.
        local: Whether requests are answered in this process, whatever happens, and point reads fast enough to
            block an event loop for. Others are waited for no longer than their timeout.
        limits: What the engine holds its callers to.
        side: How spans speak of it; None for an engine in this process.
        monotonic: The clock of timeouts, in seconds.

    Raises:
        InvalidArgumentError: The timeout is not between 1 ms and 1 h.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        url: str = "",
        timeout: float = 30.0,
        seen: Seen | None = None,
        release: Callable[[], None] | None = None,
        local: bool = True,
        limits: Limits = DEFAULT_LIMITS,
        side: Side | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine: Engine = TracedEngine(engine, _HERE if side is None else side)
        self.url = url or f"engine:{type(engine).__name__}"
        self.timeout = check_timeout(timeout, limits)
        self.seen = Seen() if seen is None else seen
        self.local = local
        self.limits = limits
        self.monotonic = monotonic
        self.closed = False
        self.loops: dict[AbstractEventLoop, Waits] = {}
        self._watchers: set[Callable[[], object]] = set()
        self._release = release
        self._lock = threading.Lock()
        with _live_lock:
            _live.add(self)
        if _welcome is not None:
            _welcome(self)

    def check_open(self) -> None:
        """Raises what every call on this connection would, if it is closed or from before a fork."""
        if isinstance(self.engine, _Refusing):
            self.engine.execute(Status())

    def why(self, error: EngineError) -> EngineError:
        """Gives the reason behind an error: that this handle was closed meanwhile, or the error itself."""
        return _closed(self.url) if self.closed and not isinstance(error, ForkedProcessError) else error

    def close(self) -> None:
        """Ends what follows, and gives up the engine; the last handle on a home closes it. Idempotent."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            watchers = tuple(self._watchers)
            if not isinstance(self.engine, _Refusing):
                self.engine = _Refusing(_closed(self.url))
        for wake in watchers:
            wake()
        if self._release is not None:
            self._release()

    def when_closed(self, wake: Callable[[], object]) -> None:
        """Has `close` call something, until it is told to `forget` it; at once when it is closed already."""
        with self._lock:
            self._watchers.add(wake)
            closed = self.closed
        if closed:
            wake()

    def forget(self, wake: Callable[[], object]) -> None:
        """Undoes `when_closed`."""
        with self._lock:
            self._watchers.discard(wake)

    def forget_parent(self) -> None:
        """In a forked child: every further call is refused, and nothing of the parent's is touched."""
        self._lock = threading.Lock()
        self.engine = _Refusing(
            ForkedProcessError(
                f"this handle on {self.url} was opened before os.fork (process {os.getpid()} is the child); "
                "open one in a process that was started anew"
            )
        )

    @property
    def stale(self) -> bool:
        """Whether no commit was heard of lately: time to `refresh`."""
        heard_at = self.seen.heard_at
        return heard_at is None or self.monotonic() - heard_at > FRESH_S

    def refresh(self) -> Flow[None]:
        """Asks for the newest commit."""
        status: StoreStatus = yield Status()
        self.seen.status(status, self.monotonic())

    def __reduce__(self) -> NoReturn:
        """Refuses to be pickled or copied: whatever holds a connection meets this when it is."""
        raise TypeError(
            f"a Statehouse, and what holds one, cannot be pickled or deep-copied (here on {self.url}): "
            "open one in each process"
        )

    def __repr__(self) -> str:
        return f"<Connection {self.url}{' closed' if self.closed else ''}>"


class Connected(Protocol):
    """Whatever holds a connection: `Statehouse`, `StatehouseAsync`, their agents and transactions."""

    @property
    def connection(self) -> Connection:
        """The connection."""
        ...


def connection_of(over: Connected | Connection | Engine) -> Connection:
    """Gives the connection of a handle, or a new one on a bare engine."""
    if isinstance(over, Connection):
        return over
    found: Any = getattr(over, "connection", None)
    if isinstance(found, Connection):
        return found
    engine: Any = over
    if hasattr(engine, "execute") and hasattr(engine, "submit"):
        return Connection(engine)
    raise InvalidArgumentError(f"not a Statehouse handle or engine: {over!r:.80}")


_live: weakref.WeakSet[Connection] = weakref.WeakSet()
_live_lock = threading.Lock()


_welcome: Callable[[Connection], None] | None = None


def welcome_by(welcome: Callable[[Connection], None] | None) -> None:
    """Has every connection that is made from now on shown to something; None for no more."""
    global _welcome  # noqa: PLW0603 - it is about all of this process
    _welcome = welcome


def live_connections() -> list[Connection]:
    """Every connection of this process that somebody still holds."""
    with _live_lock:
        return list(_live)


def _after_fork_in_child() -> None:
    global _live, _live_lock
    parents = list(_live)
    _live, _live_lock = weakref.WeakSet(), threading.Lock()
    for connection in parents:
        connection.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
