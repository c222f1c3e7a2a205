"""The purchase that goes wrong does so each time, in any home, and its span leads to the step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from examples.debugging import fixed, scenario, shop
from examples.debugging.__main__ import main
from examples.debugging.spans import SpanFile, failed_step
from statehouse import Statehouse
from tests.langgraph.homes import HOMES, opened
from tests.tracing.collected import collecting


@pytest.fixture(params=HOMES)
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Statehouse]:
    with opened(request.param, tmp_path) as handle:
        yield handle


def test_the_purchase_acts_on_a_price_that_has_changed(sh: Statehouse) -> None:
    error = scenario.play(sh)
    assert str(error) == "25 kilos of beans are 125, and 100 may be spent"
    steps = {
        event.origin.step: event.commit_ts
        for run_id in (scenario.PURCHASE, scenario.NOON)
        for event in sh.find_events(run_id=run_id)
        if event.origin.step
    }
    assert sorted(steps, key=steps.__getitem__) == [
        "quote#1",
        "plan#1",
        "reprice#1",
        "~wait:approval#1",
        "order#1",
    ]
    assert sh.get_state("budget", agent_id=shop.BUYER).value == 100


def test_the_purchase_without_the_mistake_takes_what_it_may_pay(sh: Statehouse) -> None:
    scenario.open_shop(sh)
    with sh.run("r-1", agent_id=shop.BUYER, input={"item": scenario.ITEM}) as run:
        scenario.reprice(sh, scenario.NOON, 5)
        assert fixed.order(scenario.ITEM, 25) == {"kilos": 20, "bill": 100}
        assert run.steps()[0].path == "order#1"
    assert sh.get_state("budget", agent_id=shop.BUYER).value == 0


def test_nobody_waits_for_a_plan_of_a_purchase_that_has_failed(sh: Statehouse) -> None:
    # Nobody has said what beans cost.
    with pytest.raises(KeyError, match="price/beans"):
        scenario.buy(sh)
    scenario.wait_until_planned(sh)


def test_the_span_that_failed_leads_to_the_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spans = tmp_path / "spans.jsonl"
    collecting(monkeypatch).provider.add_span_processor(SimpleSpanProcessor(SpanFile(spans)))
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        failed = failed_step(spans)
        [event] = sh.find_events(span_id=failed.span_id)
    assert (event.origin.run_id, event.origin.step) == (scenario.PURCHASE, "order#1")
    shown = [" ".join(line.split()) for line in failed.lines()]
    assert shown[0] == "step order ERROR"
    assert f"span_id {failed.span_id}" in shown
    assert "error.type OverBudgetError" in shown
    assert f"statehouse.commit.ts {event.commit_ts}" in shown


def test_it_runs_at_a_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "--store", f"file:{tmp_path / 'store'}"]) == 1
    assert capsys.readouterr().out.endswith(
        "failed: OverBudgetError: 25 kilos of beans are 125, and 100 may be spent\n"
    )
