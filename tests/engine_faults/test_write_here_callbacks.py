"""Nobody is left without an answer, whatever a read, or a callback, does in the middle of a group."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from statehouse.errors import OutcomeUnknownError, RefusingWritesError
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Extend, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage import Table
from statehouse.testing.faults import FaultStore
from tests.engine_faults.disks import WitnessedStore
from tests.engine_faults.holding import NAME, commit, commits, hold, in_thread
from tests.engine_faults.workload import open_on


class Unreadable(FaultStore):
    """A store whose so-manieth read from now on fails as no store may."""

    left = 0

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Fails when it is its turn."""
        self.left -= 1
        if self.left == 0:
            raise OSError("a read failed")
        return super().get(table, key)


@pytest.mark.parametrize("here", [True, False])
def test_a_read_that_fails_in_the_middle_of_a_group_leaves_nobody_unanswered(*, here: bool) -> None:
    store = Unreadable()
    engine = open_on(store)
    futures = hold(engine, commits(8))
    store.left = 6
    if here:
        engine.write_here()
    else:
        in_thread(lambda: engine.submit(commit(99)).exception(60))
    errors = [future.exception(60) for future in futures]
    assert {type(error) for error in errors} == {OutcomeUnknownError, RefusingWritesError}
    engine.close()


def test_a_callback_may_commit_and_wait_for_it() -> None:
    engine = open_on(FaultStore())
    made: list[Committed] = []
    futures = hold(engine, commits(8))

    def go_on(_: Future[Any]) -> None:
        made.append(engine.execute(commit(99)))

    futures[0].add_done_callback(go_on)
    engine.write_here()
    assert [each.commit_ts for each in made] == [9]
    engine.close()


def test_a_callback_may_close_the_engine_while_something_is_left() -> None:
    engine = open_on(FaultStore())
    engine.submit(commit(77)).result(60)
    base = Commit("base", (Write(NAME, Payload(BYTES, bytes(2000))),))
    # It has to be in a group of its own.
    more = Commit("more", (Extend(NAME, NAME, 1, (b"more",), BYTES),))
    answered: list[int] = []

    def write() -> None:
        futures = hold(engine, [*commits(8), base, more])
        futures[0].add_done_callback(lambda _: engine.close())
        engine.write_here()
        answered.extend(future.result(60).commit_ts for future in futures)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert answered == list(range(2, 12))


def test_a_group_of_much_is_for_the_writer() -> None:
    store = WitnessedStore()
    engine = open_on(store)
    store.done.clear()
    futures = hold(engine, [*commits(8), Commit("much", (Write(NAME, Payload(BYTES, bytes(300_000))),))])
    engine.write_here()
    assert [future.result(60).commit_ts for future in futures] == list(range(1, 10))
    assert threading.get_ident() not in {thread for _, thread in store.done}
    engine.close()
