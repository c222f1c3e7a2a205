"""The state that a run has: the store's, or for a fork what it wrote over its parent's.

A fork of a fork has an overlay over an overlay.
"""

from __future__ import annotations

from typing import Final

from statehouse.client.blocking import run
from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.debug.overlay.layers import ForkLayer
from statehouse.errors import LimitExceededError
from statehouse.extend import Engine
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord

_DEPTH_MAX: Final = 16


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
