"""Connections to overlays, and the bare engine of a connection."""

from __future__ import annotations

from typing import Final

from statehouse.client.connection import Connection, Seen
from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.extend import Engine
from statehouse.tracing.engine import TracedEngine

OVERLAY_URL: Final = "overlay:"
"""What the URLs of such connections begin with."""


def store_of(connection: Connection) -> Engine:
    """Gives the engine of a connection without the spans around it: what is built on it makes its own."""
    engine = connection.engine
    return engine.engine if isinstance(engine, TracedEngine) else engine


def overlay_connection(engine: OverlayEngine, over: Connection) -> Connection:
    """Gives a connection to an overlay of the store that another one is of."""
    seen = over.seen
    if not engine.layer.is_shared:
        # A store of its own, in which nothing has happened that it would have to ask for.
        seen = Seen()
        seen.commit(engine.at, over.monotonic())
    return Connection(
        engine,
        url=f"{OVERLAY_URL}{over.url}@{engine.at}",
        timeout=over.timeout,
        seen=seen,
        limits=over.limits,
        release=engine.close,
    )
