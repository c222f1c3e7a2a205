"""How commits are queued, grouped, written, made durable and announced.

Everything that changes a store while it is open is in this file.

Theory of operation. Whoever commits appends a `Ticket` to the queue and waits for its future. One thread,
the writer, takes what waits, applies each commit to a `Group` (a pure function, see `commits`), hands the
rows to the store as one batch, syncs, moves the high-water mark, announces, and answers. While one group
syncs, the next one gathers, so many callers share one sync. A caller's own thread never writes: Ctrl-C
in it cannot fall between a write and its sync.

======================  ===============================  =========================================
what fails              what is known                    what happens
======================  ===============================  =========================================
a check of one commit   nothing of it was applied        that caller gets the error
``store.write``,        nothing of the group applied     the group's callers get OverloadedError;
not written                                              the next group goes on
``store.write``, else   in doubt                         G8: the group's callers get
``store.sync``          in doubt                         OutcomeUnknownError, every later one
``store.write_mark``    written, but the mark may lie    RefusingWritesError, until reopened
======================  ===============================  =========================================

Invariants:

* W1. Nothing is announced before it is durable; `State.visible` moves in `_announce` and nowhere else.
* W2. A ticket is answered exactly once, also when the engine closes or fails.
* W3. A ticket whose future was cancelled, or whose time ran out while it waited, is dropped before its
  group is written, never after.
* W4. A group that was not written leaves no trace in the state.
* W5. Whoever was refused, or told a commit_ts, because of a group's rows shares the group's failure.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, NamedTuple

from statehouse.engine.clock import Clock
from statehouse.engine.commits import DependsOnGroup, Entropy, Group, Outcome
from statehouse.engine.marks import Marker
from statehouse.engine.prepare import Prepared, prepare
from statehouse.engine.state import State
from statehouse.engine.watch import Watch
from statehouse.errors import (
    CorruptionError,
    DeadlineExceededError,
    EngineError,
    InvalidArgumentError,
    OutcomeUnknownError,
    OverloadedError,
    RefusingWritesError,
    StatehouseError,
)
from statehouse.protocol.limits import check_seconds
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Extend, Write
from statehouse.storage import NotWrittenError

_log = logging.getLogger("statehouse.engine")

_PREPARE_INLINE_BYTES_MAX: Final = 64 * 1024
_RETRY_AFTER_S: Final = {"stall": 0.5, "disk_full": 1.0}


class Ticket:
    """A commit on its way through the writer."""

    __slots__ = ("commit", "deadline", "future", "prepared", "size_bytes")

    def __init__(self, commit: Commit, prepared: Prepared | None, size_bytes: int, deadline: float) -> None:
        self.commit = commit
        self.prepared = prepared
        self.size_bytes = size_bytes
        self.deadline = deadline
        self.future: Future[Committed] = Future()


def _size_of(commit: Commit) -> int:
    """About how many bytes a commit brings, cheaply and for any input: it is not checked yet."""
    size = 0
    for operation in commit.operations:
        if isinstance(operation, Write):
            size += len(getattr(operation.payload, "data", b""))
        elif isinstance(operation, Extend):
            size += sum(len(part) for part in operation.parts if isinstance(part, bytes))
    return size


class Writer:
    """Writes commits, one group at a time."""

    def __init__(
        self,
        state: State,
        marker: Marker | None,
        watch: Watch,
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Prepares to write; `marker` is None when commits are not synced one group at a time."""
        self._state = state
        self._marker = marker
        self._watch = watch
        self._clock = clock
        self._entropy = entropy
        self._queue: deque[Ticket] = deque()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._idle = True
        self.refusing = ""
        """Why nothing more is written; empty while all is well (G8)."""

    @property
    def queued(self) -> int:
        """How many commits wait."""
        return len(self._queue)

    def commit(self, commit: Commit) -> Committed:
        """Commits and waits for it; see `Commit` for the errors."""
        _check_timeout(commit, self._state)
        ticket = self._enqueue(commit, prepare(self._state, commit))
        self.start()
        try:
            return ticket.future.result(max(0.0, ticket.deadline - self._clock.monotonic()))
        except TimeoutError:
            if ticket.future.done():
                # The answer itself is a TimeoutError, or it came as the waiting ran out.
                return ticket.future.result()
        raise self._out_of_time(ticket)

    def submit(self, commit: Commit) -> Future[Committed]:
        """Commits in the background; never blocks."""
        try:
            _check_timeout(commit, self._state)
            small = _size_of(commit) <= _PREPARE_INLINE_BYTES_MAX
            ticket = self._enqueue(commit, prepare(self._state, commit) if small else None)
        except StatehouseError as error:
            refused: Future[Committed] = Future()
            refused.set_exception(error)
            return refused
        self.start()
        return ticket.future

    def refuse(self, why: str) -> None:
        """Stops writing until the store is reopened (G8)."""
        if not self.refusing:
            self.refusing = why
            _log.error("statehouse stops writing until the store is reopened: %s", why)

    def start(self) -> None:
        """Wakes the writer thread, which also keeps the time of those who wait for commits."""
        if self._thread is None:
            self._start_thread()
        # A writer that is at work looks at the queue again before it waits (see `_run`).
        if self._idle:
            self._wake.set()

    def _start_thread(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="statehouse-writer", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Writes what was queued and stops."""
        with self._lock:
            self._closing = True
        thread = self._thread
        if thread is not None:
            self._wake.set()
            if thread is not threading.current_thread():
                thread.join()
        # Nobody else is left to: a callback of a future runs in the writer itself, and may close the last
        # handle; and a commit may have been queued before there was a thread.
        while self._queue:
            self._write_group()

    def _enqueue(self, commit: Commit, prepared: Prepared | None) -> Ticket:
        size = prepared.size_bytes if prepared is not None else _size_of(commit)
        ticket = Ticket(commit, prepared, size, self._clock.monotonic() + commit.timeout_s)
        limits = self._state.limits
        with self._lock:
            self._check_open()
            if len(self._queue) >= limits.commit_queue_count_max or (
                self._queue and self._queued_bytes + size > limits.commit_queue_bytes_max
            ):
                raise OverloadedError(
                    f"{len(self._queue)} commits ({self._queued_bytes} bytes) wait to be written already; "
                    "nothing was applied: try again",
                    retry_after=0.1,
                    reason="queue_full",
                )
            self._queue.append(ticket)
            self._queued_bytes += size
        return ticket

    def _check_open(self) -> None:
        if self._closing:
            raise EngineError("the store is closed")
        if self.refusing:
            raise self._refusal()

    def _refusal(self) -> RefusingWritesError:
        return RefusingWritesError(f"nothing is written until the store is reopened: {self.refusing}")

    def _out_of_time(self, ticket: Ticket) -> StatehouseError:
        txn_id, timeout_s = ticket.commit.txn_id, ticket.commit.timeout_s
        if ticket.future.cancel():
            return DeadlineExceededError(f"the commit waited {timeout_s} s in the queue; nothing was applied")
        return OutcomeUnknownError(
            f"the commit was being written when its {timeout_s} s were over; commit again with the same "
            f"txn_id {txn_id} to know",
            txn_id=txn_id,
        )

    def _run(self) -> None:
        while not (self._closing and not self._queue):
            # In this order: whoever queues a commit after the queue was found empty finds the writer idle.
            self._idle = True
            if not (self._queue or self._closing):
                deadline = self._watch.next_deadline()
                self._wake.wait(None if deadline is None else max(0.0, deadline - self._clock.monotonic()))
            self._idle = False
            self._wake.clear()
            self._watch.expire(self._clock.monotonic())
            while self._queue:
                self._write_group()

    def _take(self) -> list[Ticket]:
        limits = self._state.limits
        taken: list[Ticket] = []
        size = 0
        with self._lock:
            while self._queue and len(taken) < limits.commit_group_count_max:
                if taken and size + self._queue[0].size_bytes > limits.commit_group_bytes_max:
                    break
                ticket = self._queue.popleft()
                size += ticket.size_bytes
                taken.append(ticket)
            self._queued_bytes -= size
        return taken

    def _put_back(self, tickets: list[Ticket]) -> None:
        with self._lock:
            self._queue.extendleft(reversed(tickets))
            self._queued_bytes += sum(ticket.size_bytes for ticket in tickets)

    def _write_group(self) -> None:
        """Takes one group of commits, writes it and answers it."""
        tickets = self._take()
        answers: list[_Answer] = []
        try:
            group = Group(self._state, self._clock.now_us(), self._entropy)
            for index, ticket in enumerate(tickets):
                if not self._begin(ticket):
                    continue
                on_group = bool(group.rows)
                try:
                    answers.append(_Answer(ticket, self._apply(group, ticket), on_group=on_group))
                except DependsOnGroup:
                    self._put_back(tickets[index:])
                    tickets = tickets[:index]
                    break
                except StatehouseError as error:
                    answers.append(_Answer(ticket, error, on_group=on_group))
            failure = self._write(group) if group.rows else None
        except BaseException as error:  # noqa: BLE001 - a defect of ours, or a panic of the storage: in doubt (G8)
            _log.exception("the writer failed")
            failure = self._doubt(f"{type(error).__name__} while writing: {error}")
            answers = [
                _Answer(ticket, _IN_DOUBT, on_group=False) for ticket in tickets if ticket.future.running()
            ]
        for answer in answers:
            self._give(answer, failure)

    def _begin(self, ticket: Ticket) -> bool:
        """Whether a ticket is still wanted; from here on it can no longer be cancelled (W3)."""
        future = ticket.future
        # Before it can no longer be cancelled: whoever fails to cancel it must not find it absent.
        self._state.in_flight.add(ticket.commit.txn_id)
        if not future.running() and not future.set_running_or_notify_cancel():
            self._state.in_flight.discard(ticket.commit.txn_id)
            return False
        if self._clock.monotonic() < ticket.deadline:
            return True
        timeout_s = ticket.commit.timeout_s
        late = DeadlineExceededError(f"the commit waited {timeout_s} s in the queue; nothing was applied")
        self._give(_Answer(ticket, late, on_group=False), None)
        return False

    def _apply(self, group: Group, ticket: Ticket) -> Outcome:
        if self.refusing:
            raise self._refusal()
        return group.apply(ticket.prepared or _prepare_late(self._state, ticket.commit))

    def _give(self, answer: _Answer, failure: _Failure | None) -> None:
        """Answers a ticket; what was built on rows that were not written is no answer (W5)."""
        ticket, outcome, on_group = answer
        result: Committed | StatehouseError
        if isinstance(outcome, CorruptionError):
            self.refuse(str(outcome))
            result = outcome
        elif failure is not None and isinstance(outcome, Outcome) and outcome.staged:
            result = failure(ticket.commit)
        elif failure is not None and on_group:
            result = self._refusal() if self.refusing else failure(ticket.commit)
        else:
            result = outcome.committed if isinstance(outcome, Outcome) else outcome
        # After `in_doubt` knows it, before its caller does.
        self._state.in_flight.discard(ticket.commit.txn_id)
        if isinstance(result, StatehouseError):
            ticket.future.set_exception(result)
        else:
            ticket.future.set_result(result)

    def _write(self, group: Group) -> _Failure | None:
        """Writes, syncs and announces a group; or gives the answer to those whose commits are in it."""
        state = self._state
        group.finish()
        try:
            state.store.write(group.rows)
        except NotWrittenError as error:
            return partial(_not_written, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the outcome is in doubt (G8)
            return self._doubt(f"a write failed: {error}")
        try:
            if self._marker is not None:
                state.store.sync()
                self._marker.write(group.head.commit_ts)
        except Exception as error:  # noqa: BLE001 - see above
            return self._doubt(f"a flush failed: {error}")
        self._announce(group)
        return None

    def _doubt(self, why: str) -> _Failure:
        self.refuse(why)
        return partial(_in_doubt, self._state)

    def _announce(self, group: Group) -> None:
        state = self._state
        for commit_ts, keys in group.recent:
            state.recent.add(commit_ts, keys)
        state.remember_totals(group.totals)
        state.head = group.head
        state.visible = group.head.commit_ts
        self._watch.announce(group.head.commit_ts)


_Failure = Callable[[Commit], StatehouseError]
"""Gives the answer to a commit whose group was not written, or is in doubt."""

_IN_DOUBT: Final = Outcome(Committed(0, 0), staged=True)


def _not_written(error: NotWrittenError, _: Commit) -> StatehouseError:
    retry_after = _RETRY_AFTER_S.get(error.reason, 1.0)
    return OverloadedError(f"{error}; nothing was applied", retry_after=retry_after, reason=error.reason)


def _in_doubt(state: State, commit: Commit) -> StatehouseError:
    state.in_doubt.add(commit.txn_id)
    return OutcomeUnknownError(
        f"whether transaction {commit.txn_id} was applied is known after the store is reopened: commit it "
        "again then, with the same txn_id",
        txn_id=commit.txn_id,
    )


class _Answer(NamedTuple):
    """What a ticket is to be told, unless the group fails; `on_group`: decided on top of others' rows."""

    ticket: Ticket
    outcome: Outcome | StatehouseError
    on_group: bool


def _prepare_late(state: State, commit: Commit) -> Prepared:
    try:
        return prepare(state, commit)
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, StatehouseError):
            raise
        # A caller's own thread would have met it; here it must not end the writer.
        raise InvalidArgumentError(f"the commit is malformed: {type(error).__name__}: {error}") from error


def _check_timeout(commit: Commit, state: State) -> None:
    check_seconds("timeout", commit.timeout_s, state.limits.timeout_s_min, state.limits.timeout_s_max)
