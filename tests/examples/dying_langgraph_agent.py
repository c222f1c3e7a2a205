"""The tool-calling agent of LangGraph in a process that kills itself at a chosen moment.

    python -m tests.examples.dying_langgraph_agent STORE LEDGER ask|go-on WHEN NUMBER

WHEN is ``before`` or ``after`` (the NUMBER-th tool call of this process begins, or is done but not stored),
``told`` (the NUMBER-th message was told), or ``never``. The ledger gets a synced line for each call that is
done.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from examples.langgraph.tool_agent import run, write_ledger
from statehouse_langgraph import StatehouseSaver

PATTERN = "tests/examples/test_[dkl]*.py"


def main() -> None:
    store, ledger, what, when, number = sys.argv[1:]
    counts = {"before": 0, "after": 0, "told": 0}
    lock = threading.Lock()

    def passed(moment: str) -> None:
        with lock:
            counts[moment] += 1
            if (moment, counts[moment]) == (when, int(number)):
                os.kill(os.getpid(), signal.SIGKILL)

    def after(done: str) -> None:
        write_ledger(Path(ledger), done)
        passed("after")

    with StatehouseSaver.from_conn_string(store) as saver:
        messages = run(
            saver,
            "lines",
            PATTERN if what == "ask" else None,
            before=lambda _: passed("before"),
            after=after,
        )
        for message in messages:
            sys.stdout.write(message.text + "\n")
            passed("told")


if __name__ == "__main__":
    main()
