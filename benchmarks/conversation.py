"""A graph in a loop, as any checkpointer sees it: each step appends a message of 1 KB to a list."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from benchmarks.values import Values

_CONTENT_CHARS: Final = 840
"""With what else is in a message, 1.05 KB a message once it is serialized."""

_SNAPSHOT_EVERY: Final = 100
"""A DeltaChannel stores its whole value so often; LangGraph's default."""


@cache
def _source() -> str:
    return Values(0).text(1 << 22)


class Conversation:
    """One thread of a graph with one node that calls itself; what LangGraph stores of it, step by step.

    Args:
        saver: The checkpointer.
        thread_id: The thread.
        delta: Whether the messages are in a DeltaChannel.
        seed: Two with the same one say the same things.
    """

    def __init__(
        self, saver: BaseCheckpointSaver[Any], thread_id: str, *, delta: bool = False, seed: int = 1
    ) -> None:
        self.saver = saver
        self.config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        self.steps = 0
        self._delta = delta
        self._values = Values(seed)
        self._messages: list[AIMessage] = []
        self._versions: dict[str, Any] = {}

    @property
    def newest(self) -> Any:
        """The config of the thread."""
        place = self.config["configurable"]
        return {"configurable": {"thread_id": place["thread_id"], "checkpoint_ns": ""}}

    def run(self, steps: int) -> float:
        """Makes so many steps; gives the seconds that the saver took."""
        return sum(self.step() for _ in range(steps))

    def step(self) -> float:
        """Stores what a task wrote, and the checkpoint after it; gives the seconds that took."""
        message = AIMessage(content=self._text(), id=self._values.txn_id())
        task = self._values.txn_id()
        writes: Sequence[tuple[str, Any]] = [("messages", [message]), ("branch:to:node", None)]
        before, new = self._next(message)
        began = time.perf_counter()
        if self.steps:
            self.saver.put_writes(before, writes, task, "~__pregel_pull, node")
        self.config = self.saver.put(before, *new)
        took = time.perf_counter() - began
        self.steps += 1
        return took

    def _text(self) -> str:
        """Random text, cut out of one that all conversations share: making it is not what is measured."""
        source = _source()
        start = self._values.random.randrange(len(source) - _CONTENT_CHARS)
        return source[start : start + _CONTENT_CHARS]

    def _next(self, message: AIMessage) -> tuple[Any, tuple[Any, Any, Any]]:
        self._messages = [*self._messages, message]
        channels = ("messages", "branch:to:node")
        fresh: Any = {name: self.saver.get_next_version(self._versions.get(name), None) for name in channels}
        self._versions = {**self._versions, **fresh}
        values: dict[str, Any] = {"branch:to:node": None}
        if not self._delta:
            values["messages"] = self._messages
        elif self.steps % _SNAPSHOT_EVERY == 0:
            values["messages"] = _DeltaSnapshot(self._messages)
        checkpoint = {
            "v": 4,
            "id": str(uuid6(clock_seq=self.steps)),
            "ts": "2026-11-25T12:00:00.000000+00:00",
            "channel_values": values,
            "channel_versions": dict(self._versions),
            "versions_seen": {
                "__input__": {},
                "__start__": {"__start__": self._versions["messages"]},
                "node": {"branch:to:node": self._versions["branch:to:node"]},
            },
            "updated_channels": ["messages"],
        }
        metadata: Any = {"source": "loop", "step": self.steps, "parents": {}}
        if self._delta:
            metadata["counters_since_delta_snapshot"] = {"messages": (self.steps % _SNAPSHOT_EVERY, 0)}
        return self.config, (checkpoint, metadata, fresh)
