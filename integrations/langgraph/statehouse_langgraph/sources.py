"""What an import wants to know of a saver that `BaseCheckpointSaver` does not tell.

Which checkpoints it has, without decoding all of them, and the paths of the tasks that wrote: a saver puts
writes in the order of these, but does not give them. Savers of LangGraph are asked in their own words; of any
other saver the checkpoints are listed, and the paths are not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

Saver = BaseCheckpointSaver[Any]

_IDS: Final = "SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints"


@dataclass(frozen=True, slots=True, order=True)
class CheckpointName:
    """A checkpoint: they sort as they were made."""

    id: str
    ns: str
    thread_id: str

    @classmethod
    def of(cls, found: CheckpointTuple) -> CheckpointName:
        """Gives the name of a checkpoint that was listed."""
        where = found.config["configurable"]
        return cls(where["checkpoint_id"], where.get("checkpoint_ns", ""), str(where["thread_id"]))

    @property
    def config(self) -> RunnableConfig:
        """The config that names it."""
        return config_of(self.thread_id, self.ns, self.id)


def config_of(thread_id: str, ns: str, checkpoint_id: str | None) -> RunnableConfig:
    """Gives the config of a checkpoint, or of where the first one is to be."""
    where = {"thread_id": thread_id, "checkpoint_ns": ns}
    return {"configurable": where if checkpoint_id is None else {**where, "checkpoint_id": checkpoint_id}}


def names_in(source: Saver) -> list[CheckpointName]:
    """Gives the names of all checkpoints of a saver.

    Raises:
        Exception: Whatever the saver raises.
    """
    if _dialect(source) is None:
        return [CheckpointName.of(found) for found in source.list(None)]
    return [CheckpointName(str(each[2]), str(each[1]), str(each[0])) for each in _rows(source, _IDS)]


async def anames_in(source: Saver) -> list[CheckpointName]:
    """Gives the names of all checkpoints of a saver; see `names_in`.

    Raises:
        Exception: Whatever the saver raises.
    """
    if _dialect(source) is None:
        return [CheckpointName.of(found) async for found in source.alist(None)]
    return [CheckpointName(str(each[2]), str(each[1]), str(each[0])) for each in await _arows(source, _IDS)]


def paths_in(source: Saver, name: CheckpointName) -> Mapping[str, str]:
    """Gives the paths of the tasks that wrote at a checkpoint, as far as they are known.

    Raises:
        Exception: Whatever the saver raises.
    """
    query = _paths_query(source)
    if query is None:
        return _remembered(source, name)
    return {str(each[0]): each[1] for each in _rows(source, query, (name.thread_id, name.ns, name.id))}


async def apaths_in(source: Saver, name: CheckpointName) -> Mapping[str, str]:
    """Gives the paths of the tasks that wrote at a checkpoint; see `paths_in`.

    Raises:
        Exception: Whatever the saver raises.
    """
    query = _paths_query(source)
    if query is None:
        return _remembered(source, name)
    found = await _arows(source, query, (name.thread_id, name.ns, name.id))
    return {str(each[0]): each[1] for each in found}


def _remembered(source: Saver, name: CheckpointName) -> Mapping[str, str]:
    """Of an InMemorySaver."""
    writes = getattr(source, "writes", None)
    if not isinstance(writes, dict):
        return {}
    rows = writes.get((name.thread_id, name.ns, name.id)) or {}
    return {str(row[0]): row[3] for row in rows.values() if len(row) > 3}


def _dialect(source: Saver) -> str | None:
    """Which database it is on, by the package it comes from: that need not be installed."""
    for kind in type(source).__mro__:
        package = ".".join(kind.__module__.split(".")[:3])
        if package in ("langgraph.checkpoint.sqlite", "langgraph.checkpoint.postgres"):
            return package.rpartition(".")[2]
    return None


def _paths_query(source: Saver) -> str | None:
    match _dialect(source):
        case "sqlite" if getattr(source, "_has_task_path", True):
            table, place = "writes", "?"
        case "postgres":
            table, place = "checkpoint_writes", "%s"
        case _:
            return None
    return (
        f"SELECT DISTINCT task_id, task_path FROM {table} WHERE thread_id = {place} "  # noqa: S608 - ours
        f"AND checkpoint_ns = {place} AND checkpoint_id = {place}"
    )


def _rows(source: Any, query: str, given: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    with source.cursor(transaction=False) if hasattr(source, "cursor") else source._cursor() as cursor:  # noqa: SLF001
        cursor.execute(query, given)
        return [_values(row) for row in cursor.fetchall()]


async def _arows(source: Any, query: str, given: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    if hasattr(source, "_cursor"):
        async with source._cursor() as cursor:  # noqa: SLF001 - nothing public gives one
            await cursor.execute(query, given)
            return [_values(row) for row in await cursor.fetchall()]
    await source.setup()
    async with source.lock, source.conn.execute(query, given) as cursor:
        return [_values(row) for row in await cursor.fetchall()]


def _values(row: Any) -> tuple[Any, ...]:
    return tuple(row.values() if isinstance(row, Mapping) else row)
