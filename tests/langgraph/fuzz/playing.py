"""Playing a program to a saver and to the oracle, and comparing all that can be asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver, ThreadChangedError
from tests.langgraph.fuzz.oracle import Oracle, config_of
from tests.langgraph.fuzz.programs import (
    CHANNELS,
    DELTAS,
    NAMESPACES,
    PATHS,
    RUNS,
    THREADS,
    CopyThread,
    DeleteRuns,
    DeleteThread,
    Late,
    Prune,
    Put,
    PutWrites,
    Step,
    Switch,
    Update,
)

FILTERS: tuple[dict[str, Any], ...] = ({"run_id": RUNS[0]}, {"step": 3}, {"nowhere": None}, {"flag": 1})
"""What listings are asked for: equality, a number, what is absent, and a number for what is true."""

Place = tuple[str, str, str]
"""Thread, namespace and checkpoint."""


class Player:
    """Plays steps to savers on one store, and to the oracle.

    Args:
        handle: An empty store.
    """

    def __init__(self, handle: Statehouse) -> None:
        self.oracle = Oracle()
        self._handle = handle
        self._savers = [StatehouseSaver(handle), StatehouseSaver(handle)]
        self._count = 0
        self._removed: list[Place] = []
        self._whole = True

    @property
    def saver(self) -> StatehouseSaver:
        """The saver whose turn it is."""
        return self._savers[0]

    def play(self, steps: Sequence[Step]) -> None:
        """Plays steps, and compares after those that remove something, and at the end."""
        for step in steps:
            self._whole = self._whole and not isinstance(step, DeleteRuns | Prune)
            before = self._all()
            self._one(step)
            gone = before - self._all()
            if gone:
                self._removed.extend(sorted(gone))
                self.compare()
        self.compare()

    def _one(self, step: Step) -> None:
        oracle, saver = self.oracle, self.saver
        match step:
            case Put():
                self._put(step)
            case PutWrites():
                self._put_writes(step)
            case Update():
                self._update(step)
            case Prune():
                saver.prune([THREADS[step.thread]], keep_last=step.keep_last, force=step.force)
                oracle.keep_latest(THREADS[step.thread], step.keep_last, force=step.force)
            case DeleteThread():
                self._delete(THREADS[step.thread])
            case DeleteRuns():
                runs = [RUNS[each] for each in sorted(step.runs)]
                saver.delete_for_runs(runs)
                oracle.delete_runs(runs)
            case CopyThread():
                self._copy(step)
            case Late():
                self._late(step)
            case Switch(fresh):
                self._savers.reverse()
                if fresh:
                    self._savers[0] = StatehouseSaver(self._handle)

    def _both(self) -> tuple[BaseCheckpointSaver[str], BaseCheckpointSaver[str]]:
        return self.saver, self.oracle

    def _all(self) -> set[Place]:
        return {(thread, *name) for thread in THREADS for name in self.oracle.names(thread)}

    def _named(self, thread_id: str, number: int) -> tuple[str, str] | None:
        names = self.oracle.names(thread_id)
        return names[number % len(names)] if names else None

    def _put(self, step: Put) -> None:
        thread_id, ns = THREADS[step.thread], NAMESPACES[step.ns]
        self._count += 1
        rows = sorted(self.oracle.parents(thread_id, ns)) if thread_id in self.oracle.storage else []
        parent = None if step.parent is None or not rows else rows[step.parent % len(rows)]
        before = None if parent is None else self.oracle.get_tuple(config_of(thread_id, ns, parent))
        new = self._checkpoint(before, step)
        config = config_of(thread_id, ns, parent)
        config["metadata"] = {"run_id": RUNS[step.run]}
        metadata: Any = {"step": self._count % 5, "flag": self._count % 2 == 0, "run_id": RUNS[step.run]}
        roots = self.oracle.parents(thread_id, "")
        if ns and roots:
            metadata["parents"] = {"": max(roots)}
        changed = {name: new["channel_versions"][name] for name in sorted(step.changed)}
        tasks = []
        if parent is not None:
            written = [(name, [self._count]) for name in (*sorted(step.changed), "plain")][: step.writes]
            tasks = [(f"task-{self._count}@{RUNS[step.run]}", written, "")]
        for task_id, task_writes, path in tasks:
            self.oracle.put_writes(config, task_writes, task_id, path)
            if not step.together:
                self.saver.put_writes(config, task_writes, task_id, path)
        self.oracle.put(config, new, metadata, changed)
        given = self.saver.put_with_writes(config, new, metadata, changed, tasks if step.together else ())
        assert given == config_of(thread_id, ns, new["id"])

    def _checkpoint(self, before: CheckpointTuple | None, step: Put) -> Checkpoint:
        versions: dict[str, Any] = {} if before is None else dict(before.checkpoint["channel_versions"])
        values: dict[str, Any] = {} if before is None else dict(before.checkpoint["channel_values"])
        for name in sorted(step.changed):
            versions[name] = self._version(versions.get(name))
            if name in DELTAS:
                values.pop(name, None)
                if step.snapshot:
                    values[name] = ["snapshot", self._count]
            elif step.emptied:
                values.pop(name, None)
            else:
                values[name] = [*values.get(name, []), f"{self._count} and some more text, so that it grows"]
        number = -self._count if step.behind else self._count
        return _checkpoint(f"{500_000 + number:06d}", versions, values)

    def _version(self, before: str | None) -> str:
        count = 0 if before is None else int(before.split(".", maxsplit=1)[0])
        return f"{count + 1:032}.{self._count:016}"

    def _put_writes(self, step: PutWrites) -> None:
        thread_id = THREADS[step.thread]
        name = self._named(thread_id, step.checkpoint)
        if name is None:
            return
        self._count += 1
        config = config_of(thread_id, *name)
        config["metadata"] = {"run_id": RUNS[step.run]}
        writes = [("delta", [self._count]), (step.special or "plain", self._count), ("delta", [-self._count])]
        for each in self._both():
            each.put_writes(config, writes, f"more-{step.task}@{RUNS[step.run]}", PATHS[step.task])

    def _update(self, step: Update) -> None:
        thread_id = THREADS[step.thread]
        name = self._named(thread_id, step.checkpoint)
        if name is None:
            return
        self._count += 1
        ns, checkpoint_id = name
        before = self.oracle.get_tuple(config_of(thread_id, ns, checkpoint_id))
        assert before is not None
        versions: dict[str, Any] = dict(before.checkpoint["channel_versions"])
        versions["plain"] = self._version(versions.get("plain"))
        values = {**before.checkpoint["channel_values"], "plain": ["updated", self._count]}
        metadata: Any = {**before.metadata, "run_id": RUNS[step.run]}
        config = config_of(thread_id, ns, self.oracle.parents(thread_id, ns)[checkpoint_id])
        for each in self._both():
            new = _checkpoint(checkpoint_id, versions, values)
            each.put(config, new, metadata, {"plain": versions["plain"]})

    def _delete(self, thread_id: str) -> None:
        for each in self._both():
            each.delete_thread(thread_id)

    def _copy(self, step: CopyThread) -> None:
        source, target = THREADS[step.source], THREADS[step.target]
        names = self.oracle.names(source)
        roots = [name for ns, name in names if ns == ""]
        if source == target or not names or (step.at is not None and not roots):
            return
        at = None if step.at is None else roots[step.at % len(roots)]
        self._delete(target)
        self.saver.copy_thread(source, target, at=at)
        self.oracle.copy(source, target, at)

    def _late(self, step: Late) -> None:
        gone = [place for place in self._removed if place not in self._all()]
        if not gone:
            return
        self._count += 1
        thread_id, ns, checkpoint_id = gone[step.which % len(gone)]
        config = config_of(thread_id, ns, checkpoint_id)
        late = _checkpoint(f"{500_000 + self._count:06d}", {}, {})
        tries = (
            lambda: self.saver.put(config, late, {"step": 1}, {}),
            lambda: self.saver.put_writes(config, [("plain", "late")], "late"),
        )
        with pytest.raises(ThreadChangedError):
            tries[step.writes]()

    def compare(self) -> None:
        """Compares what both savers answer."""
        for thread_id in THREADS:
            self._compare_thread(thread_id)
        everything = {_place(each): each for each in self.saver.list(None)}
        assert everything == {_place(each): each for each in self.oracle.list(None)}

    def _compare_thread(self, thread_id: str) -> None:
        ours, theirs = self._both()
        whole: RunnableConfig = {"configurable": {"thread_id": thread_id}}
        for filters in ({}, *FILTERS):
            listed = [*ours.list(whole, filter=filters)]
            assert _ranked(listed) == _ranked([*theirs.list(whole, filter=filters)])
        for ns in NAMESPACES:
            newest = config_of(thread_id, ns)
            assert ours.get_tuple(newest) == theirs.get_tuple(newest)
            names = sorted(self.oracle.parents(thread_id, ns)) if thread_id in self.oracle.storage else []
            middle = config_of(thread_id, ns, names[len(names) // 2] if names else "0")
            for before, limit in ((None, None), (middle, None), (None, 2), (middle, 1)):
                listed = [*ours.list(newest, before=before, limit=limit)]
                assert listed == [*theirs.list(newest, before=before, limit=limit)]
            for name in names:
                self._compare_checkpoint(thread_id, ns, name)

    def _compare_checkpoint(self, thread_id: str, ns: str, name: str) -> None:
        ours, theirs = self._both()
        config = config_of(thread_id, ns, name)
        assert ours.get_tuple(config) == theirs.get_tuple(config)
        channels: Sequence[str] = self.oracle.empty_channels(thread_id, ns, name)
        if self._whole:
            channels = CHANNELS
            expected = InMemorySaver.get_delta_channel_history(self.oracle, config=config, channels=channels)
            assert theirs.get_delta_channel_history(config=config, channels=channels) == expected
        history = ours.get_delta_channel_history(config=config, channels=channels)
        assert history == theirs.get_delta_channel_history(config=config, channels=channels)


def _checkpoint(checkpoint_id: str, versions: dict[str, Any], values: dict[str, Any]) -> Checkpoint:
    return {
        "v": 4,
        "id": checkpoint_id,
        "ts": "2026-01-01T00:00:00+00:00",
        "channel_values": values,
        "channel_versions": versions,
        "versions_seen": {},
        "updated_channels": None,
    }


def _place(found: CheckpointTuple) -> Place:
    where = found.config["configurable"]
    return where["thread_id"], where["checkpoint_ns"], where["checkpoint_id"]


def _ranked(found: Sequence[CheckpointTuple]) -> list[CheckpointTuple]:
    """Newest id first; among the same ids by namespace."""
    return sorted(found, key=_place, reverse=True)
