"""A process that adds checkpoints to a thread that others add to as well.

``python -m tests.langgraph.crash.writer URL LEDGER NAME MODE`` reads the newest checkpoint and goes on from
there, over and over; MODE is ``fork``, ``error`` or ``lease``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from langgraph.checkpoint.base.id import uuid6

from statehouse import Statehouse
from statehouse_langgraph import ConcurrentWriteError, LeaseHeldError, StatehouseSaver
from tests.langgraph.crash.ledger import Ledger
from tests.langgraph.saver.chains import checkpoint, place, tuple_at

ROUNDS: Final = 40


def step(saver: StatehouseSaver, ledger: Ledger, name: str) -> None:
    """Counts one further than the newest checkpoint."""
    newest = tuple_at(saver, place())
    head, count = newest.checkpoint["id"], newest.checkpoint["channel_values"]["count"]
    version = saver.get_next_version(newest.checkpoint["channel_versions"]["count"], None)  # type: ignore[arg-type]
    new: Any = checkpoint(str(uuid6()), {"count": count + 1}, {"count": version})
    saver.put(place(checkpoint_id=head), new, {"source": "loop"}, {"count": version})
    ledger.write(kind="put", checkpoint=new["id"], parent=head, writer=name)


def main(url: str, path: str, name: str, mode: str) -> None:
    """Adds checkpoints."""
    ledger = Ledger(Path(path))
    with Statehouse(url) as handle:
        saver = StatehouseSaver(handle, on_concurrent_write="error" if mode == "error" else "fork")
        left = ROUNDS
        while left:
            try:
                if mode == "lease":
                    with saver.lease("t"):
                        step(saver, ledger, name)
                else:
                    step(saver, ledger, name)
            except ConcurrentWriteError:
                ledger.write(kind="refused", writer=name)
            except LeaseHeldError:
                continue
            else:
                left -= 1


if __name__ == "__main__":
    main(*sys.argv[1:])
