"""What a saver must do, in the simplest code there is: LangGraph's saver in memory, and on top what it lacks.

`InMemorySaver` keeps everything, so the histories of DeltaChannels are what its parents say. Where
checkpoints are removed, the ones that stay keep the histories that they had: these are written down before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import DeltaChannelHistory
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import INTERRUPT

Named = tuple[str, str]
"""A checkpoint's namespace and id."""


def config_of(thread_id: str, ns: str, checkpoint_id: str | None = None) -> RunnableConfig:
    """The config of a checkpoint; of the newest for None."""
    named = {} if checkpoint_id is None else {"checkpoint_id": checkpoint_id}
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns, **named}}


class Oracle(InMemorySaver):
    """`InMemorySaver` that also prunes, copies, and deletes what runs made."""

    def __init__(self) -> None:
        super().__init__()
        self._kept_histories: dict[tuple[str, str, str], Mapping[str, DeltaChannelHistory]] = {}

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """The history from the parents, or what was written down where they went."""
        found: dict[str, DeltaChannelHistory] = {}
        for channel in channels:
            found[channel] = self._history(config, channel)
        return found

    def _history(self, config: RunnableConfig, channel: str) -> DeltaChannelHistory:
        writes: list[Any] = []
        current: RunnableConfig | None = config
        first = True
        while current is not None and (found := self.get_tuple(current)) is not None:
            if not first:
                at = [write for write in found.pending_writes or () if write[1] == channel]
                writes[:0] = at
                if channel in found.checkpoint["channel_values"]:
                    return {"writes": writes, "seed": found.checkpoint["channel_values"][channel]}
            first = False
            where = found.config["configurable"]
            kept = self._kept_histories.get(
                (where["thread_id"], where["checkpoint_ns"], where["checkpoint_id"])
            )
            if kept is not None:
                before = deepcopy(kept.get(channel, {"writes": []}))
                before["writes"] = [*before["writes"], *writes]
                return before
            current = found.parent_config
        return {"writes": writes}

    def empty_channels(self, thread_id: str, ns: str, checkpoint_id: str) -> list[str]:
        """The channels of a checkpoint that hold nothing there: DeltaChannels between two snapshots."""
        found = self.get_tuple(config_of(thread_id, ns, checkpoint_id))
        assert found is not None
        return [
            name
            for name in found.checkpoint["channel_versions"]
            if name not in found.checkpoint["channel_values"]
        ]

    def parents(self, thread_id: str, ns: str) -> dict[str, str | None]:
        """The parent of each checkpoint in a namespace."""
        return {name: row[2] for name, row in self.storage[thread_id].get(ns, {}).items()}

    def names(self, thread_id: str) -> list[Named]:
        """All checkpoints of a thread, oldest first in each namespace."""
        if thread_id not in self.storage:
            return []
        return [(ns, name) for ns, rows in self.storage[thread_id].items() for name in sorted(rows)]

    def keep_latest(self, thread_id: str, count: int, *, force: bool) -> None:
        """Removes all but the newest of each namespace, and the calls that those made which went."""
        removed: set[Named] = set()
        for ns in {ns for ns, _ in self.names(thread_id)}:
            rows = self.parents(thread_id, ns)
            asking = set() if force else self._asking(thread_id, ns)
            removed |= {(ns, name) for name in sorted(rows)[:-count] if name not in asking}
        roots = [name for ns, name in self.names(thread_id) if ns == "" and ("", name) not in removed]
        for root in roots if len(roots) > 1 else ():
            # What a subgraph remembered then, for replays from there.
            for ns in self.storage[thread_id]:
                earlier = [name for name in self.parents(thread_id, ns) if name < root]
                if ns and ":" not in ns.split("|")[-1] and earlier:
                    removed.discard((ns, max(earlier)))
        for ns, name in self.names(thread_id):
            if ":" in ns.split("|")[-1] and ("", self._root(thread_id, ns, name)) in removed:
                removed.add((ns, name))
        self._remove(thread_id, removed, lambda _: False)

    def delete_runs(self, run_ids: Iterable[str]) -> None:
        """Removes the checkpoints that runs made, and what they wrote at others."""
        wanted = set(run_ids)
        for thread_id in list(self.storage):
            removed = {
                (ns, name)
                for ns, name in self.names(thread_id)
                if self._metadata(thread_id, ns, name).get("run_id") in wanted
            }
            self._remove(thread_id, removed, lambda task_id: task_id.split("@")[-1] in wanted)

    def copy(self, source: str, target: str, at: str | None) -> None:
        """Copies a thread, or what led to one checkpoint of its root graph."""
        for ns, name in self._led_to(source, at):
            self.storage[target][ns][name] = self.storage[source][ns][name]
            if (source, ns, name) in self.writes:
                self.writes[target, ns, name] = dict(self.writes[source, ns, name])
            if (source, ns, name) in self._kept_histories:
                self._kept_histories[target, ns, name] = self._kept_histories[source, ns, name]
        for (thread_id, ns, channel, version), value in list(self.blobs.items()):
            if thread_id == source:
                self.blobs[target, ns, channel, version] = value

    def _led_to(self, thread_id: str, at: str | None) -> set[Named]:
        if at is None:
            return set(self.names(thread_id))
        path = self._ancestors(thread_id, "", at)
        found: set[Named] = set()
        for ns, name in self.names(thread_id):
            root = name if ns == "" else self._root(thread_id, ns, name)
            # Nobody knows whose an unattached one is, only whether it was there by then.
            if root in path or (not root and name <= at):
                found |= {(ns, each) for each in self._ancestors(thread_id, ns, name)}
        return found

    def _ancestors(self, thread_id: str, ns: str, name: str) -> set[str]:
        parents, found, current = self.parents(thread_id, ns), set(), name
        while current in parents:
            found.add(current)
            current = parents[current] or ""
        return found

    def delete_thread(self, thread_id: str) -> None:
        """Removes all of a thread."""
        super().delete_thread(thread_id)
        for place in [each for each in self._kept_histories if each[0] == thread_id]:
            del self._kept_histories[place]

    def _channels(self, thread_id: str) -> list[str]:
        """All that anything was ever written to."""
        written = {
            row[1] for place, rows in self.writes.items() if place[0] == thread_id for row in rows.values()
        }
        kept = {
            name for place, each in self._kept_histories.items() if place[0] == thread_id for name in each
        }
        return sorted(written | kept | {place[2] for place in self.blobs if place[0] == thread_id})

    def _asking(self, thread_id: str, ns: str) -> set[str]:
        rows = self.parents(thread_id, ns)
        return {
            name
            for name in rows
            if name not in rows.values()
            and any(row[1] == INTERRUPT for row in self.writes.get((thread_id, ns, name), {}).values())
        }

    def _metadata(self, thread_id: str, ns: str, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.serde.loads_typed(self.storage[thread_id][ns][name][1])
        return found

    def _root(self, thread_id: str, ns: str, name: str) -> str:
        parents: Mapping[str, str] = self._metadata(thread_id, ns, name).get("parents", {})
        return parents.get("", "")

    def _remove(self, thread_id: str, removed: set[Named], stale: Callable[[str], bool]) -> None:
        histories = {
            (ns, name): self.get_delta_channel_history(
                config=config_of(thread_id, ns, name), channels=self._channels(thread_id)
            )
            for ns, name in self.names(thread_id)
        }
        parents = {ns: self.parents(thread_id, ns) for ns, _ in self.names(thread_id)}
        touched = set(removed)
        for (thread, ns, name), rows in list(self.writes.items()):
            gone = [key for key in rows if stale(key[0])] if thread == thread_id else []
            for key in gone:
                touched.add((ns, name))
                del rows[key]
        for ns, name in self.names(thread_id):
            parent = parents[ns][name]
            if (ns, name) in removed or parent is None or (ns, parent) not in touched:
                continue
            while parent is not None and (ns, parent) in removed:
                parent = parents[ns][parent]
            self._kept_histories[thread_id, ns, name] = histories[ns, name]
            checkpoint, metadata, _ = self.storage[thread_id][ns][name]
            self.storage[thread_id][ns][name] = (checkpoint, metadata, parent)
        for ns, name in removed:
            del self.storage[thread_id][ns][name]
            self.writes.pop((thread_id, ns, name), None)
            self._kept_histories.pop((thread_id, ns, name), None)
