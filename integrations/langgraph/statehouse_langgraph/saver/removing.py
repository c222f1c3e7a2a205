"""Removing checkpoints: whole threads, and parts of them. See `pruning` for what goes.

* R1. What is removed disappears in one commit, whatever its size: a thread by a new generation, a part of one
  by the rows of its checkpoints. The rest of the rows follow in further commits; until they are gone the mark
  says ``pending``, and whoever writes to the thread next, removes them first.
* R2. The commit holds against everything that was written since the rows were listed: it fails, and they are
  listed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from statehouse import ConflictError, OverloadedError, PreconditionFailedError
from statehouse.extend import (
    Delete,
    Erase,
    Flow,
    Get,
    KeyRange,
    RecordKey,
    WriteOperation,
    ask,
)
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver.backing import ATTEMPTS_MAX, OPERATIONS_MAX, Backing, Plan, apply, read_mark
from statehouse_langgraph.saver.keys import ThreadKeys
from statehouse_langgraph.saver.reading import rows_of, scanned
from statehouse_langgraph.saver.records import LeftoverRecord, Mark, Place

_KEPT: Final = (names.THREAD,)


def delete(
    backing: Backing, place: Place, *, erase: bool = False, only_if: tuple[Mark, int] | None = None
) -> Flow[int]:
    """Removes a thread: its checkpoints, values, writes and index rows; gives how many checkpoints it had.

    Args:
        backing: The saver's.
        place: The thread.
        erase: Also remove every value from the history and the event log, for good.
        only_if: Only while the thread's mark is still this one; None for whatever it is.

    Raises (in the flow):
        PreconditionFailedError: `only_if` does not hold any more.
        StatehouseError: As a commit does.
    """
    keys = backing.keys(place.agent_id)
    checkpoints = 0
    for _ in range(ATTEMPTS_MAX):
        mark, version = yield from read_mark(backing, keys)
        if only_if is not None and only_if[1] != version:
            return 0
        rows, read_ts = yield from _listed(keys)
        if not rows:
            break
        ids = yield from _ids(keys, rows)
        checkpoints = len(ids)
        gone: list[WriteOperation] = _all_of(keys, mark, rows)
        first = gone[:OPERATIONS_MAX]
        new = Mark(
            mark.generation + 1, max(mark.floor, *ids, ""), pending=len(gone) > len(first), fence=mark.fence
        )
        plan = Plan(
            first,
            read_ts=read_ts,
            ranges=(KeyRange(keys.namespace, keys.agent_id, keys_only=True),),
            mark=new,
            active=False,
        )
        try:
            yield from apply(backing, place, mark, version, plan)
        except (PreconditionFailedError, ConflictError):
            # R2
            continue
        backing.known.forget(place.agent_id)
        if new.pending:
            yield from finish(backing, keys, new, version + 1)
        break
    else:
        raise busy(place.agent_id)
    if erase:
        yield from erase_all(keys)
    return checkpoints


def busy(agent_id: str) -> OverloadedError:
    """What is raised when a thread never holds still."""
    return OverloadedError(
        f"thread {agent_id!r} changed {ATTEMPTS_MAX} times while its rows were being removed; try again when "
        "no run is writing to it",
        retry_after=1.0,
    )


def finish(backing: Backing, keys: ThreadKeys, mark: Mark, version: int) -> Flow[None]:
    """Removes what an unfinished removal, or an unfinished copy, has left (R1)."""
    place = Place(keys.agent_id, keys.agent_id, None, None)
    pending = iter((yield from _left(keys, mark)))
    batch = list(islice(pending, OPERATIONS_MAX))
    while True:
        following = list(islice(pending, OPERATIONS_MAX))
        new = replace(mark, pending=bool(following))
        try:
            yield from apply(backing, place, mark, version, Plan(batch, mark=new, active=False))
        except PreconditionFailedError:
            # Another process finishes it.
            yield from read_mark(backing, keys)
            return
        if not following:
            return
        mark, version, batch = new, version + 1, following


def _left(keys: ThreadKeys, mark: Mark) -> Flow[list[WriteOperation]]:
    """What is left to remove: what was listed, the lists last; without any, all."""
    rows, read_ts = yield from _listed(keys)
    lists = [row for row in rows if row.key.startswith(names.LEFTOVER)]
    if not lists:
        return _all_of(keys, mark, rows)
    found = yield from rows_of(lists, at=read_ts)
    operations: list[WriteOperation] = []
    for entry in found.values():
        if entry.payload is not None:
            operations.extend(Delete(keys.named(key)) for key in LeftoverRecord.of(entry.payload).keys)
    return [*operations, *map(Delete, lists)]


def erase_all(keys: ThreadKeys) -> Flow[None]:
    """Removes every value of a thread from history and log, for good; its mark, which holds none, stays."""
    request = Erase(keys.namespace, keys.agent_id, prefixes=names.VALUED)
    while (part := (yield from ask(request))).cursor is not None:
        request = replace(request, cursor=part.cursor)


def _listed(keys: ThreadKeys) -> Flow[tuple[list[RecordKey], int]]:
    """The keys of all rows of a thread but its mark, and what they were read as of."""
    first = yield from ask(Get(keys.thread()))
    rows = yield from scanned(keys, "", at=first.read_ts, keys_only=True)
    return [row.key for row in rows if row.key.key not in _KEPT], first.read_ts


def _ids(keys: ThreadKeys, rows: Iterable[RecordKey]) -> Flow[list[str]]:
    """The ids of the checkpoints among some rows, as far as their keys tell them."""
    yield from ()
    prefix = names.checkpoints_prefix()
    return [row.key.rsplit("/", 1)[1] for row in rows if row.key.startswith(prefix)]


def _all_of(keys: ThreadKeys, mark: Mark, rows: Sequence[RecordKey]) -> list[WriteOperation]:
    """How everything goes, the most important first: a commit may not take all of it.

    What another removal left over, so that all goes now; then what the indexes say, found by the rows;
    then checkpoints, by which the rest is found.
    """
    first = (names.LEFTOVER, names.checkpoints_prefix())
    lists, checkpoints = ([row for row in rows if row.key.startswith(prefix)] for prefix in first)
    others = [row for row in rows if not row.key.startswith(first)]
    return [
        *map(Delete, lists),
        *_index_rows(keys, mark, rows),
        *map(Delete, checkpoints),
        *map(Delete, others),
    ]


def _index_rows(keys: ThreadKeys, mark: Mark, rows: Iterable[RecordKey]) -> list[WriteOperation]:
    """The rows of the indexes of all threads that name this one."""
    found: list[WriteOperation] = [] if mark.minute < 0 else [Delete(keys.active(mark.minute))]
    index = f"{keys.namespace}.index"
    found.extend(
        Delete(RecordKey(index, names.INDEX_AGENT, f"{row.key}/{names.part(keys.agent_id)}"))
        for row in rows
        if row.key.startswith("run/")
    )
    return found
