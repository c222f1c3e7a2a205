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
    except OSError as error:
        # The help finds no room; what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _unwritten(error)
    warnings = unknown_variables(os.environ)
    if print_only:
        for warning in warnings:
            _complain(warning)
        return _print(as_toml(configuration))
    from statehouse.daemon.process import run

    return run(configuration, warnings)


def _print(text: str) -> Exit:
    try:
        _write(1, text)
    except BrokenPipeError:
        return Exit.BROKEN_PIPE
    except OSError as error:
        return _unwritten(error)
    return Exit.OK


def _unwritten(error: OSError) -> Exit:
    _complain(f"{error.filename or 'output'}: {error.strerror or error}")
    return Exit.UNAVAILABLE


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        _write(2, f"statehoused: {paragraph(text)}\n")


def _write(descriptor: int, text: str) -> None:
    # Python's own streams are not there when their descriptors were closed.
    data = text.encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(descriptor, data) :]
