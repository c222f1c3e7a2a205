"""Threads of other savers are the same here, however often the import is stopped and repeated."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from statehouse_langgraph.importing import Imported, Progress, aimport_threads, import_threads
from statehouse_langgraph.sources import config_of
from statehouse_langgraph.verbatim import VerbatimSerializer
from tests.langgraph.threads import config, conversation, logging_graph, talk

Saver = BaseCheckpointSaver[Any]


@pytest.fixture(params=["memory", "sqlite"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Saver]:
    """A saver with a thread that is asked something, one with forks, and one with a DeltaChannel."""
    if request.param == "memory":
        saver: Saver = InMemorySaver()
        fill(saver)
        yield saver
        return
    with closing(sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)) as connection:
        saver = SqliteSaver(connection)
        fill(saver)
        yield saver


def fill(saver: Saver) -> None:
    talk(saver, "asked")
    talk(saver, "forked")
    graph = conversation(saver)
    history = list(graph.get_state_history(config("forked")))
    graph.update_state(history[-2].config, {"steps": 10})
    graph.invoke(Command(resume="yes"), history[0].config)
    logging_graph(saver).invoke({"log": ["begun"], "count": 0}, config("delta"))


@pytest.fixture
def target() -> Iterator[StatehouseSaver]:
    with StatehouseSaver.from_conn_string("memory:") as saver:
        yield saver


def contents(saver: Saver) -> dict[tuple[str, str, str], CheckpointTuple]:
    """All checkpoints by name, writes in the order of the saver."""
    return {
        tuple(found.config["configurable"][key] for key in ("thread_id", "checkpoint_ns", "checkpoint_id")): (  # type: ignore[misc]
            found.checkpoint,
            found.metadata,
            None if found.parent_config is None else found.parent_config["configurable"]["checkpoint_id"],
            found.pending_writes,
        )
        for found in saver.list(None)
    }


def test_every_checkpoint_is_the_same_afterwards(source: Saver, target: StatehouseSaver) -> None:
    done = import_threads(source, target)
    assert contents(target) == contents(source)
    assert (done.threads, done.checkpoints, done.skipped, done.refused) == (3, len(contents(source)), 0, {})


def test_a_thread_goes_on_where_it_was(source: Saver, target: StatehouseSaver) -> None:
    import_threads(source, target)
    there = conversation(source).invoke(Command(resume="yes"), config("asked"))
    assert conversation(target).invoke(Command(resume="yes"), config("asked")) == there
    state = logging_graph(target).get_state(config("delta")).values
    assert state["log"] == ["begun", "line 0", "line 1", "line 2"]


def test_an_import_that_is_repeated_does_nothing(source: Saver, target: StatehouseSaver) -> None:
    first = import_threads(source, target)
    before = target.client.status().commit_ts  # type: ignore[union-attr]
    assert import_threads(source, target) == Imported(skipped=first.checkpoints)
    assert target.client.status().commit_ts == before  # type: ignore[union-attr]


class Killed(BaseException):
    """Stands for the end of a process."""


class Mortal(StatehouseSaver):
    """A saver whose process ends before its n-th write, or after it."""

    left: int = 0

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self._count()
        return super().put(*args, **kwargs)

    def put_writes(self, *args: Any, **kwargs: Any) -> None:
        self._count()
        super().put_writes(*args, **kwargs)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


def test_an_import_that_was_killed_at_any_write_goes_on(source: Saver) -> None:
    expected = contents(source)
    with Statehouse("memory:") as sh:
        done = import_threads(source, StatehouseSaver(sh))
    for survived in range(0, done.checkpoints + done.tasks, 3):
        with Statehouse("memory:") as sh:
            mortal = Mortal(sh)
            mortal.left = survived
            with pytest.raises(Killed):
                import_threads(source, mortal)
            again = import_threads(source, StatehouseSaver(sh))
            assert contents(StatehouseSaver(sh)) == expected
            assert again.skipped + again.checkpoints in (done.checkpoints, done.checkpoints - 1)


def test_it_tells_how_far_it_is(source: Saver, target: StatehouseSaver) -> None:
    told: list[Progress] = []
    done = import_threads(source, target, on_progress=told.append)
    assert [each.done for each in told] == list(range(1, done.checkpoints + 1))
    assert {each.total for each in told} == {done.checkpoints}


def test_threads_can_be_chosen(source: Saver, target: StatehouseSaver) -> None:
    import_threads(source, target, thread_ids={"delta"})
    assert [info.thread_id for info in target.list_threads()] == ["delta"]


def test_task_paths_are_kept(target: StatehouseSaver) -> None:
    source = InMemorySaver()
    into = source.put(config_of("t", "", None), empty_checkpoint(), {}, {})
    # Their order is that of the paths, not of the ids.
    source.put_writes(into, [("a", 1)], "task-1", "~b")
    source.put_writes(into, [("a", 2)], "task-2", "~a")
    import_threads(source, target)
    found = target.get_tuple(into)
    assert found is not None
    assert found.pending_writes == [("task-2", "a", 2), ("task-1", "a", 1)]


class Counting(InMemorySaver):
    """A saver of the old days, whose versions are numbers."""

    def get_next_version(self, current: Any, channel: None = None) -> Any:
        return (current or 0) + 1


def test_versions_that_are_numbers_do_not_mix_up_branches(target: StatehouseSaver) -> None:
    source = Counting()
    graph = conversation(source)
    talk(source, "t")
    history = list(graph.get_state_history(config("t")))
    for steps in (10, 20):
        graph.update_state(history[-2].config, {"steps": steps})
    # With numbers two branches share a version, and here the second one has overwritten the first.
    import_threads(source, target)
    states = {
        each.config["configurable"]["checkpoint_id"]: each.values
        for each in graph.get_state_history(config("t"))
    }
    ours = conversation(target)
    found = {
        each.config["configurable"]["checkpoint_id"]: each.values
        for each in ours.get_state_history(config("t"))
    }
    assert found == states
    assert len({state.get("steps") for state in found.values()}) > 2
    assert ours.invoke(Command(resume="yes"), history[0].config)["messages"][-1].content == "yes"


def test_a_thread_that_was_deleted_here_comes_back_with_another_import(
    source: Saver, target: StatehouseSaver
) -> None:
    import_threads(source, target)
    target.delete_thread("forked")
    done = import_threads(source, target)
    assert (done.threads, done.refused) == (1, {})
    assert contents(target) == contents(source)


def test_a_thread_that_another_worker_has_is_reported(source: Saver, target: StatehouseSaver) -> None:
    with StatehouseSaver(target.client).lease("forked", holder="somebody"):
        done = import_threads(source, target)
    assert list(done.refused) == ["forked"]
    assert "leased by somebody" in done.refused["forked"]
    assert {info.thread_id for info in target.list_threads()} == {"asked", "delta"}


def test_a_thread_that_cannot_be_read_is_reported(tmp_path: Path, target: StatehouseSaver) -> None:
    with closing(sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)) as connection:
        talk(SqliteSaver(connection), "bad")
        talk(SqliteSaver(connection), "good")
        connection.execute("UPDATE checkpoints SET type = 'pickle' WHERE thread_id = 'bad'")
        done = import_threads(SqliteSaver(connection, serde=VerbatimSerializer()), target)
    assert list(done.refused) == ["bad"]
    assert "'pickle', which is not moved as it is" in done.refused["bad"]
    assert [info.thread_id for info in target.list_threads()] == ["good"]


async def awaited(path: Path, target: StatehouseSaver) -> Imported:
    async with AsyncSqliteSaver.from_conn_string(str(path)) as source:
        return await aimport_threads(source, target)


def test_a_saver_that_awaits_is_imported(tmp_path: Path, target: StatehouseSaver) -> None:
    path = tmp_path / "checkpoints.db"
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        saver = SqliteSaver(connection)
        fill(saver)
        expected = contents(saver)
    done = asyncio.run(awaited(path, target))
    assert contents(target) == expected
    assert done.checkpoints == len(expected)


def test_values_are_moved_without_their_classes(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)) as connection:
        fill(SqliteSaver(connection))
        with Statehouse("memory:") as sh:
            verbatim = SqliteSaver(connection, serde=VerbatimSerializer())
            import_threads(verbatim, StatehouseSaver(sh, serde=VerbatimSerializer()))
            assert contents(StatehouseSaver(sh)) == contents(SqliteSaver(connection))
            messages = conversation(StatehouseSaver(sh)).get_state(config("asked")).values["messages"]
            assert isinstance(messages[0], HumanMessage)
