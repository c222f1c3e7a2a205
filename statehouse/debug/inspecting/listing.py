"""Which runs there are, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from statehouse.debug.inspecting.entries import entries_of
from statehouse.errors import InvalidArgumentError
from statehouse.extend import Flow, Page, Scan, run
from statehouse.protocol.names import check_agent_id
from statehouse.steps import keys
from statehouse.steps.record import RunRecord, RunStatus, run_from_entry

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

STATUSES: Final[tuple[RunStatus, ...]] = ("running", "finished", "failed", "interrupted")
_ROWS_AT_ONCE: Final = 200


def runs(
    sh: Statehouse | StatehouseAsync,
    *,
    agent_id: str | None = None,
    status: RunStatus | None = None,
    limit: int | None = None,
    namespace: str | None = None,
) -> Iterator[RunRecord]:
    """Gives the runs of a namespace, the one that began last first, as they are now.

    They are read page by page, as they are taken.

    Args:
        sh: Where they are recorded.
        agent_id: Only those of one agent; None for all.
        status: Only those with this status; None for any.
        limit: How many at most; None for all.
        namespace: The namespace of their state; None for the handle's.

    Raises:
        InvalidArgumentError: No such status, a malformed name.
        StatehouseError: As a read does.
    """
    if status is not None and status not in STATUSES:
        raise InvalidArgumentError(f"status={status!r:.40}: a run is one of {', '.join(STATUSES)}")
    if agent_id is not None:
        check_agent_id(agent_id)
    return _runs(sh, sh.namespace if namespace is None else namespace, agent_id, status, limit)


def _runs(
    sh: Statehouse | StatehouseAsync,
    namespace: str,
    agent_id: str | None,
    status: RunStatus | None,
    limit: int | None,
) -> Iterator[RunRecord]:
    cursor: str | None = None
    left = limit
    while left is None or left > 0:
        found, cursor = run(sh, _page(namespace, agent_id, cursor))
        wanted = [each for each in found if status in (None, each.status)][:left]
        yield from wanted
        if left is not None:
            left -= len(wanted)
        if cursor is None:
            return


def _page(
    namespace: str, agent_id: str | None, cursor: str | None
) -> Flow[tuple[list[RunRecord], str | None]]:
    index: Page = yield Scan(
        keys.index_namespace(namespace),
        keys.index_agent(agent_id),
        reverse=True,
        keys_only=True,
        limit=_ROWS_AT_ONCE,
        cursor=cursor,
    )
    names = [keys.run_key(namespace, keys.indexed_run_id(entry.key.key)) for entry in index.entries]
    entries = yield from entries_of(names)
    # A run that was erased has nothing left to list.
    return [run_from_entry(entry) for entry in entries if entry.payload is not None], index.cursor
