"""Threads in a PostgreSQL become ours, in Python and at the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command

from benchmarks.postgres import postgres
from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from statehouse_langgraph.importing import Imported, aimport_threads, import_threads
from statehouse_langgraph.sources import config_of
from tests.langgraph.cli.running import ran
from tests.langgraph.threads import config, conversation, logging_graph, talk

pytestmark = [pytest.mark.slow, pytest.mark.needs("postgresql", "setpriv")]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A database with a conversation, a DeltaChannel, and tasks whose order is that of their paths."""
    with postgres() as url:
        with PostgresSaver.from_conn_string(url) as saver:
            saver.setup()
            talk(saver, "asked")
            logging_graph(saver).invoke({"log": ["begun"], "count": 0}, config("delta"))
            into = saver.put(config_of("paths", "", None), empty_checkpoint(), {}, {})
            saver.put_writes(into, [("a", 1)], "task-1", "~b")
            saver.put_writes(into, [("a", 2)], "task-2", "~a")
        yield url


def everything(saver: Any) -> list[Any]:
    return sorted(
        (
            (found.config["configurable"], found.checkpoint, found.metadata, found.pending_writes)
            for found in saver.list(None)
        ),
        key=lambda row: (row[0]["thread_id"], row[0]["checkpoint_ns"], row[0]["checkpoint_id"]),
    )


def test_every_checkpoint_is_the_same_afterwards(server: str) -> None:
    with PostgresSaver.from_conn_string(server) as source, Statehouse("memory:") as sh:
        done = import_threads(source, StatehouseSaver(sh))
        assert everything(StatehouseSaver(sh)) == everything(source)
        assert (done.threads, done.refused) == (3, {})
        assert import_threads(source, StatehouseSaver(sh)) == Imported(skipped=done.checkpoints)


def test_the_saver_that_awaits_is_imported(server: str) -> None:
    async def move(target: StatehouseSaver) -> Imported:
        async with AsyncPostgresSaver.from_conn_string(server) as source:
            return await aimport_threads(source, target)

    with Statehouse("memory:") as sh, PostgresSaver.from_conn_string(server) as source:
        asyncio.run(move(StatehouseSaver(sh)))
        assert everything(StatehouseSaver(sh)) == everything(source)


def test_the_command_imports_what_goes_on_then(server: str, tmp_path: Path) -> None:
    store = f"file:{tmp_path / 'store'}"
    done = ran("import", "--from", server, "--json", url=store)
    assert (done.code, json.loads(done.out)["threads"], done.err) == (0, 3, "")
    with Statehouse(store) as sh, PostgresSaver.from_conn_string(server) as source:
        assert everything(StatehouseSaver(sh)) == everything(source)
        state = conversation(StatehouseSaver(sh)).invoke(Command(resume="yes"), config("asked"))
        assert state["messages"][-1].content == "yes"


def test_what_is_wrong_with_a_database_is_said(server: str, tmp_path: Path) -> None:
    store = f"file:{tmp_path / 'store'}"
    empty = ran("import", "--from", server.replace("/postgres?", "/template1?"), url=store)
    assert (empty.code, "holds no checkpoints" in empty.err) == (5, True)
    gone = ran("import", "--from", "postgresql://nobody@127.0.0.1:1/none", url=store)
    assert (gone.code, "PostgreSQL: " in gone.err) == (5, True)
