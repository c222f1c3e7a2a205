"""A million events are followed while the daemon is restarted again and again: none missed, none repeated."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from statehouse import Event, Statehouse, StatehouseAsync
from statehouse.engine import open_engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage.rocksdb import RocksStore
from tests.crash.restarting import restarted
from tests.rpc.daemons import eventually

EVENTS: Final = 1_000_000
MORE: Final = 100
AGENTS: Final = 10
EVERY: Final = 150_000
IN_FLIGHT: Final = 5000
WAIT_S: Final = 600


def fill(path: Path) -> None:
    """Commits a million times; commit n is called n, and of agent n % 10."""
    engine = open_engine(RocksStore.open(path, free_bytes_min=0), durability="none")
    waiting: deque[Future[Committed]] = deque()
    for number in range(1, EVENTS + 1):
        key = RecordKey("default", f"agent {number % AGENTS}", f"key {number % 97}")
        waiting.append(engine.submit(Commit(f"{number}", (Write(key, Payload(BYTES, b"x" * 20)),))))
        while len(waiting) > IN_FLIGHT:
            waiting.popleft().result()
    engine.close()
    assert waiting[-1].result().commit_ts == EVENTS


class Reader:
    """Follows a part of the log, and counts.

    Attributes:
        seen: How many events have come, each the one that had to.
    """

    def __init__(self, expected: Iterator[int]) -> None:
        self._expected = expected
        self.seen = 0

    def take(self, event: Event) -> None:
        """Takes the next event."""
        number = next(self._expected)
        assert (event.commit_ts, event.txn_id) == (number, f"{number}")
        assert [operation.agent_id for operation in event.operations] == [f"agent {number % AGENTS}"]
        self.seen += 1

    def follow(self, sh: Statehouse) -> None:
        """Reads everything, without an end in sight, until everything has come."""
        for event in sh.replay(whole_store=True, follow=True):
            self.take(event)
            if event.commit_ts == EVENTS + MORE:
                return

    def follow_one(self, sh: StatehouseAsync) -> None:
        """As `follow`, for one agent, in an event loop."""

        async def main() -> None:
            async for event in sh.replay(agent_id="agent 0", follow=True):
                self.take(event)
                if event.commit_ts == EVENTS + MORE:
                    return

        asyncio.run(main())


@pytest.mark.slow
def test_a_replay_of_a_million_events_outlives_the_daemon(tmp_path: Path) -> None:
    """G7, over four deaths and three drains; what is committed meanwhile comes too."""
    fill(tmp_path / "store")
    all_of_it = Reader(iter(range(1, EVENTS + MORE + 1)))
    one_agent = Reader(iter(range(AGENTS, EVENTS + MORE + 1, AGENTS)))
    with (
        restarted(tmp_path) as daemon,
        ThreadPoolExecutor(2) as threads,
        Statehouse(daemon.target, connect_timeout=WAIT_S) as sh,
    ):
        daemon.start()
        reading = [threads.submit(all_of_it.follow, sh), threads.submit(one_agent.follow_one, sh.aio)]

        def reached(count: int) -> None:
            eventually(lambda: all_of_it.seen >= count or any(each.done() for each in reading), WAIT_S)
            assert not any(each.done() for each in reading), [
                each.exception() for each in reading if each.done()
            ]

        for number in range(1, EVENTS // EVERY + 1):
            reached(number * EVERY)
            daemon.end(signal.SIGKILL if number % 2 else signal.SIGTERM)
            daemon.start()
        reached(EVENTS)
        for number in range(EVENTS + 1, EVENTS + MORE + 1):
            with sh.transaction(txn_id=f"{number}") as tx:
                tx.write("more", number, agent_id=f"agent {number % AGENTS}")
            if number == EVENTS + MORE // 2:
                daemon.end(signal.SIGKILL)
                daemon.start()
        for each in reading:
            each.result(WAIT_S)
        assert (all_of_it.seen, one_agent.seen) == (EVENTS + MORE, (EVENTS + MORE) // AGENTS)
        daemon.end(signal.SIGTERM)
