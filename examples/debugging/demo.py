"""The last part of the demo: from the span that failed to the state it saw, to the mend, and to what differs.

make demo
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen
from typing import Final

from examples.debugging import scenario, shop
from examples.debugging.spans import failed_step, read_spans
from examples.debugging.terminal import type_in
from examples.research_agent.stage import (
    PATIENCE_SECONDS,
    ROOT,
    Stage,
    heading,
    require,
    started,
    without_settings,
)
from examples.research_agent.together import daemon, stop
from statehouse import Statehouse

PURCHASE: Final = scenario.PURCHASE
FORK: Final = "purchase-7-fixed"
_DIFFERING: Final = re.compile(r"^[~+-] (\S+#\d+)", re.MULTILINE)
_STALE: Final = f"pricer/price/{scenario.ITEM}"


def tell(stage: Stage) -> None:
    """Tells it.

    Raises:
        StoryError: It did not happen as it is told.
    """
    heading("15. Two agents share state, and one of them acts on what was read too early")
    spans = stage.directory / "spans.jsonl"
    with daemon(stage, stage.directory / "shop") as (served, url):
        _buy_too_late(url, spans)
        _find(url, spans)
        _look(url, spans)
        _mend(url)
        stop(served)


def _buy_too_late(url: str, spans: Path) -> None:
    """Plays the scenario, each agent in a process of its own."""
    _do(url, "open", "--spans", str(spans))
    with _begin(url, "buy", "--spans", str(spans)) as buyer, Statehouse(url) as sh:
        scenario.wait_until_planned(sh)
        print("    -> the buyer was told 4 and has planned; it waits until somebody approves. Meanwhile:")
        _do(url, "reprice", "5", "--spans", str(spans))
        _do(url, "approve")
        said, _ = buyer.communicate(timeout=PATIENCE_SECONDS)
        code = buyer.returncode
        print(f"    {said}", end="")
    require(code == 1, f"the purchase ended with exit code {code}, and should have failed")


def _find(url: str, spans: Path) -> None:
    heading("16. What a tracing backend shows of it, and where that leads")
    failed = failed_step(spans)
    print("\n".join(f"    {line}" for line in failed.lines()), end="\n\n")
    found = _type(url, "find", failed.span_id)
    require(f"order#1 of run {PURCHASE}" in found, "the span does not lead to its step")
    print()
    _type(url, "run", "show", PURCHASE)


def _look(url: str, spans: Path) -> None:
    heading("17. What that step had to go on: something that another step had read, and that was stale")
    found = _type(url, "run", "reads", PURCHASE, "order#1")
    stale = found.partition("STALE")[2]
    require(_STALE in stale, "it does not say what was stale")
    heading("18. Who changed it")
    found = _type(url, "blame", "pricer", f"price/{scenario.ITEM}")
    [changed] = [
        span
        for span in read_spans(spans)
        if span.name == "step reprice" and span.attributes["statehouse.run.id"] == scenario.NOON
    ]
    said = [f"@{changed.attributes['statehouse.commit.ts']} ", "reprice#1", changed.trace_id]
    require(all(each in found for each in said), "it does not name the commit, the step and the trace")


def _mend(url: str) -> None:
    step = ("--step", "order#1")
    heading("19. The step again, in a debugger: with its arguments, on the state that it saw")
    code = "examples.debugging.shop:main"
    found = _type(url, "run", "debug", PURCHASE, code, *step, "--pdb", answers=("a", "n", "n", "p bill", "c"))
    require("(step) p bill\n125\n" in found, "the debugger does not show the bill")
    require("reproduced  order#1" in found, "the step did not do again what it did")
    heading("20. From there again, with the mend: order decides by the price that it reads itself")
    code = "examples.debugging.fixed:main"
    _type(url, "run", "fork", PURCHASE, *step, "--effects", "recorded", "--exec", code, "--as", FORK)
    heading("21. What differs")
    found = _type(url, "run", "diff", PURCHASE, FORK, exits=(1,))
    differing = _DIFFERING.findall(found.partition("first divergence")[0])
    require(differing == ["order#1"], f"it is not order#1 alone that differs: {differing}")
    with Statehouse(url) as sh:
        left = sh.get_state("budget", agent_id=shop.BUYER).value
    require(left == 100, f"the fork has spent {100 - left} of the real budget")
    print(
        f"\n    -> one step differs. The fork is beside the real state: there, the buyer still has its {left}"
    )


def _do(url: str, *arguments: str) -> None:
    with _begin(url, *arguments) as process:
        require(process.wait(PATIENCE_SECONDS) == 0, f"{arguments[0]} exited with {process.returncode}")


def _begin(url: str, *arguments: str) -> AbstractContextManager[Popen[str]]:
    shown = " ".join(Path(each).name for each in arguments)
    print(f"    $ python -m examples.debugging {shown}", flush=True)
    command = [sys.executable, "-m", "examples.debugging", *arguments, "--store", url]
    return started(command, env=without_settings())


def _type(url: str, *arguments: str, exits: Sequence[int] = (0,), answers: Sequence[str] = ()) -> str:
    """Types a command of ``statehousectl``, shows what it prints, and gives that."""
    print(f"    $ statehousectl {' '.join(arguments)}", flush=True)
    env = {**without_settings(), "STATEHOUSE_URL": url}
    if not sys.stdout.isatty():
        env["NO_COLOR"] = "1"
    done = type_in(
        [sys.executable, "-m", "statehouse", *arguments],
        directory=ROOT,
        env=env,
        answers=answers,
        seconds=PATIENCE_SECONDS,
    )
    print("\n".join(f"    {line}".rstrip() for line in done.shown.splitlines()), flush=True)
    require(done.code in exits, f"statehousectl exited with {done.code}")
    return done.text
