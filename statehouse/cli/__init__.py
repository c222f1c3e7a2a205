"""``statehousectl``, the command line: looks into a store, changes it, checks it, dumps and loads it.

The grammar is one for all commands: ``--at`` everywhere a read is, ``--json`` on everything. What they share
is in `command` (options), `opening` (the store) and `show` (output); each module of commands imports what it
needs when it runs.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command that ``sys.argv`` names, and exits with its code (`statehouse.programs.exits`)."""
    try:
        import os

        from statehouse.programs.streams import open_closed_streams

        open_closed_streams()
        # What gRPC's core has to say it says on stderr, in a form of its own; and errors reach us as errors.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from statehouse.cli.app import app

        app.main(prog_name="statehousectl")
    except KeyboardInterrupt:
        # Before there was a command to end.
        raise SystemExit(130) from None
