"""Whatever goes wrong, a span ends, and no span names a commit that the log does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from statehouse import Statehouse, StatehouseAsync
from statehouse.engine import open_engine
from statehouse.errors import OutcomeUnknownError, StatehouseError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Request, Write
from statehouse.protocol.values import encode
from statehouse.testing.faults import Call, FaultStore, Moment, SimulatedCrash, crash
from statehouse.testing.reference import ReferenceEngine
from statehouse.tracing import TracedEngine
from statehouse.tracing import attributes as names
from tests.tracing.collected import Collected, commit_ts, fact, ids

R = TypeVar("R")

COMMITS = 6


def tell(store: FaultStore) -> None:
    """A few commits and a conflict, until the store is gone."""
    engine = open_engine(store)
    try:
        with Statehouse.from_engine(engine) as sh:
            for number in range(COMMITS):
                with suppress(StatehouseError):
                    tx = sh.begin_transaction()
                    tx.get_state("k", agent_id="a", default=None)
                    tx.write("k", number, agent_id="a")
                    if number == 3:
                        sh.write("k", "before", agent_id="a")
                    tx.commit()
    finally:
        with suppress(SimulatedCrash, StatehouseError):
            engine.close()


def in_the_log(store: FaultStore) -> dict[int, str]:
    """Each commit that is there when the store is opened again, and its trace."""
    with Statehouse.from_engine(open_engine(store.after_crash())) as sh:
        return {event.commit_ts: event.origin.trace_id for event in sh.replay()}


def runs() -> list[tuple[Call, int, Moment]]:
    """Every call that reaches the disk, on both of its sides."""
    counted = FaultStore()
    tell(counted)
    return [
        (call, nth, moment) for call in Call for nth in range(1, counted.calls[call] + 1) for moment in Moment
    ]


def test_no_span_names_a_commit_that_the_log_does_not_have(spans: Collected) -> None:
    cases = runs()
    assert len(cases) > 4 * COMMITS
    named = 0
    for call, nth, moment in cases:
        before = len(spans.all)
        store = FaultStore()
        store.arm(crash(call, nth, moment))
        with suppress(SimulatedCrash):
            tell(store)
        log = in_the_log(store)
        for span in spans.all[before:]:
            found = commit_ts(span)
            if found is None:
                assert fact(span, names.ERROR_TYPE) is not None
            else:
                # By its trace, the commit is found.
                assert log[found] == ids(span)[0], (call, nth, moment)
                named += 1
        assert spans.open == []
    assert named > len(cases)


def test_a_failed_flush_leaves_a_span_that_says_that_the_outcome_is_unknown(spans: Collected) -> None:
    store = FaultStore()
    engine = open_engine(store)
    with Statehouse.from_engine(engine) as sh:
        sh.write("k", 1, agent_id="a")
        store.arm(crash(Call.SYNC))
        with pytest.raises(OutcomeUnknownError):
            sh.write("k", 2, agent_id="a")
        span = spans.named("commit")[-1]
    with suppress(SimulatedCrash, StatehouseError):
        engine.close()
    assert fact(span, names.ERROR_TYPE) == "OutcomeUnknownError"
    assert commit_ts(span) is None


class Held:
    """An engine that answers when it is told to."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def execute(self, request: Request[R]) -> R:
        raise KeyboardInterrupt

    def submit(self, request: Request[R]) -> Future[R]:
        future: Future[Any] = Future()
        self.futures.append(future)
        return future

    def close(self) -> None:
        """Nothing is open."""


def request() -> Commit:
    return Commit("t-1", (Write(RecordKey("default", "a", "k"), encode(1)),))


@pytest.mark.parametrize(
    "end, error_type",
    [
        (lambda future: future.set_result(Committed(7, 0)), None),
        (lambda future: future.cancel(), "CancelledError"),
        (
            lambda future: future.set_exception(OutcomeUnknownError("gone", txn_id="t-1")),
            "OutcomeUnknownError",
        ),
    ],
    ids=["answered", "cancelled", "broken off"],
)
def test_a_span_ends_with_its_future(
    spans: Collected, end: Callable[[Future[Any]], object], error_type: str | None
) -> None:
    held = Held()
    future = TracedEngine(held).submit(request())
    assert spans.open == ["commit"]
    seen: list[list[str]] = []
    future.add_done_callback(lambda _: seen.append(spans.open))
    end(held.futures[0])
    assert seen == [[]], "who is called back is called when the span has ended"
    assert fact(spans.one("commit"), names.ERROR_TYPE) == error_type
    assert commit_ts(spans.one("commit")) == (None if error_type else 7)


def test_an_interrupt_ends_the_span(spans: Collected) -> None:
    with pytest.raises(KeyboardInterrupt):
        TracedEngine(Held()).execute(request())
    assert fact(spans.one("commit"), names.ERROR_TYPE) == "KeyboardInterrupt"


def test_a_refusal_to_begin_ends_the_span(spans: Collected) -> None:
    engine = TracedEngine(ReferenceEngine())
    with pytest.raises(StatehouseError):
        engine.submit(Commit("", ())).result()
    assert spans.open == []
    assert fact(spans.one("commit"), names.ERROR_TYPE) == "InvalidArgumentError"


def test_a_commit_whose_task_is_cancelled_ends_its_span(spans: Collected) -> None:
    async def main(held: Held) -> None:
        async with StatehouseAsync.from_engine(held) as sh:
            tx = sh.begin_transaction()
            sh.connection.seen.heard_at = sh.connection.monotonic()
            tx.write("k", 1, agent_id="a")
            committing = asyncio.create_task(tx.commit())
            await asyncio.sleep(0)
            assert spans.open == ["commit"]
            committing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await committing

    held = Held()
    asyncio.run(main(held))
    with pytest.raises(CancelledError):
        held.futures[0].result()
    assert spans.open == []
    assert fact(spans.one("commit"), names.ERROR_TYPE) == "CancelledError"


def test_pages_that_are_not_read_to_the_end_leave_no_span_open(spans: Collected) -> None:
    with Statehouse("memory:") as sh:
        for number in range(5):
            sh.write(f"k{number}", number, agent_id="a")
        with spans.tracer.start_as_current_span("work"):
            rows = sh.scan_prefix("k", agent_id="a")
            for _ in rows:
                break
            events = sh.replay(follow=True)
            next(events)
            events.close()
    assert spans.open == []


class Broken(SpanProcessor):
    """A processor with a defect."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        raise RuntimeError("begin")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("end")


def test_a_defect_of_the_sdk_does_not_reach_a_commit(spans: Collected) -> None:
    spans.provider.add_span_processor(Broken())
    with Statehouse("memory:") as sh:
        sh.write("k", 1, agent_id="a")
        assert sh.get_state("k", agent_id="a").value == 1

    async def main() -> None:
        async with StatehouseAsync("memory:") as sh:
            await sh.write("k", 1, agent_id="a")

    asyncio.run(main())
