"""Which checkpoints of a thread go when it is pruned, or when what runs made is deleted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from statehouse_langgraph.saver.records import CheckpointRecord
from statehouse_langgraph.saver.rows import ThreadRows

_CALL: Final = ":"
"""In a namespace's last segment: it is that of one call of a subgraph, by the id of the task that made it."""

Removed = dict[tuple[str, str], CheckpointRecord]
"""The checkpoints that go, by namespace and id."""

Choice = Callable[[ThreadRows], Removed]


def newest(count: int, *, older_than: float | None = None, forced: bool = False) -> Choice:
    """Chooses all but the newest checkpoints of each namespace, and what replays from there need.

    Args:
        count: How many of each namespace stay.
        older_than: Only what was made before this time, in seconds since 1970; None for whenever.
        forced: Also checkpoints at which somebody is asked something and has not answered.
    """

    def choose(rows: ThreadRows) -> Removed:
        removed: Removed = {}
        for ns, records in rows.checkpoints.items():
            asked = set() if forced else rows.waiting(ns)
            for record in records[: max(0, len(records) - count)]:
                young = older_than is not None and not _made_before(rows, record, older_than)
                if not young and record.id not in asked:
                    removed[ns, record.id] = record
        _but_for_replays(rows, removed)
        _with_calls(rows, removed)
        return removed

    return choose


def of_runs(run_ids: Collection[str]) -> Choice:
    """Chooses the checkpoints that these runs made."""

    def choose(rows: ThreadRows) -> Removed:
        return {
            (ns, record.id): record
            for ns, records in rows.checkpoints.items()
            for record in records
            if record.run_id in run_ids
        }

    return choose


def _made_before(rows: ThreadRows, record: CheckpointRecord, seconds: float) -> bool:
    try:
        made = datetime.fromisoformat(rows.decode(record.checkpoint)["ts"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return False
    return made < seconds


def _but_for_replays(rows: ThreadRows, removed: Removed) -> None:
    """What subgraphs remembered when the root graph was at a checkpoint that stays, stays.

    LangGraph runs the root graph from there again with the newest checkpoint of the subgraph before it. Of a
    thread that keeps one checkpoint, the subgraph's newest is enough.
    """
    roots = [record.id for record in rows.checkpoints.get("", ()) if ("", record.id) not in removed]
    if len(roots) < 2:
        return
    for ns, records in rows.checkpoints.items():
        if ns and not _is_call(ns):
            ids = [record.id for record in records]
            for position in {bisect_left(ids, root) for root in roots} - {0}:
                removed.pop((ns, ids[position - 1]), None)


def _is_call(ns: str) -> bool:
    return _CALL in ns.rsplit("|", 1)[-1]


def _with_calls(rows: ThreadRows, removed: Removed) -> None:
    """The namespaces of subgraph calls go with the checkpoint of the root graph that made the call."""
    roots = {checkpoint_id for ns, checkpoint_id in removed if ns == ""}
    for ns, records in rows.checkpoints.items():
        if not _is_call(ns):
            continue
        for record in records:
            if (rows.metadata(record).get("parents") or {}).get("") in roots:
                removed[ns, record.id] = record
