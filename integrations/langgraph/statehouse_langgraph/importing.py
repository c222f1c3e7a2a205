"""Moving threads in from any other saver of LangGraph.

>>> from langgraph.checkpoint.memory import InMemorySaver
>>> from statehouse_langgraph import StatehouseSaver
>>> from statehouse_langgraph.importing import import_threads
>>> with StatehouseSaver.from_conn_string("memory:") as saver:
...     import_threads(InMemorySaver(), saver)
Imported(threads=0, checkpoints=0, tasks=0, skipped=0, refused={})

Threads are taken one after the other, the one that was used longest ago first, and of each its checkpoints
in the order in which they were made.

* M1. What is there already is left as it is, and what is missing of it is added: an import that was killed
  goes on where it was when it is started again, and one that is repeated does nothing.
* M2. A thread that cannot be taken does not stop the others; it is reported. What keeps everything from
  being written (the store is gone, the disk is full) does.
* M3. Versions of channels that are numbers, as old savers make them, become texts that no other branch has.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP, Checkpoint, CheckpointTuple

from statehouse import InvalidArgumentError, LimitExceededError
from statehouse_langgraph.errors import ConcurrentWriteError, ContentError, LeaseHeldError, ThreadChangedError
from statehouse_langgraph.saver.saver import StatehouseSaver
from statehouse_langgraph.sources import (
    CheckpointName,
    Saver,
    anames_in,
    apaths_in,
    config_of,
    names_in,
    paths_in,
)

_REMEMBERED: Final = 1_000
# Of the thread, not of the store (M2).
_REFUSALS: Final = (
    ThreadChangedError,
    ConcurrentWriteError,
    ContentError,
    LeaseHeldError,
    InvalidArgumentError,
    LimitExceededError,
)
# What serializers and savers raise on data they cannot read.
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ImportError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is.

    Attributes:
        done: How many checkpoints are done, the skipped ones included.
        total: How many there are.
        thread_id: The thread that it is at.
    """

    done: int
    total: int
    thread_id: str


