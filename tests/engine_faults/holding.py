"""What tests of commits that a thread holds have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from statehouse.engine.local import LocalEngine
from statehouse.extend import Commit, Payload, RecordKey, Write
from statehouse.protocol.replies import Committed
from statehouse.protocol.values import BYTES
from tests.engine_faults.gates import WAIT_S

NAME: Final = RecordKey("default", "planner", "base")


def key_of(number: int) -> RecordKey:
    """What the commit of that number writes."""
    return RecordKey("default", "planner", f"key {number}")


def commit(number: int, value: bytes = b"v", *, timeout_s: float = 60.0) -> Commit:
    """A commit of its own key."""
    return Commit(f"txn {number}", (Write(key_of(number), Payload(BYTES, value)),), timeout_s=timeout_s)


def commits(count: int, first: int = 1) -> list[Commit]:
    """So many of them."""
    return [commit(number) for number in range(first, first + count)]


def hold(engine: LocalEngine, given: Sequence[Commit]) -> list[Future[Committed]]:
    """Holds commits; gives what is promised."""
    engine.hold()
    return [engine.submit(each) for each in given]


def write(engine: LocalEngine, given: Sequence[Commit]) -> list[Future[Committed]]:
    """Holds commits and has them written; gives what is promised then."""
    futures = hold(engine, given)
    engine.write_here()
    return futures


def times(futures: Sequence[Future[Committed]]) -> list[int]:
    """The commit_ts of each, waiting for it."""
    return [future.result(WAIT_S).commit_ts for future in futures]


def failures(futures: Sequence[Future[Committed]]) -> list[type[BaseException] | None]:
    """How each was refused, waiting for it."""
    found = [future.exception(WAIT_S) for future in futures]
    return [None if error is None else type(error) for error in found]


def in_thread(ask: Callable[[], object]) -> None:
    """Does something in a thread of its own, and waits for it."""
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive(), "it waits for ever"
