"""A commit from operations that are made already; `TransactionLogic` is for those that come one by one."""

from __future__ import annotations

from collections.abc import Iterable

from statehouse.client.arguments import check_timeout
from statehouse.client.connection import Connected, Connection, connection_of
from statehouse.client.txn_ids import new_txn_id
from statehouse.protocol.engine import Engine, Flow
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, KeyRange, Precondition, WriteOperation
from statehouse.tracing.origin import origin_for


def commit(
    over: Connected | Connection | Engine,
    operations: Iterable[WriteOperation],
    *,
    preconditions: Iterable[Precondition] = (),
    read_ts: int | None = None,
    reads: Iterable[RecordKey] = (),
    ranges: Iterable[KeyRange] = (),
    origin: Origin | None = None,
    txn_id: str | None = None,
    timeout: float | None = None,
) -> Flow[Committed]:
    """Commits operations at once, under an id and with the dates that make a repetition safe (G5).

    Args:
        over: The handle whose store it is.
        operations: What to do; a key may appear once.
        preconditions: What must hold of single keys.
        read_ts: The commit_ts that `reads` and `ranges` were read as of; None when nothing was read.
        reads: The keys that must not have changed since (G3).
        ranges: The ranges that must not have.
        origin: Who asks and why; None for the current one. What it leaves empty is taken from the current
            span and step.
        txn_id: An id of the caller's; None makes one.
        timeout: Seconds; None for the handle's.

    Returns:
        The commit_ts.

    Raises (in the flow):
        StatehouseError: As `Commit` says.
    """
    connection = connection_of(over)
    connection.check_open()
    if connection.stale:
        yield from connection.refresh()
    seen = connection.seen
    request = Commit(
        new_txn_id() if txn_id is None else txn_id,
        tuple(operations),
        read_ts,
        tuple(reads),
        tuple(ranges),
        tuple(preconditions),
        origin_for(origin),
        max(seen.commit_ts, read_ts or 0),
        seen.store_id,
        seen.epoch,
        timeout_s=connection.timeout if timeout is None else check_timeout(timeout, connection.limits),
    )
    reply: Committed = yield request
    seen.commit(reply.commit_ts, connection.monotonic())
    return reply
