"""One trace from a coroutine to the daemon, over the connection of its loop's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.trace import SpanKind

from statehouse import StatehouseAsync
from statehouse.engine import open_engine
from statehouse.rpc.serving.spans import answering
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from statehouse.tracing import attributes as names
from tests.rpc.lanes import eager, warmed
from tests.tracing.collected import Collected, commit_ts, fact, ids, parent

COMMIT = "statehouse.v1.StatehouseService/CommitTransaction"
GET = "statehouse.v1.StatehouseService/GetState"


@pytest.fixture
def address(spans: Collected, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A daemon that makes spans, in this process; whoever asks it has a lane."""
    eager(monkeypatch)
    engine = open_engine(MemoryStore(), durability="none")
    with serving(answering(engine, spans.provider)) as bound:
        yield bound
    engine.close()


def test_the_daemons_span_of_a_commit_is_below_the_clients(address: str, spans: Collected) -> None:
    async def main() -> None:
        async with StatehouseAsync(address) as sh:
            lane = await warmed(sh)
            with spans.tracer.start_as_current_span("work"):
                await sh.write("k", 1, agent_id="a")
            assert lane.is_open

    asyncio.run(main())
    work, client = spans.settled().one("work"), spans.one("commit")
    [server] = [span for span in spans.of(SpanKind.SERVER) if span.name == COMMIT]
    assert (parent(client), parent(server)) == (ids(work)[1], ids(client)[1])
    assert {ids(span)[0] for span in (work, client, server)} == {ids(work)[0]}
    assert commit_ts(client) == commit_ts(server) == 1
    host, _, port = address.rpartition(":")
    assert (fact(client, names.SERVER_ADDRESS), fact(client, names.SERVER_PORT)) == (host, int(port))


def test_a_read_is_below_its_span(address: str, spans: Collected) -> None:
    async def main() -> None:
        async with StatehouseAsync(address) as sh:
            await warmed(sh)
            with spans.tracer.start_as_current_span("work"):
                await sh.get_state("k", agent_id="a", default=None)

    asyncio.run(main())
    [server] = [span for span in spans.settled().of(SpanKind.SERVER) if span.name == GET]
    assert parent(server) == ids(spans.one("get"))[1]
    assert parent(spans.one("get")) == ids(spans.one("work"))[1]


def test_commits_of_many_tasks_over_one_lane_are_not_mixed_up(address: str, spans: Collected) -> None:
    async def work(sh: StatehouseAsync, number: int) -> None:
        with spans.tracer.start_as_current_span(f"work {number}"):
            await asyncio.gather(*[sh.write(f"k{n}", n, agent_id=f"a{number}") for n in range(4)])

    async def main() -> None:
        async with StatehouseAsync(address) as sh:
            lane = await warmed(sh)
            await asyncio.gather(*[work(sh, number) for number in range(8)])
            assert lane.is_open

    asyncio.run(main())
    servers = [span for span in spans.settled().of(SpanKind.SERVER) if span.name == COMMIT]
    assert len(servers) == 32
    traces = {f"a{number}": ids(spans.one(f"work {number}"))[0] for number in range(8)}
    assert {(fact(span, names.AGENT_ID), ids(span)[0]) for span in servers} == set(traces.items())


def test_the_span_of_a_commit_that_was_cancelled_ends(address: str, spans: Collected) -> None:
    async def main() -> None:
        async with StatehouseAsync(address) as sh:
            lane = await warmed(sh)
            await sh.write("k", 0, agent_id="a")
            committing = asyncio.create_task(sh.write("k", 1, agent_id="a"))
            while not lane.unanswered:  # noqa: ASYNC110 - to be cancelled in the same pass of the loop
                await asyncio.sleep(0)
            committing.cancel()
            await asyncio.wait([committing])
            assert committing.cancelled()
            # Whatever became of it.
            await sh.write("l", 1, agent_id="a")

    asyncio.run(main())
    assert len(spans.settled().named("commit")) == 3
