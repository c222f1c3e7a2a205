"""`debug.find`: whatever a reference is, it leads to the step."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from statehouse import (
    NotFoundError,
    Origin,
    Statehouse,
    StoreChangedError,
    debug,
    step,
    use_origin,
)
from statehouse.engine import open_engine
from statehouse.extend import Engine, Request
from statehouse.storage.memory import MemoryStore
from tests.debug.purchases import SPAN, TRACE, buy, plan, search

INNER = "1111111111111111"


def paths(found: debug.Finding | None) -> list[str]:
    assert found is not None
    return [each.path for each in found.steps]


@pytest.mark.parametrize(
    "reference, kind",
    [
        ("5", "commit"),
        ("@5", "commit"),
        ("r-42#quote#1", "step"),
        ("r-42#quote", "step"),
    ],
)
def test_a_reference_leads_to_its_step(sh: Statehouse, reference: str, kind: str) -> None:
    buy(sh)
    found = debug.find(sh, reference)
    assert found is not None
    assert (found.kind, paths(found)) == (kind, ["quote#1"])
    [record] = found.runs
    [recorded] = found.steps
    assert (record.run_id, record.agent_id) == ("r-42", "buyer")
    assert (recorded.read_ts, recorded.commit_ts) == (4, 5)
    assert [event.commit_ts for event in found.events] == [5]


@pytest.mark.parametrize(
    "reference", [TRACE, SPAN, f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{INNER}-01", "r-42"]
)
def test_a_trace_and_a_run_lead_to_all_their_steps(sh: Statehouse, reference: str) -> None:
    buy(sh)
    found = debug.find(sh, reference)
    assert paths(found) == ["quote#1", "order#1"]
    assert found is not None
    assert [(each.run_id, each.status) for each in found.runs] == [("r-42", "finished")]


def test_the_transaction_of_a_step_leads_to_it(sh: Statehouse) -> None:
    buy(sh)
    [event] = sh.find_events(commit_ts=5)
    assert paths(debug.find(sh, event.txn_id)) == ["quote#1"]


def test_a_commit_in_a_span_inside_a_step_leads_to_the_step(sh: Statehouse) -> None:
    @step
    def call_model() -> int:
        with use_origin(Origin(TRACE, INNER)):
            return sh.write("tokens", 7, agent_id="meter")

    with sh.run("r-1", agent_id="a", namespace="team"):
        commit_ts = call_model()
    assert paths(debug.find(sh, INNER)) == paths(debug.find(sh, str(commit_ts))) == ["call_model#1"]


def test_a_step_that_has_no_record_is_named_all_the_same(sh: Statehouse) -> None:
    seen = []

    @step
    def look() -> None:
        commit_ts = sh.write("k", 1, agent_id="other")
        seen.append(debug.find(sh, str(commit_ts)))

    with sh.run("r-1", agent_id="a"):
        look()
    [found] = seen
    assert found is not None
    assert (found.steps, found.unrecorded) == ((), (("r-1", "look#1"),))


def test_a_span_that_reads_like_a_number_is_found(sh: Statehouse) -> None:
    origin = Origin(trace_id=TRACE, span_id="9185862197250018")
    commit_ts = sh.write("price", 1, agent_id="shop", origin=origin)
    found = debug.find(sh, "9185862197250018")
    assert found is not None
    assert (found.kind, [event.commit_ts for event in found.events]) == ("span", [commit_ts])


def test_a_commit_of_no_step_leads_to_its_events_alone(sh: Statehouse) -> None:
    sh.write("k", 1, agent_id="a", origin=Origin(run_id="not-ours", step="x"))
    found = debug.find(sh, "1")
    assert found is not None
    assert (found.runs, found.steps, found.unrecorded, len(found.events)) == ((), (), (), 1)


def test_a_span_around_a_step_leads_to_the_step_by_its_trace(sh: Statehouse) -> None:
    tracer = TracerProvider().get_tracer("test")
    with sh.run("r-1", agent_id="a"):
        search("milk")
        with tracer.start_as_current_span("model") as span:
            search("tea")
    ids = span.get_span_context()
    found = debug.find(sh, f"00-{ids.trace_id:032x}-{ids.span_id:016x}-01")
    assert paths(found) == ["search#2"]


def test_a_state_reference_leads_to_a_step_that_changed_no_state(sh: Statehouse) -> None:
    buy(sh)
    status = sh.status()
    assert paths(debug.find(sh, f"sh://{status.store_id}/{status.epoch}/default@5")) == ["quote#1"]
    assert debug.find(sh, f"sh://{status.store_id}/{status.epoch}/elsewhere@5") is None
    with pytest.raises(StoreChangedError):
        debug.find(sh, f"sh://{'0' * 32}/1/default@5")


def test_a_step_that_ran_again_is_found_as_each_commit_recorded_it(sh: Statehouse) -> None:
    for word in ("tea", "milk"):
        with sh.run("r-1", agent_id="a", on_mismatch="rerun"):
            search(word)
    outputs = []
    for version in (1, 2):
        record = sh.get_state_at_version("step/search#1", version, agent_id="r-1", namespace="default.runs")
        found = debug.find(sh, str(record.commit_ts))
        assert found is not None
        outputs += [each.output for each in found.steps]
    assert outputs == [{"json": "TEA"}, {"json": "MILK"}]


def test_a_run_of_another_namespace_is_found(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a", namespace="team"):
        search("tea")
    found = debug.find(sh, "r-1#search")
    assert found is not None
    assert found.runs[0].namespace == "team"
    with pytest.raises(NotFoundError, match="there is one in team"):
        debug.show(sh, "r-1")


def test_a_step_that_is_not_there_is_answered_with_those_that_are_the_closest_first(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a"):
        plan(["tea", "milk"])
    with pytest.raises(NotFoundError, match=r"there are: plan#1/search#1, plan#1/search#2, plan#1$"):
        debug.find(sh, "r-1#serch#1")
    with pytest.raises(NotFoundError, match=r"search could be several .* plan#1/search#1, plan#1/search#2$"):
        debug.find(sh, "r-1#search")


@pytest.mark.parametrize("reference", ["nothing", "99", "f" * 16, "nothing#here", "x" * 600])
def test_what_is_nothing_here_leads_nowhere(sh: Statehouse, reference: str) -> None:
    buy(sh)
    assert debug.find(sh, reference) is None


def test_more_events_than_a_page_are_iterated_over() -> None:
    with Statehouse("memory:") as sh:
        with use_origin(Origin(run_id="many")):
            for number in range(1005):
                sh.write("k", number, agent_id="a")
        found = debug.find(sh, "many")
        assert found is not None
        assert len(found.events) < 1005
        assert [event.commit_ts for event in debug.events_of(sh, found)] == list(range(1, 1006))


class Asked:
    """An engine that notes what it is asked."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.requests: list[str] = []

    def execute(self, request: Request[Any]) -> Any:
        self.requests.append(type(request).__name__)
        return self.engine.execute(request)

    def submit(self, request: Request[Any]) -> Future[Any]:
        self.requests.append(type(request).__name__)
        return self.engine.submit(request)

    def close(self) -> None:
        self.engine.close()


@pytest.mark.parametrize("reference", [SPAN, TRACE, "r-42", "r-42#order", f"00-{TRACE}-{SPAN}-01"])
def test_finding_asks_the_same_among_few_commits_and_many(reference: str) -> None:
    asked = []
    for others in (1, 300):
        engine = Asked(open_engine(MemoryStore(), durability="none"))
        with Statehouse.from_engine(engine) as sh:
            for number in range(others):
                sh.write("k", number, agent_id="other")
            buy(sh)
            engine.requests.clear()
            assert len(paths(debug.find(sh, reference))) in (1, 2)
        asked.append(engine.requests)
        engine.close()
    assert asked[0] == asked[1]
    assert set(asked[0]) <= {"FindEvents", "Get", "GetMany", "Replay", "Scan"}
    assert len(asked[0]) <= 8
