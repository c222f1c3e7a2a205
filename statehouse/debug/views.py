"""The state that a run has: the store's, or for a fork what it wrote over its parent's.

A fork of a fork has an overlay over an overlay.
"""

from __future__ import annotations

from typing import Final

from statehouse.client._sync.handle import Statehouse
from statehouse.client.blocking import run
from statehouse.client.connection import connection_of
from statehouse.debug.layers import ForkLayer
from statehouse.debug.naming import run_named
from statehouse.debug.overlay import OverlayEngine
from statehouse.debug.sessions import overlay_connection, store_of
from statehouse.errors import LimitExceededError
from statehouse.extend import Engine
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord

_DEPTH_MAX: Final = 16


def state_of(sh: Statehouse, run_id: str, *, namespace: str | None = None) -> Statehouse:
    """Gives a handle on the state that a fork has: its own, and its parent's where it has written nothing.

    Of a run that is no fork, it is the state of the store. What is written by it is the fork's.

    Args:
        sh: A handle on the store; it has to stay open.
        run_id: The run.
        namespace: The namespace of the run's state; None for the handle's.

    Raises:
        NotFoundError: There is no such run.
    """
    connection = connection_of(sh)
    where = sh.namespace if namespace is None else namespace
    view = view_of(store_of(connection), run(connection, run_named(where, run_id)))
    if isinstance(view, OverlayEngine):
        connection = overlay_connection(view, connection)
    return Statehouse.from_connection(connection, namespace=where)


def view_of(store: Engine, record: RunRecord) -> Engine:
    """Gives an engine on the state of a run; it need not be closed.

    Raises:
        LimitExceededError: It is a fork of a fork, and so on, too often.
        NotFoundError: The record of the run that it was forked from is gone.
    """
    return _view(store, record, 0)


def _view(store: Engine, record: RunRecord, depth: int) -> Engine:
    if record.fork is None:
        return store
    if depth == _DEPTH_MAX:
        raise LimitExceededError(
            f"the run {record.run_id} is a fork of a fork, more than {_DEPTH_MAX} times over; begin a run of "
            "its own",
            limit=_DEPTH_MAX,
        )
    parent = run(store, read_run(record.namespace, record.fork["run_id"]))
    below = _view(store, parent, depth + 1)
    return OverlayEngine(below, record.fork["at"], ForkLayer(store, record.run_id))
