"""What is true: the engine over a `Store`.

A commit's way through this floor: `local` takes the request, `writer` queues and groups it, `commits`
decides and turns it into rows (a pure function), `storage` writes and syncs them, `writer` announces it.
A read's way: `local` dispatches, `reads` or `replay` look it up as of one commit_ts.

`layout` names every byte on disk; nothing else packs or unpacks one.
"""

from statehouse.engine.clock import Clock, SystemClock
from statehouse.engine.local import Durability, LocalEngine, open_engine

__all__ = ["Clock", "Durability", "LocalEngine", "SystemClock", "open_engine"]
