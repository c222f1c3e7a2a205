"""The demo's last part goes from the span that failed to what differs, by commands that a person types."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

if os.name == "nt":
    pytest.skip("Windows has no terminals of this kind", allow_module_level=True)

from examples.debugging import demo
from examples.debugging.terminal import type_in
from examples.research_agent.stage import Stage


@pytest.mark.slow
def test_a_span_leads_to_the_stale_value_to_who_changed_it_and_to_a_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.tell(Stage(tmp_path))
    parts = re.split(r"^\d\d\. .*$", capsys.readouterr().out, flags=re.MULTILINE)
    _, bought, found, read, blamed, debugged, forked, differs = parts
    assert "the purchase failed: OverBudgetError: 25 kilos of beans are 125, and 100 may be spent" in bought

    [span_id] = re.findall(r"^ +span_id +([0-9a-f]{16})$", found, re.MULTILINE)
    assert f"$ statehousectl find {span_id}\n" in found
    assert "step order#1 of run purchase-7  failed  by buyer" in found

    stale = read.partition("STALE")[2]
    assert re.search(r"quote#1 read +version 1  4  @3 prices-morning#reprice#1", stale)
    assert re.search(r"it had become +version 2  5  @9 prices-noon#reprice#1", stale)

    [trace_id] = re.findall(r"trace ([0-9a-f]{32})", blamed)
    assert trace_id in stale
    assert "@9 reprice#1 of run prices-noon by pricer" in blamed

    assert "(step) p bill\n    125\n" in debugged
    assert "reproduced  order#1 of run purchase-7  on the state as of commit_ts 12" in debugged

    assert "taken  quote#1, plan#1, ~wait:approval#1" in forked
    assert 'result {"kilos":20,"bill":100}' in forked

    assert "first divergence: order#1" in differs
    assert "-> one step differs." in differs


def test_what_is_typed_at_a_prompt_is_answered(tmp_path: Path) -> None:
    done = type_in(
        [sys.executable, "-c", "x = 41\nbreakpoint()\nprint(x + 1)"],
        directory=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        answers=("p x", "continue"),
        seconds=60,
    )
    assert done.code == 0
    assert "(Pdb) p x\n41\n" in done.text
    assert done.text.endswith("42\n")


def test_a_command_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="did not come to its end"):
        type_in(
            [sys.executable, "-c", "input()"], directory=tmp_path, env=os.environ, answers=(), seconds=0.1
        )
