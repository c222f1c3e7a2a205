"""``statehoused`` as a command: what it prints and exits with before there is a daemon."""

from __future__ import annotations

import contextlib
import os
import sys
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
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    warnings = unknown_variables(os.environ)
    if print_only:
        for warning in warnings:
            _complain(warning)
        sys.stdout.write(as_toml(configuration))
        return Exit.OK
    from statehouse.daemon.process import run

    return run(configuration, warnings)


def _complain(text: str) -> None:
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"statehoused: {paragraph(text)}\n")
