"""Tasks of LangGraph's functional API on SQLite: an entrypoint of tasks that do nothing."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.func import entrypoint, task

Microseconds = Callable[[int], float]


@contextmanager
def langgraph(path: Path) -> Iterator[tuple[Microseconds, str]]:
    """An entrypoint with a `SqliteSaver` on a new directory; gives what runs so many tasks one after the
    other, durability ``sync``, and says how many microseconds each took, and how it syncs.

    Even so LangGraph gives a task's result while a thread of its own still writes it; what is measured ends
    when all is written.

    Raises:
        RuntimeError: It does not sync.
    """

    @task
    def nothing() -> None:
        """Does nothing."""

    path.mkdir(parents=True)
    threads = itertools.count()
    with SqliteSaver.from_conn_string(str(path / "checkpoints.sqlite")) as saver:
        saver.setup()
        facts = {
            name: saver.conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        }
        about = f"langgraph {version('langgraph')}, " + ", ".join(
            f"{name} {value}" for name, value in facts.items()
        )
        if facts["synchronous"] != 2:
            raise RuntimeError(f"SQLite does not sync each commit: {about}")

        @entrypoint(checkpointer=saver)
        def work(count: int) -> None:
            for _ in range(count):
                nothing().result()

        def microseconds(count: int) -> float:
            began = time.perf_counter()
            work.invoke(count, {"configurable": {"thread_id": f"thread-{next(threads)}"}}, durability="sync")
            return (time.perf_counter() - began) / count * 1e6

        yield microseconds, about
