"""Commits that come in one pass of the event loop become one group."""

from __future__ import annotations

import asyncio
from typing import Any

from statehouse.protocol.engine import Engine


class Gathering:
    """Has an engine hold what is submitted to it until everything that is there has been.

    A batch of commits is as large a group as can be had. The writer's thread would begin with the first of
    it, and then fight over the interpreter with the loop that submits the second.

    Args:
        engine: What commits; if it has nothing to hold them, nothing happens here.
    """

    def __init__(self, engine: Engine) -> None:
        self._local = _local(engine)
        self._loop = asyncio.get_running_loop()
        self._begun = False

    def begin(self) -> None:
        """Something is submitted now; more may follow in this pass of the loop."""
        if not self._begun and self._local is not None:
            self._begun = True
            self._local.hold()
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        self._begun = False
        self._local.write_here()


def _local(engine: Any) -> Any:
    """The engine that commits, whatever is around it to make spans or count."""
    while engine is not None and not hasattr(engine, "hold"):
        engine = getattr(engine, "engine", None)
    return engine
