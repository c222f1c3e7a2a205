"""The engine in this process: dispatches requests, and opens and closes the store around them."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar

from statehouse._version import __version__, git_sha
from statehouse.engine import layout
from statehouse.engine.clock import Clock, SystemClock
from statehouse.engine.entropy import Entropy, SystemEntropy
from statehouse.engine.erase import Eraser
from statehouse.engine.marks import Mark, Marker
from statehouse.engine.reads import Reads
from statehouse.engine.recovery import recover
from statehouse.engine.replay import Log
from statehouse.engine.state import State
from statehouse.engine.verify import Verifier
from statehouse.engine.watch import Watch
from statehouse.engine.writer import Writer
from statehouse.errors import (
    CorruptionError,
    EngineError,
    ForkedProcessError,
    InvalidArgumentError,
    OverloadedError,
    RefusingWritesError,
    StatehouseError,
)
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits, check_seconds
from statehouse.protocol.replies import CheckPage, Committed, EngineVersion, EventPage, StoreStatus
from statehouse.protocol.requests import (
    Check,
    Commit,
    Erase,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    Health,
    History,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Replay,
    Request,
    Scan,
    Status,
    Version,
)
from statehouse.storage import NotWrittenError, Store

R = TypeVar("R")
Durability = Literal["sync", "none"]

_READ_THREADS: Final = 4
_POLL_S: Final = 0.2
_WAIT_S_MAX: Final = 3600.0


def open_engine(
    store: Store,
    *,
    durability: Durability = "sync",
    accept_data_loss: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> LocalEngine:
    """Opens the engine on a store, which it owns from then on: closing the engine closes the store.

    Args:
        store: Where the bytes are; an empty one becomes a new store.
        durability: ``sync``: a commit returns only after its bytes are synced (G2). ``none``: a crash may
            lose the newest commits, never a middle one.
        accept_data_loss: Open although acknowledged commits are missing; begins a new epoch.
        limits: How large things may be.
        clock: Where the time comes from.
        entropy: Gives so many random bytes; called by one thread at a time.

    Raises:
        CorruptionError: Acknowledged commits are missing, or rows contradict each other.
        FormatVersionError: Written by a newer Statehouse.
        NotFoundError: A read-only store in which there is nothing.
        OverloadedError: The disk is full, and opening has to write.
        InvalidArgumentError: No such durability.
    """
    if durability not in ("sync", "none"):
        raise InvalidArgumentError(f"durability must be 'sync' or 'none': {durability!r:.80}")
    entropy = entropy or SystemEntropy()
    try:
        state, mark = recover(store, limits, entropy, accept_data_loss=accept_data_loss)
        return LocalEngine(state, mark, durability=durability, clock=clock or SystemClock(), entropy=entropy)
    except NotWrittenError as error:
        store.close()
        raise OverloadedError(
            f"the store could not be opened for writing: {error}", retry_after=1.0, reason=error.reason
        ) from error
    except BaseException:
        store.close()
        raise


class LocalEngine:
    """An `Engine` over a store in this process; see `open_engine`.

    Every method may be called from any thread. After a fork, every call in the child raises
    `ForkedProcessError`, and nothing in the child touches the store.
    """

    def __init__(
        self, state: State, mark: Mark | None, *, durability: Durability, clock: Clock, entropy: Entropy
    ) -> None:
        """Starts the engine; use `open_engine`."""
        self._state = state
        self._clock = clock
        self._durability: Durability = durability
        self._unavailable = "the store is closed"
        self._forked = False
        self._watch = Watch()
        self._marker: Marker | None = None
        if not state.store.read_only:
            sequence = mark.sequence if mark is not None else 0
            self._marker = Marker(state.store, state.store_id, state.epoch, sequence, state=durability)
            # What was recovered becomes durable before anything builds on it.
            state.store.sync()
            self._marker.write(state.head.commit_ts, sync=True)
        self._writer = Writer(
            state,
            self._marker if durability == "sync" else None,
            self._watch,
            clock=clock,
            entropy=entropy,
        )
        self._watch.announce(state.visible)
        reads = Reads(state)
        self._log = Log(state, reads)
        self._verifier = Verifier(state)
        self._eraser = Eraser(state, self._writer.run, lambda: self._writer.run(tuple, sync=True))
        self._pool: ThreadPoolExecutor | None = None
        self._erasing: ThreadPoolExecutor | None = None
        self._pool_lock = threading.Lock()
        self._answers: dict[type[Request[Any]], Callable[[Any], Any]] = {
            Get: reads.get,
            GetAtVersion: reads.get_at_version,
            GetMany: reads.get_many,
            Scan: reads.scan,
            History: reads.history,
            ListAgents: self._log.agents,
            ListNamespaces: self._log.namespaces,
            Replay: self._replay,
            FindEvents: self._log.find,
            LocateTime: self._log.locate,
            LookupTxn: self._log.lookup,
            Commit: self._commit,
            Check: self._check,
            Erase: self._eraser.erase,
            Status: self._status,
            Health: lambda _: "ok",
            Version: lambda _: EngineVersion(__version__, git_sha()),
        }
        if state.store.read_only:
            self._answers = {kind: self._refreshed(answer) for kind, answer in self._answers.items()}
        _engines.add(self)

    def __repr__(self) -> str:
        state = self._state
        return f"<LocalEngine {state.store.kind} {state.store_id.hex()} at commit_ts {state.visible}>"

    def execute(self, request: Request[R]) -> R:
        """Answers a request; see its class for the errors."""
        answer = self._answers.get(type(request))
        if answer is None:
            raise self._no_answer(request)
        try:
            reply: R = answer(request)
        except CorruptionError as error:
            self._writer.refuse(str(error))
            raise
        return reply

    def submit(self, request: Request[R]) -> Future[R]:
        """Begins a request; the future completes on the writer's or a reader's thread."""
        future: Any
        if type(request) not in self._answers:
            future = Future()
            future.set_exception(self._no_answer(request))
        elif isinstance(request, Commit) and not self._state.store.read_only:
            future = self._writer.submit(request)
        elif isinstance(request, Replay) and request.wait_s:
            future = Future()
            self._follow(request, future)
        else:
            future = self._in_pool(request)
        submitted: Future[R] = future
        return submitted

    def commit_here(self, commit: Commit) -> Committed | None:
        """Commits in the caller's thread, if that blocks it for no longer than handing it to another would.

        For whoever has an event loop to look after.

        Returns:
            None: it might, and nothing was done: `submit` it.

        Raises:
            StatehouseError: See `Commit`.
        """
        if Commit not in self._answers or self._state.store.read_only:
            return None
        return self._writer.commit_here(commit)

    def hold(self) -> None:
        """Has the commits that this thread submits wait until it calls `write_here`, which it must.

        For whoever has an event loop to look after, and submits several commits in one pass of it. No signal
        may interrupt that thread meanwhile: Ctrl-C in the middle would leave commits without an answer.
        """
        self._writer.hold()

    def write_here(self) -> None:
        """Has what was held written: in this thread, if that is best, or as if it had never been held."""
        self._writer.write_here()

    def close(self) -> None:
        """Writes what was queued, makes it durable, frees everything. Idempotent."""
        if self._forked:
            return
        with self._pool_lock:
            if not self._answers:
                return
            self._answers = {}
            pools, self._pool, self._erasing = (self._pool, self._erasing), None, None
        _engines.discard(self)
        self._watch.close()
        self._writer.close()
        for pool in pools:
            if pool is not None:
                pool.shutdown(wait=True)
        self._eraser.close()
        state = self._state
        try:
            if self._marker is not None and not self._writer.refusing:
                state.store.sync()
                self._marker.write(state.head.commit_ts, state="clean", sync=True)
        finally:
            state.store.close()

    def _no_answer(self, request: object) -> StatehouseError:
        if self._forked:
            return ForkedProcessError(
                "this handle was opened before os.fork() and cannot be used in the child process; start the "
                "process anew instead (with multiprocessing: the 'spawn' method) and open the store there"
            )
        if not self._answers:
            return EngineError(self._unavailable)
        return InvalidArgumentError(f"not a request that an engine answers: {request!r:.80}")

    def _in_pool(self, request: Request[R]) -> Future[R]:
        with self._pool_lock:
            if not self._answers:
                future: Future[R] = Future()
                future.set_exception(self._no_answer(request))
                return future
            return self._pool_locked(request).submit(self.execute, request)

    def _pool_locked(self, request: Request[Any]) -> ThreadPoolExecutor:
        if isinstance(request, Erase):
            # One at a time, and beside the threads of the reads, which it would hold up.
            if self._erasing is None:
                self._erasing = ThreadPoolExecutor(1, thread_name_prefix="statehouse-erase")
            return self._erasing
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="statehouse-read")
        return self._pool

    def _commit(self, request: Commit) -> Committed:
        if self._state.store.read_only:
            raise RefusingWritesError(
                "the store is open with read_only=True: commit through the process that has it, or open it "
                "without read_only"
            )
        return self._writer.commit(request)

    def _refreshed(self, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """In a read-only store, catches up with the process that writes before each answer."""

        def refreshed(request: Any) -> Any:
            self._refresh()
            return answer(request)

        return refreshed

    def _refresh(self) -> None:
        state = self._state
        with self._pool_lock:
            state.store.refresh()
            fresh, _ = recover(state.store, state.limits, os.urandom, accept_data_loss=False)
            if fresh.visible > state.visible:
                state.head, state.epochs, state.horizon = fresh.head, fresh.epochs, fresh.horizon
                state.visible = fresh.visible

    def _replay(self, request: Replay) -> EventPage:
        """A page of the log, waiting for the first event if asked."""
        _check_wait(request)
        deadline = self._clock.monotonic() + request.wait_s
        while True:
            page = self._log.replay(request)
            left = deadline - self._clock.monotonic()
            if page.events or page.done or left <= 0:
                return page
            request = request.after(page)
            if self._state.store.read_only:
                threading.Event().wait(min(left, _POLL_S))
                self._refresh()
                continue
            woken = self._watch.wait(page.through_commit_ts, deadline)
            try:
                woken.result(left)
            except TimeoutError:
                self._watch.leave(woken)
            if not self._answers:
                raise self._no_answer(request)

    def _follow(self, request: Replay, future: Future[Any]) -> None:
        """As `_replay`, without a thread that waits: the pool reads pages, a watch waits between them."""
        try:
            _check_wait(request)
        except InvalidArgumentError as error:
            future.set_exception(error)
            return
        deadline = self._clock.monotonic() + request.wait_s

        def read(request: Replay) -> None:
            self._in_pool(replace(request, wait_s=0.0)).add_done_callback(lambda done: answer(request, done))

        def answer(request: Replay, done: Future[EventPage]) -> None:
            error = done.exception()
            if error is not None:
                _complete(future, error=error)
                return
            page = done.result()
            if page.events or page.done or self._clock.monotonic() >= deadline or future.cancelled():
                _complete(future, page)
                return
            after = request.after(page)
            woken = self._watch.wait(page.through_commit_ts, self._next_look(deadline))
            woken.add_done_callback(lambda _: read(after))
            future.add_done_callback(lambda _: self._watch.leave(woken) if future.cancelled() else None)
            self._writer.start()

        read(request)

    def _next_look(self, deadline: float) -> float:
        """When a follower that nobody wakes looks again: a read-only store is told of nothing."""
        if self._state.store.read_only:
            return min(deadline, self._clock.monotonic() + _POLL_S)
        return deadline

    def _check(self, request: Check) -> CheckPage:
        page = self._verifier.check(request)
        if page.problems and not self._state.store.read_only:
            first = page.problems[0]
            self._writer.refuse(
                f"a check found: {first.what} (table {first.table}, commit_ts {first.commit_ts})"
            )
        return page

    def _status(self, _: Status) -> StoreStatus:
        state = self._state
        store = state.store
        reason = self._writer.refusing
        if store.read_only:
            reason = "opened read-only"
        return StoreStatus(
            state="read_only" if store.read_only else "refusing_writes" if reason else "ok",
            reason=reason,
            store_id=state.store_id.hex(),
            epoch=state.epoch,
            epochs=state.epochs,
            format=layout.FORMAT,
            commit_ts=state.visible,
            committed_at_us=state.head.committed_at_us,
            horizon=state.horizon.commit_ts,
            dedup_horizon=state.horizon.dedup_ts,
            head_digest=state.head.digest.hex(),
            durability=self._durability,
            storage=store.kind,
            size_bytes=store.size_bytes(),
            queued_commits=self._writer.queued,
            followers=len(self._watch),
            details=dict(store.details()),
        )

    def forget_after_fork(self) -> None:
        """In a forked child: answers nothing any more and leaves the store's files alone."""
        self._forked = True
        self._answers = {}
        self._state.store.abandon()
        # Locks may have been held, and threads are gone; nothing of them is used again.


def _complete(future: Future[Any], result: object = None, *, error: BaseException | None = None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _check_wait(request: Replay) -> None:
    check_seconds("wait", request.wait_s, 0, _WAIT_S_MAX)


_engines: weakref.WeakSet[LocalEngine] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for engine in list(_engines):
        engine.forget_after_fork()
    _engines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
