"""How commits are queued, grouped, written, made durable and announced.

Everything that changes a store while it is open is in this file.

Theory of operation. Whoever commits queues a `Ticket` and waits for its answer. The writer thread takes
what waits, applies each commit to a `Group` (a pure function, see `commits`), hands the rows to the store
as one batch, syncs, moves the high-water mark, announces, and answers. While one group syncs, the next one
gathers, so many callers share one sync.

Callers that wait in threads wake one by one, and each needs the interpreter for it. The writer lets all of
a group go first, if that takes them no longer than it should: they come back with the next group. Taking at
once what few were there meant groups of 12 from 64 threads, a sync for each, and a fight over who runs.

A caller that blocks, and finds nobody else committing, writes its commit itself: two switches of threads
cost more than the commit. So may one that must not block for long (`commit_here`), while syncs are short.
And what it submits at once may wait for it, to be written there (`hold`, `write_here`): a group that is
complete gains nothing by another thread.

The writing lock is held by whoever writes. Ctrl-C can fall anywhere into a caller's thread, so a group of one
is set down as `_unfinished` before it is written; whoever writes next finishes it first, with the same rows:
writing rows again changes nothing.

What changes rows of the past (erasing) does so in errands, which the writer runs between two groups.

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
* W6. A group that was set down as unfinished is written and announced, or in doubt (G8), before any other,
  and before any errand.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from statehouse.engine.clock import Clock
from statehouse.engine.commits import DependsOnGroup, Group, Outcome
from statehouse.engine.entropy import Entropy
from statehouse.engine.errands import Errand, Rows
from statehouse.engine.failures import Failure, in_doubt, not_written, overloaded
from statehouse.engine.marks import Marker
from statehouse.engine.pace import Pace
from statehouse.engine.prepare import Prepared, prepare
from statehouse.engine.state import State
from statehouse.engine.tickets import AwaitedTicket, PromisedTicket, Ticket, tell_all
from statehouse.engine.watch import Watch
from statehouse.errors import (
    CorruptionError,
    EngineError,
    InvalidArgumentError,
    OverloadedError,
    RefusingWritesError,
    StatehouseError,
)
from statehouse.protocol.deadlines import begun_too_late, out_of_time
from statehouse.protocol.limits import check_seconds
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Extend, Write
from statehouse.storage import NotWrittenError

_log = logging.getLogger("statehouse.engine")

_PREPARE_INLINE_BYTES_MAX: Final = 64 * 1024

_WAKING_S: Final = 0.001
_WAKING_EACH_S: Final = 0.0003
"""How long the writer lets woken callers go first, in all and for each. Undisturbed, they take a sixth."""

_NO_WAKING_S: Final = 0.25
"""How long it does not, after that was too short: a thread computes, and each that wakes queues behind it."""

_HERE_MIN: Final = 8
_HERE_MAX: Final = 64
"""How many commits `write_here` writes. More would keep others waiting; fewer are better off in the writer,
where more gather while they are synced: 32 threads that came one by one were half as fast without it.
"""

_HERE_BYTES_MAX: Final = 256 * 1024
"""And how much: more takes milliseconds, even if nothing but the interpreter's time is counted."""


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
        self._errands: deque[Errand] = deque()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._idle = True
        # Knows its owner: a thread that was interrupted gives it up without knowing how far it came.
        self._writing = threading.RLock()
        self._unfinished: Group | None = None
        self._crowd = 0
        self._hurrying_until = 0.0
        self._pace = Pace(clock)
        self._holder = 0
        self.refusing = ""
        """Why nothing more is written; empty while all is well (G8)."""

    @property
    def queued(self) -> int:
        """How many commits wait."""
        return len(self._queue)

    def commit(self, commit: Commit) -> Committed:
        """Commits and waits for it; see `Commit` for the errors."""
        _check_timeout(commit, self._state)
        prepared = prepare(self._state, commit)
        if threading.current_thread() is self._thread:
            raise EngineError("a callback of a commit runs in the writer, and cannot wait for it: use submit")
        if self._crowd <= 1:
            written = self._write_alone(prepared)
            if written is not None:
                return written
        ticket = AwaitedTicket(commit, prepared, self._clock.monotonic() + commit.timeout_s)
        self._enqueue(ticket)
        self.start()
        try:
            result = ticket.wait(commit.timeout_s)
        except BaseException:
            ticket.withdraw()
            raise
        if result is None:
            # The answer may come between the end of the wait and here.
            result = self._out_of_time(ticket)
        if isinstance(result, StatehouseError):
            raise result
        return result

    def commit_here(self, commit: Commit) -> Committed | None:
        """Commits in the caller's thread, if it has it all to itself and that takes no time to speak of.

        Returns:
            None: it does not, and nothing was done: submit it.

        Raises:
            StatehouseError: See `Commit`.
        """
        if (
            self._crowd > 1
            or self._busy
            or not self._pace.is_quick
            or _size_of(commit) > _PREPARE_INLINE_BYTES_MAX
        ):
            return None
        _check_timeout(commit, self._state)
        return self._write_alone(prepare(self._state, commit))

    def submit(self, commit: Commit) -> Future[Committed]:
        """Commits in the background; never blocks."""
        try:
            _check_timeout(commit, self._state)
            size = _size_of(commit)
            prepared = prepare(self._state, commit) if size <= _PREPARE_INLINE_BYTES_MAX else None
            size = size if prepared is None else prepared.size_bytes
            ticket = PromisedTicket(commit, prepared, size, self._clock.monotonic() + commit.timeout_s)
            self._enqueue(ticket)
        except StatehouseError as error:
            refused: Future[Committed] = Future()
            refused.set_exception(error)
            return refused
        if not self._holder or self._holder != threading.get_ident():
            self.start()
        return ticket.future

    def hold(self) -> None:
        """Has the commits that this thread submits wait until it calls `write_here`; one thread may."""
        self._holder = threading.get_ident()

    def write_here(self) -> None:
        """Writes what was held in the caller's thread, if that is many and takes no time to speak of.

        Otherwise the writer does it, as if it had never been held.
        """
        self._holder = 0
        written = None
        many = _HERE_MIN <= len(self._queue) <= _HERE_MAX and self._queued_bytes <= _HERE_BYTES_MAX
        if many and self._pace.is_quick and not self._errands and self._writing.acquire(blocking=False):
            try:
                if self._unfinished is None:
                    written = self._write_group()
            finally:
                self._release()
        if self._busy:
            self.start()
        if written is not None:
            # Without the lock: a callback may commit, or close the engine, which waits for the writer.
            self._give(*written)

    def run(self, rows: Rows, *, sync: bool = False) -> None:
        """Has rows worked out and written between two groups of commits, and waits for it.

        Raises:
            OverloadedError: The disk is full or busy; nothing was written.
            RefusingWritesError: Nothing is written any more, or what was written is in doubt (G8).
            EngineError: The store is closed.
        """
        if threading.current_thread() is self._thread:
            raise EngineError("a callback of a commit runs in the writer, and cannot wait for it")
        errand = Errand(rows, sync=sync)
        with self._lock:
            self._check_open()
            self._errands.append(errand)
        self.start()
        try:
            errand.done.result()
        except BaseException:
            errand.done.cancel()
            raise

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
        with self._writing:
            self._write_all()

    def _enqueue(self, ticket: Ticket) -> None:
        size = ticket.size_bytes
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

    def _check_open(self) -> None:
        if self._closing:
            raise EngineError("the store is closed")
        if self.refusing:
            raise self._refusal()

    def _refusal(self) -> RefusingWritesError:
        return RefusingWritesError(f"nothing is written until the store is reopened: {self.refusing}")

    def _out_of_time(self, ticket: AwaitedTicket) -> Committed | StatehouseError:
        if ticket.withdraw():
            return begun_too_late(ticket.commit)
        return ticket.result or out_of_time(ticket.commit)

    def _write_alone(self, prepared: Prepared) -> Committed | None:
        """Writes one commit in its caller's own thread; None when somebody else commits too.

        Ctrl-C may come at any line: what was not set down was not written; what was, the writer finishes.
        """
        state, commit = self._state, prepared.commit
        mine = False
        try:
            if not self._writing.acquire(blocking=False) or self._busy:
                return None
            self._check_open()
            mine = True
            state.in_flight.add(commit.txn_id)
            group = Group(state, self._clock.now_us(), self._entropy)
            outcome = group.apply(prepared)
            failure = None
            if group.rows:
                group.finish()
                self._unfinished = group
                failure = self._write(group)
                self._unfinished = None
            if failure is not None:
                raise failure(commit)  # noqa: TRY301 - the clauses below tell it from an interrupt
            return outcome.committed
        except BaseException as error:
            if isinstance(error, CorruptionError):
                self.refuse(str(error))
            if not mine or self._unfinished is None:
                raise
            if isinstance(error, KeyboardInterrupt | SystemExit):
                self.start()
                raise
            failure = self._doubt(f"{type(error).__name__} while writing: {error}")
            self._unfinished = None
            raise failure(commit) from error
        finally:
            if mine and self._unfinished is None:
                state.in_flight.discard(commit.txn_id)
            self._release()

    def _release(self) -> None:
        """Gives the writing lock up, whether this thread has it or not, and however often."""
        with suppress(RuntimeError):
            while True:
                self._writing.release()

    def _write_all(self) -> None:
        """Finishes what was begun and writes what waits; the caller holds the writing lock."""
        group = self._unfinished
        if group is not None:
            try:
                failure = self._write(group)
            except BaseException as error:  # noqa: BLE001 - a panic of the storage must not end the writer
                failure = self._doubt(f"{type(error).__name__} while writing: {error}")
            if failure is not None:
                # It may have been written the first time: nobody can say that nothing was applied.
                self._doubt("a commit that was interrupted could not be written again")
                self._state.in_doubt.update(group.txn_ids)
            self._unfinished = None
            self._state.in_flight.difference_update(group.txn_ids)
        while self._queue or self._errands:
            if self._errands:
                self._run_errand(self._errands.popleft())
            if self._queue:
                answers, failure = self._write_group()
                self._let_go_first(len(answers), self._give(answers, failure))

    @property
    def _busy(self) -> bool:
        return bool(self._queue or self._errands) or self._unfinished is not None

    def _run_errand(self, errand: Errand) -> None:
        if not errand.done.set_running_or_notify_cancel():
            return
        try:
            if self.refusing:
                raise self._refusal()  # noqa: TRY301 - whoever waits for the errand gets it like any other
            failure = self._write_errand(errand)
        except BaseException as error:  # noqa: BLE001 - a panic of the storage must not end the writer
            errand.done.set_exception(error)
            return
        if failure is not None:
            errand.done.set_exception(failure)
        else:
            errand.done.set_result(None)

    def _write_errand(self, errand: Errand) -> StatehouseError | None:
        store = self._state.store
        rows = errand.rows()
        try:
            store.write(rows)
            if errand.sync:
                store.sync()
        except NotWrittenError as error:
            # Its text only, as in `_write`.
            return overloaded(str(error), error.reason)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the outcome is in doubt (G8)
            self.refuse(f"a write failed: {type(error).__name__}: {error}")
            return self._refusal()
        return None

    def _run(self) -> None:
        while not (self._closing and not self._queue):
            # In this order: whoever queues a commit after the queue was found empty finds the writer idle.
            self._idle = True
            if not (self._busy or self._closing):
                deadline = self._watch.next_deadline()
                self._wake.wait(None if deadline is None else max(0.0, deadline - self._clock.monotonic()))
            self._idle = False
            self._wake.clear()
            self._watch.expire(self._clock.monotonic())
            if self._busy:
                with self._writing:
                    self._write_all()

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

    def _write_group(self) -> tuple[list[_Answer], Failure | None]:
        """Takes one group of commits and writes it; gives what `_give` is to be told."""
        tickets = self._take()
        self._crowd = len(tickets)
        answers: list[_Answer] = []
        try:
            group = Group(self._state, self._clock.now_us(), self._entropy)
            now = self._clock.monotonic()
            for index, ticket in enumerate(tickets):
                if not self._begin(ticket):
                    continue
                on_group = bool(group.rows)
                try:
                    answers.append(_Answer(ticket, self._apply(group, ticket, now), on_group=on_group))
                except DependsOnGroup:
                    self._put_back(tickets[index:])
                    tickets = tickets[:index]
                    break
                except StatehouseError as error:
                    answers.append(_Answer(ticket, error, on_group=on_group))
            if group.rows:
                group.finish()
            failure = self._write(group) if group.rows else None
        except BaseException as error:  # noqa: BLE001 - a defect of ours, or a panic of the storage: in doubt (G8)
            _log.exception("the writer failed")
            failure = self._doubt(f"{type(error).__name__} while writing: {error}")
            answers = [_Answer(ticket, _IN_DOUBT, on_group=False) for ticket in tickets if ticket.begun]
            # They get the refusal.
            self._put_back([ticket for ticket in tickets if not ticket.begun])
        return answers, failure

    def _let_go_first(self, count: int, all_woken: threading.Event) -> None:
        """Waits until the callers of a group are awake, if they wake as fast as they do by themselves."""
        if count <= 1 or self._clock.monotonic() < self._hurrying_until:
            return
        if not all_woken.wait(_WAKING_S + count * _WAKING_EACH_S):
            self._hurrying_until = self._clock.monotonic() + _NO_WAKING_S

    def _begin(self, ticket: Ticket) -> bool:
        """Whether a ticket is still wanted; from here on it can no longer be cancelled (W3)."""
        # Before it can no longer be cancelled: whoever fails to cancel it must not find it absent.
        self._state.in_flight.add(ticket.commit.txn_id)
        if not ticket.begin():
            self._state.in_flight.discard(ticket.commit.txn_id)
            return False
        return True

    def _apply(self, group: Group, ticket: Ticket, now: float) -> Outcome:
        if now >= ticket.deadline:
            raise begun_too_late(ticket.commit)
        if self.refusing:
            raise self._refusal()
        return group.apply(ticket.prepared or _prepare_late(self._state, ticket.commit))

    def _give(self, answers: Sequence[_Answer], failure: Failure | None) -> threading.Event:
        """Answers tickets; what was built on rows that were not written is no answer (W5).

        The event is set when all have been woken who wait in threads of their own.
        """
        results = [(answer.ticket, self._result(answer, failure)) for answer in answers]
        # After `in_doubt` knows them, before their callers do.
        self._state.in_flight.difference_update([ticket.commit.txn_id for ticket, _ in results])
        all_woken = threading.Event()
        tell_all(results, all_woken)
        return all_woken

    def _result(self, answer: _Answer, failure: Failure | None) -> Committed | StatehouseError:
        ticket, outcome, on_group = answer
        if isinstance(outcome, CorruptionError):
            self.refuse(str(outcome))
            return outcome
        if isinstance(outcome, Outcome):
            if failure is None or not (outcome.staged or on_group):
                return outcome.committed
            if outcome.staged:
                return failure(ticket.commit)
        elif failure is None or not on_group:
            return outcome
        return self._refusal() if self.refusing else failure(ticket.commit)

    def _write(self, group: Group) -> Failure | None:
        """Writes, syncs and announces a group; or gives the answer to those whose commits are in it."""
        state = self._state
        try:
            state.store.write(group.rows)
        except NotWrittenError as error:
            # Its text only: an error that a caller keeps would keep the store's frames, and its files open.
            return partial(not_written, str(error), error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, the outcome is in doubt (G8)
            return self._doubt(f"a write failed: {error}")
        try:
            if self._marker is not None:
                began = self._clock.monotonic()
                state.store.sync()
                self._pace.took(self._clock.monotonic() - began)
                self._marker.write(group.head.commit_ts)
        except Exception as error:  # noqa: BLE001 - see above
            return self._doubt(f"a flush failed: {error}")
        self._announce(group)
        return None

    def _doubt(self, why: str) -> Failure:
        self.refuse(why)
        return partial(in_doubt, self._state)

    def _announce(self, group: Group) -> None:
        state = self._state
        for commit_ts, keys in group.recent:
            state.recent.add(commit_ts, keys)
        state.remember_totals(group.totals)
        state.head = group.head
        state.visible = group.head.commit_ts
        self._watch.announce(group.head.commit_ts)


_IN_DOUBT: Final = Outcome(Committed(0, 0), staged=True)


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
