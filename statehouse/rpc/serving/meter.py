"""What a server counts, for whoever monitors it: plain numbers, told elsewhere in the forms that monitors
read.

Labels are the kinds of things, of which there are a few; never names of namespaces, agents, keys or runs.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any, Final, TypeVar

from statehouse.errors import (
    ConflictError,
    DeadlineExceededError,
    OutcomeUnknownError,
    PreconditionFailedError,
    TransactionExpiredError,
)
from statehouse.protocol.engine import Engine
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Delete, Replay, Request
from statehouse.tracing.side import QUIET, operation_of

R = TypeVar("R")
T = TypeVar("T")

BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper bounds of the buckets of durations, in seconds; what took longer is in one more bucket."""

STATUSES: Final = (
    "committed",
    "repeated",
    "read_only",
    "conflict",
    "precondition_failed",
    "refused",
    "unknown",
    "expired",
    "aborted",
)
"""How transactions end."""


@dataclass(slots=True)
class Durations:
    """How long something took, how often.

    Attributes:
        counts: How many took as long as each bucket says, and no longer than the one before.
        seconds: All together.
        low: The least.
        high: The most.
    """

    counts: list[int]
    seconds: float = 0.0
    low: float = inf
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a server has in hand at a moment.

    Attributes:
        transactions: Open transactions of BeginTransaction.
        requests: Requests that are being answered.
        request_bytes: How many bytes they are.
        replays: Open streams of events.
        pipelines: Open pipelines.
    """

    transactions: int = 0
    requests: int = 0
    request_bytes: int = 0
    replays: int = 0
    pipelines: int = 0


class Meter:
    """Counts; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._transactions = Counter(dict.fromkeys(STATUSES, 0))
        self._operations = Counter({"write": 0, "delete": 0})
        self._durations: dict[str, Durations] = {}
        self._without_trace = 0

    def took(self, rpc: str, seconds: float) -> None:
        """Notes that a request was answered."""
        with self._lock:
            durations = self._durations.get(rpc)
            if durations is None:
                durations = self._durations[rpc] = Durations([0] * (len(BOUNDS_S) + 1))
            durations.counts[bisect_left(BOUNDS_S, seconds)] += 1
            durations.seconds += seconds
            durations.low = min(durations.low, seconds)
            durations.high = max(durations.high, seconds)

    def ended(self, status: str, count: int = 1) -> None:
        """Notes that transactions ended; see `STATUSES`."""
        with self._lock:
            self._transactions[status] += count

    def operated(self, kind: str) -> None:
        """Notes a read."""
        with self._lock:
            self._operations[kind] += 1

    def committed(self, commit: Commit) -> None:
        """Notes what a commit that was applied did."""
        deletes = sum([isinstance(operation, Delete) for operation in commit.operations])
        with self._lock:
            self._transactions["committed"] += 1
            self._operations["delete"] += deletes
            self._operations["write"] += len(commit.operations) - deletes
            self._without_trace += not commit.origin.trace_id

    @property
    def transactions(self) -> dict[str, int]:
        """How many transactions ended, by how."""
        with self._lock:
            return dict(self._transactions)

    @property
    def operations(self) -> dict[str, int]:
        """How many operations there were, by kind: writes and deletes that were committed, and reads."""
        with self._lock:
            return dict(self._operations)

    @property
    def durations(self) -> dict[str, Durations]:
        """How long requests took, by the names of their calls."""
        with self._lock:
            return {rpc: replace(each, counts=[*each.counts]) for rpc, each in self._durations.items()}

    @property
    def without_trace(self) -> int:
        """How many commits were applied whose origin names no trace."""
        return self._without_trace


class MeteredEngine:
    """An engine whose answers are counted.

    Args:
        engine: What answers.
        meter: Where they are counted.
    """

    def __init__(self, engine: Engine, meter: Meter) -> None:
        self.engine = engine
        self._meter = meter

    def execute(self, request: Request[R]) -> R:
        """Answers a request; see its class for the errors."""
        if not isinstance(request, Commit):
            self._note(request)
            return self.engine.execute(request)
        try:
            reply: Any = self.engine.execute(request)
        except BaseException as error:
            self._meter.ended(_status(error))
            raise
        self._applied(request, reply)
        return reply  # type: ignore[no-any-return]

    def submit(self, request: Request[R]) -> Future[R]:
        """Begins a request, and returns at once."""
        future = self.engine.submit(request)
        if isinstance(request, Commit):
            future.add_done_callback(partial(self._settled, request))
        else:
            self._note(request)
        return future

    def close(self) -> None:
        """Closes the engine."""
        self.engine.close()

    def _note(self, request: Request[Any]) -> None:
        if type(request) not in QUIET and not (isinstance(request, Replay) and request.wait_s):
            self._meter.operated(operation_of(type(request)))

    def _settled(self, commit: Commit, future: Future[Any]) -> None:
        if future.cancelled():
            self._meter.ended("expired")
            return
        error = future.exception()
        if error is not None:
            self._meter.ended(_status(error))
        else:
            self._applied(commit, future.result())

    def _applied(self, commit: Commit, reply: Committed) -> None:
        if reply.repeated:
            self._meter.ended("repeated")
        elif not commit.operations:
            self._meter.ended("read_only")
        else:
            self._meter.committed(commit)


def _status(error: BaseException) -> str:
    match error:
        case ConflictError():
            return "conflict"
        case PreconditionFailedError():
            return "precondition_failed"
        case OutcomeUnknownError():
            return "unknown"
        case DeadlineExceededError() | TransactionExpiredError():
            return "expired"
        case _:
            return "refused"


def timed(
    meter: Meter, rpc: str, call: Callable[[Any, Any], Awaitable[T]]
) -> Callable[[Any, Any], Awaitable[T]]:
    """Gives the handler of a call, with its time taken."""

    async def taken(data: Any, context: Any) -> T:
        began = time.monotonic()
        try:
            running = call(data, context)
            # See `guarded`: the request is not kept by whoever waits for its answer.
            del data
            return await running
        finally:
            meter.took(rpc, time.monotonic() - began)

    return taken
