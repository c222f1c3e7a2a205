"""Engines of daemons that hold commits, or refuse."""

from __future__ import annotations

import threading
from typing import Any

from statehouse.errors import StatehouseError
from statehouse.protocol.requests import Commit, Request
from tests.client.engines import HoldingEngine, RecordingEngine


class Held:
    """An engine that holds commits, and says when it has one.

    Attributes:
        engine: The engine.
        held: Set when it holds a commit.

    Args:
        begun: Whether what it holds is as if it were being written, so that it cannot be taken back.
    """

    def __init__(self, *, begun: bool) -> None:
        self.engine = HoldingEngine(begun=begun)
        self.held = threading.Event()
        self.engine.when_held = self.held.set


def refusing(*errors: StatehouseError, kind: type[Request[Any]] = Commit) -> RecordingEngine:
    """An engine that refuses its first requests of a kind with these errors, and answers all others."""
    left = list(errors)

    def before(request: Request[Any]) -> None:
        if left and isinstance(request, kind):
            raise left.pop(0)

    return RecordingEngine(before)