@dataclass(slots=True)
class Imported:
    """What an import did.

    Attributes:
        threads: How many threads got something.
        checkpoints: How many checkpoints were stored.
        tasks: How many tasks' writes were stored.
        skipped: How many checkpoints were there already.
        refused: The threads that could not be taken whole, and why.
    """

    threads: int = 0
    checkpoints: int = 0
    tasks: int = 0
    skipped: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a saver, blocking or awaiting."""

    saver: Saver
    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _AskPaths:
    """Asks for the paths of tasks."""

    source: Saver
    name: CheckpointName


_Flow = Generator[_Call | _AskPaths, Any, Any]
OnProgress = Callable[[Progress], object]


def import_threads(
    source: Saver,
    target: StatehouseSaver,
    *,
    thread_ids: Collection[str] | None = None,
    on_progress: OnProgress | None = None,
) -> Imported:
    """Copies threads from any saver; may be killed and started again, and repeated.

    Nobody should be writing to these threads meanwhile, neither there nor here.

    Args:
        source: The saver to read: SQLite's, PostgreSQL's, or any other.
        target: Where to.
        thread_ids: Only these threads; None for all.
        on_progress: Is called after each checkpoint.

    Returns:
        What was done, what was there already, and which threads could not be taken.

    Raises:
        StatehouseError: The store cannot be written to.
        Exception: Whatever the source raises when it cannot be read at all.
    """
    flow = _import(names_in(source), source, target, thread_ids, on_progress)
    reply: Any = None
    error: Exception | None = None
    while True:
        try:
            call = flow.send(reply) if error is None else flow.throw(error)
        except StopIteration as stop:
            found: Imported = stop.value
            return found
        reply = error = None
        try:
            if isinstance(call, _AskPaths):
                reply = paths_in(call.source, call.name)
            else:
                reply = getattr(call.saver, call.method)(*call.arguments)
        except Exception as raised:  # noqa: BLE001 - the flow decides what to do about it
            error = raised


async def aimport_threads(
    source: Saver,
    target: StatehouseSaver,
    *,
    thread_ids: Collection[str] | None = None,
    on_progress: OnProgress | None = None,
) -> Imported:
    """Copies threads from any saver that awaits; see `import_threads`.

    Raises:
        StatehouseError: As `import_threads` does.
        Exception: As `import_threads` does.
    """
    flow = _import(await anames_in(source), source, target, thread_ids, on_progress)
    reply: Any = None
    error: Exception | None = None
    while True:
        try:
            call = flow.send(reply) if error is None else flow.throw(error)
        except StopIteration as stop:
            found: Imported = stop.value
            return found
        reply = error = None
        try:
            if isinstance(call, _AskPaths):
                reply = await apaths_in(call.source, call.name)
            else:
                reply = await getattr(call.saver, f"a{call.method}")(*call.arguments)
        except Exception as raised:  # noqa: BLE001 - the flow decides what to do about it
            error = raised


def _import(
    names: Iterable[CheckpointName],
    source: Saver,
    target: StatehouseSaver,
    thread_ids: Collection[str] | None,
    on_progress: OnProgress | None,
) -> _Flow:
    threads: dict[str, list[CheckpointName]] = {}
    for name in names:
        if thread_ids is None or name.thread_id in thread_ids:
            threads.setdefault(name.thread_id, []).append(name)
    for of_thread in threads.values():
        of_thread.sort()
    total = sum(map(len, threads.values()))
    done = 0
    imported = Imported()
    for thread_id, of_thread in sorted(threads.items(), key=lambda each: (each[1][-1], each[0])):
        before = imported.checkpoints + imported.tasks
        thread = _Thread(source, target, imported)
        for name in of_thread:
            if thread_id not in imported.refused:
                try:
                    yield from thread.take(name)
                except (*_REFUSALS, *_UNREADABLE) as error:
                    # M2
                    imported.refused[thread_id] = (
                        f"checkpoint {name.id}: {str(error) or type(error).__name__}"
                    )
            done += 1
            if on_progress is not None:
                on_progress(Progress(done, total, thread_id))
        imported.threads += imported.checkpoints + imported.tasks > before
    return imported


@dataclass(slots=True)
class _Thread:
    """One thread on its way."""

    source: Saver
    target: StatehouseSaver
    imported: Imported
    _versions: OrderedDict[tuple[str, str], Mapping[str, Any]] = field(default_factory=OrderedDict)
    _texts: dict[tuple[str, str], Mapping[str, tuple[Any, str]]] = field(default_factory=dict)

    def take(self, name: CheckpointName) -> _Flow:
        """Takes one checkpoint and what tasks wrote at it (M1)."""
        found: CheckpointTuple | None = yield _Call(self.source, "get_tuple", (name.config,))
        if found is None:
            # Somebody deleted it meanwhile.
            return
        parent = _parent_of(found)
        checkpoint = self._renumbered(name, parent, found.checkpoint)
        versions = checkpoint["channel_versions"]
        there: CheckpointTuple | None = yield _Call(self.target, "get_tuple", (name.config,))
        if there is None:
            inherited = self._versions.get((name.ns, parent or ""), {})
            new = {each: version for each, version in versions.items() if inherited.get(each) != version}
            into = config_of(name.thread_id, name.ns, parent)
            yield _Call(self.target, "put", (into, checkpoint, found.metadata, new))
            self.imported.checkpoints += 1
        stored = yield from self._writes(name, found, there)
        if there is not None and not stored:
            self.imported.skipped += 1
        self._versions[name.ns, name.id] = versions
        while len(self._versions) > _REMEMBERED:
            self._versions.popitem(last=False)

    def _writes(self, name: CheckpointName, found: CheckpointTuple, there: CheckpointTuple | None) -> _Flow:
        """Stores what tasks wrote, as far as it is not there; gives how many tasks that were."""
        tasks = _by_task(found)
        present = {} if there is None else {task: len(rows) for task, rows in _by_task(there).items()}
        missing = {task: rows for task, rows in tasks.items() if present.get(task, 0) < len(rows)}
        if not missing:
            return 0
        paths: Mapping[str, str] = yield _AskPaths(self.source, name)
        for task_id, rows in missing.items():
            given = (name.config, rows, task_id, paths.get(task_id) or "")
            yield _Call(self.target, "put_writes", given)
        self.imported.tasks += len(missing)
        return len(missing)

    def _renumbered(self, name: CheckpointName, parent: str | None, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with texts for versions that are numbers (M3)."""
        versions = checkpoint["channel_versions"]
        if all(isinstance(version, str) for version in versions.values()):
            return checkpoint
        inherited = self._texts.get((name.ns, parent or ""), {})
        texts: dict[str, tuple[Any, str]] = {}
        for channel, version in versions.items():
            before = inherited.get(channel)
            same = before is not None and before[0] == version
            texts[channel] = before if before and same else (version, _text(version, name.id))
        self._texts[name.ns, name.id] = texts

        def seen(channel: str, version: Any) -> str:
            now = texts.get(channel)
            return now[1] if now is not None and now[0] == version else _text(version, "")

        changed: dict[str, Any] = {
            **checkpoint,
            "channel_versions": {channel: text for channel, (_, text) in texts.items()},
            "versions_seen": {
                node: {channel: seen(channel, version) for channel, version in of_node.items()}
                for node, of_node in checkpoint["versions_seen"].items()
            },
        }
        return changed  # type: ignore[return-value]  # the same keys


def _text(version: Any, checkpoint_id: str) -> str:
    """A version as `next_version` makes them: the number, and what tells branches apart."""
    if isinstance(version, str):
        return version
    apart = int(hashlib.sha256(checkpoint_id.encode()).hexdigest(), 16) % 10**16 if checkpoint_id else 0
    return f"{int(version):032}.{apart:016}"


def _parent_of(found: CheckpointTuple) -> str | None:
    config: RunnableConfig | None = found.parent_config
    return None if config is None else config["configurable"].get("checkpoint_id")


def _by_task(found: CheckpointTuple) -> dict[str, list[tuple[str, Any]]]:
    """What each task wrote: special writes last, because the places of the others are counted."""
    rows = sorted(found.pending_writes or (), key=lambda row: row[0])
    return {
        task: sorted(((channel, value) for _, channel, value in of_task), key=_is_special)
        for task, of_task in groupby(rows, key=lambda row: row[0])
    }


def _is_special(write: tuple[str, Any]) -> bool:
    return write[0] in WRITES_IDX_MAP
