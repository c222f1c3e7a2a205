"""``statehouse-langgraph``, the command line: the threads of LangGraph in a store, and moving threads in.

The grammar, the exit codes and the manner of errors are those of ``statehousectl``, which shows the same
threads row by row, commit by commit, and as of any commit.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command that ``sys.argv`` names, and exits with its code (`cli.exits`)."""
    from statehouse_langgraph.cli.app import app  # noqa: PLC0415 - importing this package costs nothing

    app.main(prog_name="statehouse-langgraph")
