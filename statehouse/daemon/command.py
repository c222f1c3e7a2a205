"""``statehoused`` as a command: what it prints and exits with before there is a daemon."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

import click

from statehouse.daemon.config import configure, require_consistent, unknown_variables
from statehouse.daemon.printed import as_toml
from statehouse.programs.exits import Exit, Refusal
from statehouse.programs.words import paragraph

__all__ = ["command"]


def command(args: Sequence[str]) -> int:
    """Does what the command line says.

    Returns:
        What the process exits with.
    """
    try:
        configuration, print_only = configure(args)
        if not print_only:
            require_consistent(configuration)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        _complain(f"{error.format_message().rstrip('.')} (more: statehoused --help)")
        return Exit.USAGE
    except Refusal as refusal:
        _complain(str(refusal))
        return refusal.code
    except BrokenPipeError:
        # Whoever read the help went away; what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Exit.BROKEN_PIPE
    warnings = unknown_variables(os.environ)
    if print_only:
        for warning in warnings:
            _complain(warning)
        _write(1, as_toml(configuration))
        return Exit.OK
    from statehouse.daemon.process import run

    return run(configuration, warnings)


def _complain(text: str) -> None:
    _write(2, f"statehoused: {paragraph(text)}\n")


def _write(descriptor: int, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    # Python's own streams are not there when their descriptors were closed.
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]
