"""The span around a commit: whose it is, how it ends, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from statehouse import ConflictError, Origin, Statehouse, StatehouseAsync
from statehouse.tracing import attributes as names
from statehouse.tracing.content import CONTENT_BYTES_MAX, VARIABLE
from tests.tracing.collected import Collected, commit_ts, fact, ids, parent


@pytest.fixture
def sh() -> Iterator[Statehouse]:
    with Statehouse("memory:") as opened:
        yield opened


def test_a_commit_has_a_client_span_below_the_current_one(sh: Statehouse, spans: Collected) -> None:
    with spans.tracer.start_as_current_span("work"):
        sh.write("k", 1, agent_id="a")
    span = spans.one("commit")
    assert span.kind is SpanKind.CLIENT
    assert parent(span) == ids(spans.one("work"))[1]
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.schema_url == names.SCHEMA_URL


def test_the_span_of_a_commit_says_where_it_was_made(sh: Statehouse, spans: Collected) -> None:
    with sh.begin_transaction(namespace="shop", origin=Origin(run_id="r", step="plan#1")) as tx:
        tx.write("k", 1, agent_id="a")
        tx.write("l", 2, agent_id="a")
    status = sh.status()
    assert dict(spans.one("commit").attributes or {}) == {
        names.DB_SYSTEM_NAME: "statehouse",
        names.DB_OPERATION_NAME: "commit",
        names.DB_OPERATION_BATCH_SIZE: 2,
        names.DB_NAMESPACE: "shop",
        names.NAMESPACE: "shop",
        names.AGENT_ID: "a",
        names.RUN_ID: "r",
        names.STEP_PATH: "plan#1",
        names.STORE_ID: status.store_id,
        names.STORE_EPOCH: status.epoch,
        names.COMMIT_KEYS_COUNT: 2,
        names.COMMIT_TS: tx.commit_ts,
        names.STATE_REF: f"sh://{status.store_id}/{status.epoch}/shop@{tx.commit_ts}",
    }


def test_a_commit_over_several_agents_is_of_none_of_them(sh: Statehouse, spans: Collected) -> None:
    with sh.begin_transaction() as tx:
        tx.write("k", 1, agent_id="a")
        tx.write("k", 1, agent_id="b")
    span = spans.one("commit")
    assert fact(span, names.AGENT_ID) is None
    assert fact(span, names.NAMESPACE) == "default"


def test_outside_of_spans_a_commit_is_found_by_the_trace_of_its_own(sh: Statehouse, spans: Collected) -> None:
    sh.write("k", 1, agent_id="a")
    span = spans.one("commit")
    trace_id, span_id = ids(span)
    [event] = sh.find_events(trace_id=trace_id)
    assert (event.commit_ts, event.origin.span_id) == (commit_ts(span), span_id)


def test_what_a_transaction_saw_and_what_it_made_are_two_things(sh: Statehouse, spans: Collected) -> None:
    sh.write("k", 1, agent_id="a")
    with sh.begin_transaction() as tx:
        tx.write("k", tx.get_state("k", agent_id="a").value + 1, agent_id="a")
    span = spans.named("commit")[-1]
    assert (fact(span, names.READ_TS), commit_ts(span)) == (1, 2)


def test_a_conflict_has_no_commit_ts_and_says_why(sh: Statehouse, spans: Collected) -> None:
    sh.write("k", 1, agent_id="a")
    tx = sh.begin_transaction()
    tx.get_state("k", agent_id="a")
    tx.write("k", 2, agent_id="a")
    sh.write("k", 3, agent_id="a")
    with pytest.raises(ConflictError):
        tx.commit()
    span = spans.named("commit")[-1]
    assert commit_ts(span) is None
    assert fact(span, names.ERROR_TYPE) == "ConflictError"
    assert fact(span, names.DB_RESPONSE_STATUS_CODE) == ConflictError.code
    assert span.status.status_code is StatusCode.ERROR


def test_an_empty_transaction_has_made_no_state(sh: Statehouse, spans: Collected) -> None:
    sh.write("k", 1, agent_id="a")
    with sh.begin_transaction() as tx:
        tx.get_state("k", agent_id="a")
    assert tx.commit_ts == 1
    assert commit_ts(spans.named("commit")[-1]) is None


def test_an_aborted_transaction_has_no_span(sh: Statehouse, spans: Collected) -> None:
    sh.begin_transaction().abort()
    assert spans.all == []


def texts_of(span: ReadableSpan) -> str:
    return repr((dict(span.attributes or {}), span.name, span.status.description, span.events))


def test_values_and_keys_are_not_on_spans(sh: Statehouse, spans: Collected) -> None:
    def trespass() -> None:
        with sh.begin_transaction() as tx:
            tx.write("secret-key", "secret-value", agent_id="a", if_version=7)

    sh.write("secret-key", "secret-value", agent_id="a")
    with pytest.raises(Exception, match="secret-key"):
        trespass()
    with spans.tracer.start_as_current_span("work"):
        sh.get_state("secret-key", agent_id="a")
    assert len(spans.named("commit")) == 2
    assert not [span for span in spans.all if "secret" in texts_of(span)]


def test_the_names_of_keys_are_there_where_content_is_captured(
    sh: Statehouse, spans: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    with sh.begin_transaction() as tx:
        for number in range(300):
            tx.write(f"{number}-" + "k" * 50, 1, agent_id="a")
    keys = fact(spans.one("commit"), names.COMMIT_KEYS)
    assert keys.startswith("0-kkk")
    assert len(keys.encode()) <= CONTENT_BYTES_MAX


def test_a_read_has_a_span_only_within_one(sh: Statehouse, spans: Collected) -> None:
    sh.write("k", 1, agent_id="a")
    sh.get_state("k", agent_id="a")
    assert spans.named("get") == []
    with spans.tracer.start_as_current_span("work"):
        sh.get_state("k", agent_id="a")
    span = spans.one("get")
    assert fact(span, names.READ_TS) == 1
    assert commit_ts(span) is None


def test_a_follow_is_a_short_span_a_batch(sh: Statehouse, spans: Collected) -> None:
    sh.write("k", 1, agent_id="a")
    with spans.tracer.start_as_current_span("work"):
        events = sh.replay(follow=True)
        assert next(events).commit_ts == 1
        sh.write("k", 2, agent_id="a")
        assert next(events).commit_ts == 2
        events.close()
        assert {fact(span, names.EVENTS_COUNT) for span in spans.named("replay")} == {1}
    assert spans.open == []


def test_an_unsampled_commit_stores_valid_ids(monkeypatch: pytest.MonkeyPatch, sh: Statehouse) -> None:
    off = Collected(ALWAYS_OFF)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", off.provider)
    with off.tracer.start_as_current_span("work") as span:
        sh.write("k", 1, agent_id="a")
        trace_id = f"{span.get_span_context().trace_id:032x}"
    assert off.all == []
    [event] = sh.find_events(trace_id=trace_id)
    assert event.commit_ts == 1


def test_awaited_commits_have_the_span_of_their_own_task(spans: Collected) -> None:
    async def work(sh: StatehouseAsync, name: str) -> None:
        with spans.tracer.start_as_current_span(name):
            await asyncio.gather(*[sh.write(f"{name}{n}", n, agent_id=name) for n in range(5)])

    async def main() -> list[tuple[str, str, str]]:
        async with StatehouseAsync("memory:") as sh:
            await asyncio.gather(*[work(sh, name) for name in "xyz"])
            return [
                (event.operations[0].agent_id, event.origin.trace_id, event.origin.span_id)
                async for event in sh.replay()
            ]

    found = asyncio.run(main())
    assert sorted(set(found)) == [(name, *ids(spans.one(name))) for name in "xyz"]
    assert len(found) == len(spans.named("commit")) == 15
    for name in "xyz":
        below = [span for span in spans.named("commit") if fact(span, names.AGENT_ID) == name]
        assert {parent(span) for span in below} == {ids(spans.one(name))[1]}
