"""The state that a run has, as a handle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statehouse.client._sync.handle import Statehouse
from statehouse.client.blocking import run
from statehouse.client.connection import connection_of
from statehouse.debug.inspecting.naming import run_named
from statehouse.debug.overlay.connections import overlay_connection, store_of
from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.debug.overlay.views import view_of

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync


def state_of(sh: Statehouse | StatehouseAsync, run_id: str, *, namespace: str | None = None) -> Statehouse:
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
