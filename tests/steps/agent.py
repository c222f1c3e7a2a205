"""A process that takes part in a run until it is finished or killed, and writes down what it saw.

``python -m tests.steps.agent URL RUN LEDGER`` appends ``body <path>`` when a body runs and ``done <path>
<result>`` when a step has given its result. For each body it prints a byte: what is recorded is no news.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from pathlib import Path
from typing import Final

from statehouse import Statehouse, current_step, step

STEPS: Final = 24
_ledger: int = -1


def tell(line: str) -> None:
    """Writes a line that is out before the next thing happens."""
    os.write(_ledger, f"{line}\n".encode())
    if line.startswith("body"):
        os.write(1, b".")


@step
def add(number: int) -> int:
    """Reads a list, and writes it with one more: twice would show, and so would never."""
    tell(f"body {current_step().path}")
    state = current_step().state
    state["log"] = [*state.get("log", []), number]
    return len(state["log"])


@step
def leaf(number: int) -> int:
    """Counts how often it was applied."""
    tell(f"body {current_step().path}")
    state = current_step().state
    state[f"leaf/{number}"] = state.get(f"leaf/{number}", 0) + 1
    return int(state[f"leaf/{number}"])


@step
def outer(number: int) -> int:
    """Two children, and state of its own."""
    tell(f"body {current_step().path}")
    current_step().state[f"outer/{number}"] = number
    return leaf(2 * number) + leaf(2 * number + 1)


@step(retries=2, backoff=0)
def flaky(number: int) -> int:
    """Fails at first."""
    tell(f"body {current_step().path}")
    if current_step().attempt == 1:
        raise OSError("busy")
    current_step().state[f"flaky/{number}"] = number
    return number


@step(effect="at_most_once", if_unknown="retry")
def pay(number: int) -> int:
    """Begins with an intent."""
    tell(f"body {current_step().path}")
    state = current_step().state
    state["paid"] = state.get("paid", 0) + number
    return int(state["paid"])


@step
def talk(conversation: list[str]) -> str:
    """Gets more each time."""
    tell(f"body {current_step().path}")
    return f"{len(conversation)} {'x' * 2000}"


def program() -> None:
    """What the run does."""
    conversation: list[str] = []
    for number in range(STEPS):
        match number % 5:
            case 0:
                tell(f"done add#{number // 5 + 1} {add(number)}")
            case 1:
                tell(f"done outer#{number // 5 + 1} {outer(number)}")
            case 2:
                tell(f"done flaky#{number // 5 + 1} {flaky(number)}")
            case 3:
                tell(f"done pay#{number // 5 + 1} {pay(number)}")
            case _:
                conversation.append(talk(conversation))
                tell(f"done talk#{number // 5 + 1} {conversation[-1][:3]}")


def main(url: str, run_id: str, ledger: str) -> None:
    """Takes part in the run."""
    global _ledger  # noqa: PLW0603 - one process, one ledger
    # One that hangs says where, and fails the test.
    faulthandler.dump_traceback_later(60, exit=True)
    _ledger = os.open(Path(ledger), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with Statehouse(url) as sh, sh.run(run_id, agent_id=f"agent of {run_id}"):
        program()
    os.write(1, b"!")


if __name__ == "__main__":
    main(*sys.argv[1:])
