"""The part of `StatehouseAsync` that takes values away for good."""

from __future__ import annotations

from collections.abc import Iterable

from statehouse.client.awaiting import run
from statehouse.client.connection import Connection
from statehouse.client.erasing import erasing
from statehouse.protocol.replies import Erased


class ErasesAsync:
    """What a handle can erase; `StatehouseAsync` is one."""

    connection: Connection
    namespace: str

    async def erase(
        self,
        *,
        agent_id: str,
        keys: Iterable[str] = (),
        prefix: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> Erased:
        """Takes the values of an agent's keys away for good, every version up to now (G6); says how many.

        Reading one raises ErasedError from then on. Keys do not become absent by it: delete them first, where
        they should. It returns when the bytes are in no file of the store any more, which takes long in a
        large one; commits and reads go on meanwhile. Erasing again finishes what was cut short. Backups and
        dumps are yours to look after.

        Args:
            agent_id: Whose keys.
            keys: Keys to erase.
            prefix: Erases all keys that begin with it too; ``""`` is the whole agent.
            namespace: The namespace; None for the handle's.
            dry_run: Change nothing, and say what would be erased.

        Returns:
            How many versions, and which other keys lost some because they shared bytes (see `extends=`).

        Raises:
            InvalidArgumentError: Neither keys nor a prefix, or a malformed one.
            LimitExceededError: More than 10,000 keys.
            OverloadedError: The disk is full. Some may be erased: erase again.
            RefusingWritesError: The engine refuses writes (G8), or is read-only.
        """
        where = self.namespace if namespace is None else namespace
        return await run(self.connection, erasing(where, agent_id, keys, prefix, dry_run=dry_run))
