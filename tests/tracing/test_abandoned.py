"""Calls over a wire that nobody waits for any more end their spans, and say what became of them."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind

from statehouse import Statehouse, StatehouseAsync, StatehouseError
from statehouse.errors import OutcomeUnknownError
from statehouse.rpc.serving.spans import answering
from statehouse.testing.daemon import serving
from statehouse.tracing import attributes as names
from tests.crash.restarting import restarted
from tests.rpc.engines import Held
from tests.tracing.collected import Collected, commit_ts, fact, ids

SHORT_S = 0.2


@pytest.fixture
def held() -> Iterator[Held]:
    """What is behind the daemon: it begins commits, and does not end them before it is told to."""
    found = Held(begun=True)
    yield found
    found.engine.release()


@pytest.fixture
def address(held: Held, spans: Collected) -> Iterator[str]:
    with serving(answering(held.engine, spans.provider), grace_s=0.0) as bound:
        yield bound


def test_a_commit_that_is_out_of_time_has_no_commit_ts(address: str, held: Held, spans: Collected) -> None:
    with Statehouse(address) as sh:
        # It is connected before the time counts.
        sh.status()
        tx = sh.begin_transaction(timeout=SHORT_S)
        tx.write("k", 1, agent_id="a")
        with pytest.raises(OutcomeUnknownError):
            tx.commit()
        [client] = spans.of(SpanKind.CLIENT)
        assert fact(client, names.ERROR_TYPE) == "OutcomeUnknownError"
        assert commit_ts(client) is None
        held.engine.release()
    assert commit_ts(spans.settled().of(SpanKind.SERVER)[0]) == 1


async def abandon(sh: StatehouseAsync, held: Held) -> None:
    """Cancels the task of a commit that the daemon is writing."""
    committing = asyncio.create_task(sh.write("k", 1, agent_id="a"))
    assert await asyncio.to_thread(held.held.wait, 30)
    committing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await committing


def run(address: str, body: Callable[[StatehouseAsync], Awaitable[None]]) -> None:
    async def main() -> None:
        async with StatehouseAsync(address) as sh:
            await body(sh)

    asyncio.run(main())


def test_an_abandoned_commit_says_what_became_of_it(address: str, held: Held, spans: Collected) -> None:
    async def body(sh: StatehouseAsync) -> None:
        await abandon(sh, held)
        assert spans.of(SpanKind.CLIENT) == []
        held.engine.release()
        await asyncio.to_thread(spans.settled)
        [event] = [event async for event in sh.replay()]
        [client] = spans.of(SpanKind.CLIENT)
        assert (commit_ts(client), ids(client)[0]) == (event.commit_ts, event.origin.trace_id)

    run(address, body)


@pytest.mark.slow
def test_an_abandoned_commit_that_is_never_answered_ends_with_its_connection(
    address: str, held: Held, spans: Collected
) -> None:
    run(address, lambda sh: abandon(sh, held))
    [client] = spans.of(SpanKind.CLIENT)
    assert fact(client, names.ERROR_TYPE) == "OutcomeUnknownError"
    assert commit_ts(client) is None


class Writers:
    """Threads that commit, each commit in a span of its own, until they are stopped."""

    def __init__(self, target: str, spans: Collected, count: int) -> None:
        self._target = target
        self._spans = spans
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _write(self, number: int) -> None:
        with Statehouse(self._target, timeout=30) as sh:
            count = 0
            while not self._over.is_set():
                count += 1
                with suppress(StatehouseError), self._spans.tracer.start_as_current_span("work"):
                    sh.write("k", count, agent_id=f"a{number}")

    def stop(self) -> None:
        """Waits until all have ended."""
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_no_span_names_a_commit_that_a_killed_daemon_does_not_have(tmp_path: Path, spans: Collected) -> None:
    moments = random.Random(7)
    with restarted(tmp_path) as daemon:
        daemon.start()
        writers = Writers(daemon.target, spans, 3)
        for _ in range(20):
            threading.Event().wait(moments.uniform(0.01, 0.3))
            daemon.end(signal.SIGKILL)
            daemon.start()
        writers.stop()
        assert spans.open == []
        with Statehouse(daemon.target) as sh:
            log = {event.commit_ts: event.origin for event in sh.replay()}
    found = {commit_ts(span): span for span in spans.named("commit") if commit_ts(span) is not None}
    assert len(found) > 50
    for number, span in found.items():
        # Each is there, and is found by its trace.
        assert log[number].trace_id == ids(span)[0]
    works = {ids(span) for span in spans.named("work")}
    assert {(origin.trace_id, origin.span_id) for origin in log.values()} <= works
