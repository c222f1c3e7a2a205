"""``statehoused``, the daemon: the engine on one store, behind gRPC.

A composition root. `config` reads flags, variables and a file into `settings`; `logs` and `lines` say what
happens; `addresses` decides what may be listened on; `process` opens the store, serves it and closes it;
`signals` says when. What only a running daemon needs is imported when it runs.
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> int:
    """Runs the daemon that ``sys.argv`` and the environment describe.

    Returns:
        What the process exits with (`statehouse.programs.exits`).
    """
    _take_care_of_descriptors()
    # What it makes, sockets among it, is for its own user.
    os.umask(0o077)
    # What gRPC's core has to say it says on stderr, in a form of its own; and errors reach us as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from statehouse.daemon.command import command

        return command(sys.argv[1:])
    except KeyboardInterrupt:
        # Before there was anything to end.
        return 130


def _take_care_of_descriptors() -> None:
    """Opens what was closed of stdin, stdout and stderr.

    The next file that is opened gets the lowest free number: without this, what anything prints would end
    up in a file of the store.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Lower ones are open by now, so this is the number that it gets.
            os.open(os.devnull, os.O_RDWR)
