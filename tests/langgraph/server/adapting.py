"""What LangGraph Server puts around a checkpointer that it was configured with, as far as that matters to it.

A graph that runs in the server does not get the checkpointer itself but an adapter: a `BaseCheckpointSaver`
of its own. Of ours it calls a few awaiting methods; everything else is what the base class makes of those.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

REQUIRED = ("aput", "aput_writes", "aget_tuple", "alist")
"""What the server refuses to start without."""
RECOMMENDED = ("adelete_thread", "adelete_for_runs", "acopy_thread", "aprune")
"""What it warns of, when it is the base class's."""


class Adapted(BaseCheckpointSaver[str]):
    """Forwards what the server forwards.

    Args:
        inner: The checkpointer that was configured.
    """

    def __init__(self, inner: BaseCheckpointSaver[str]) -> None:
        super().__init__(serde=inner.serde)
        self.inner = inner

    def get_next_version(self, current: str | None, channel: None) -> str:
        return self.inner.get_next_version(current, channel)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self.inner.aget_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        async for found in self.inner.alist(config, filter=filter, before=before, limit=limit):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        # Everything of the run that is not about this request goes into the metadata.
        described: Any = {
            name: value
            for name, value in config["configurable"].items()
            if not name.startswith("__") and name not in ("checkpoint_ns", "checkpoint_id")
        }
        described.update(config.get("metadata", {}))
        described.update(metadata)
        return await self.inner.aput(config, checkpoint, described, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        await self.inner.aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        await self.inner.adelete_thread(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await self.inner.adelete_for_runs(run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self.inner.acopy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self.inner.aprune(thread_ids, strategy=strategy)
