"""Checkpoints in a chain, put by hand: each has what the one before had, and what is new in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointTuple

from statehouse import Statehouse


def place(thread_id: Any = "t", ns: str | None = "", checkpoint_id: str | None = None) -> RunnableConfig:
    """A config; of the newest checkpoint, or of all namespaces, where something is None."""
    given = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
    return {"configurable": {name: value for name, value in given.items() if value is not None}}


def checkpoint(
    checkpoint_id: str, values: Mapping[str, Any] | None = None, versions: Mapping[str, Any] | None = None
) -> Checkpoint:
    """A checkpoint; its time is the same each time."""
    return {
        "v": 4,
        "id": checkpoint_id,
        "ts": "2026-01-01T00:00:00+00:00",
        "channel_values": dict(values or {}),
        "channel_versions": dict(versions or {}),
        "versions_seen": {},
        "updated_channels": None,
    }


@dataclass
class Chain:
    """A chain of checkpoints in one namespace of a thread.

    Attributes:
        saver: Where they are put.
        thread_id: The thread.
        ns: The namespace.
        head: The id of the newest; None before the first.
        values: What its channels hold.
        versions: Their versions.
    """

    saver: BaseCheckpointSaver[str]
    thread_id: Any = "t"
    ns: str = ""
    head: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    ts: str = "2026-01-01T00:00:00+00:00"

    def at(self, checkpoint_id: str | None = None) -> RunnableConfig:
        """The config of a checkpoint; of the newest one in the store for None."""
        return place(self.thread_id, self.ns, checkpoint_id)

    def new(
        self, checkpoint_id: str, values: Mapping[str, Any], empty: Sequence[str] = ()
    ) -> tuple[Checkpoint, dict[str, Any]]:
        """The next checkpoint and its new versions; `empty` channels are new, and hold nothing."""
        new_versions = {
            name: self.saver.get_next_version(self.versions.get(name), None)
            for name in dict.fromkeys([*values, *empty])
        }
        self.versions = {**self.versions, **new_versions}
        kept = {name: value for name, value in self.values.items() if name not in empty}
        self.values = {**kept, **values}
        made = checkpoint(checkpoint_id, self.values, self.versions)
        made["ts"] = self.ts
        return made, new_versions

    def add(
        self,
        checkpoint_id: str,
        values: Mapping[str, Any] | None = None,
        *,
        empty: Sequence[str] = (),
        run_id: str = "",
        **metadata: Any,
    ) -> RunnableConfig:
        """Puts the next checkpoint."""
        made, new_versions = self.new(checkpoint_id, values or {}, empty)
        config = self.at(self.head)
        if run_id:
            config["metadata"] = {"run_id": run_id}
        described: Any = {"source": "loop", "step": 0, "parents": {}, **metadata}
        self.head = checkpoint_id
        return self.saver.put(config, made, described, new_versions)

    def write(
        self, task_id: str, *writes: tuple[str, Any], path: str = "", to: str | None = None, run_id: str = ""
    ) -> None:
        """Puts what a task wrote at the newest checkpoint, or at another one."""
        config = self.at(to or self.head)
        if run_id:
            config["metadata"] = {"run_id": run_id}
        self.saver.put_writes(config, writes, task_id, path)

    def delta(self, checkpoint_id: str, *written: Any, snapshot: Any = None) -> RunnableConfig:
        """Writes to the channel ``delta``, and puts the next checkpoint without the channel's value."""
        if self.head is not None:
            for number, value in enumerate(written):
                self.write(f"task-{number}", ("delta", value))
        if snapshot is not None:
            return self.add(checkpoint_id, {"delta": snapshot})
        return self.add(checkpoint_id, empty=["delta"])

    def state(self, checkpoint_id: str | None = None) -> list[Any]:
        """What the channel ``delta`` holds, put together from its history."""
        found = self.saver.get_delta_channel_history(config=self.at(checkpoint_id), channels=["delta"])
        return [*found["delta"].get("seed", []), *(value for _, _, value in found["delta"]["writes"])]


def ids(saver: BaseCheckpointSaver[str], config: RunnableConfig | None = None, **how: Any) -> list[str]:
    """The ids that a listing gives."""
    return [each.checkpoint["id"] for each in saver.list(place(ns=None) if config is None else config, **how)]


def tuple_at(saver: BaseCheckpointSaver[str], config: RunnableConfig) -> CheckpointTuple:
    """A checkpoint that is there."""
    found = saver.get_tuple(config)
    assert found is not None
    return found


def rows(handle: Statehouse, agent_id: str = "t") -> list[str]:
    """The keys of a thread's rows."""
    return [row.key for row in handle.scan_prefix("", agent_id=agent_id, namespace="langgraph")]


def index(handle: Statehouse) -> list[str]:
    """The keys of the rows about all threads."""
    return [row.key for row in handle.scan_prefix("", agent_id="threads", namespace="langgraph.index")]
