"""The program: its commands in sections, and how every error ends in one paragraph and an exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from statehouse.cli import blaming, diffing, events, finding, inventory, program, reading, store, writing
from statehouse.cli.command import Section, command_rows
from statehouse.cli.runs import run
from statehouse.cli.show import complain, note
from statehouse.errors import StatehouseError
from statehouse.programs.exits import Exit, Refusal, exit_of
from statehouse.programs.versions import version_option

__all__ = ["app"]

TRACEBACK_VARIABLE: Final = "STATEHOUSE_TRACEBACK"

_SECTIONS: Final[dict[str, tuple[click.Command, ...]]] = {
    "Read": (reading.get, reading.keys, reading.scan, reading.history, reading.state, diffing.diff),
    "Write": (writing.put, writing.delete),
    "What happened": (events.replay, finding.find, blaming.blame),
    "Runs of steps": (run,),
    "What there is": (inventory.agents, inventory.namespaces, store.store),
    "Whether it works": (program.health, program.version),
}

_EPILOG: Final = """\b
Examples:
  export STATEHOUSE_URL=localhost:50051      (or file:./agent-data)
  statehousectl put planner goal '"make tea"'
  statehousectl get planner goal --at -5m
  statehousectl diff planner --at 100 --to 120
  statehousectl replay planner --follow
  statehousectl find 85d6b84389c2c7fc        (a span, a trace, a run, ...)
  statehousectl run show r-42 --follow
  statehousectl store dump -o - | gzip > agent-data.jsonl.gz

\b
Where a point in time is asked for, write a commit_ts (7), a time
(2026-11-23T16:00:00Z; UTC unless it has a zone) or an age (-5m).

\b
Exit codes:
  0  done                         4  a precondition or other history stands against it
  1  a negative answer            5  not available: no store, no daemon, held, full
  2  the command makes no sense   6  the store or the dump is damaged
  3  not found                    130  Ctrl-C

\b
Completion in the shell:
  eval "$(_STATEHOUSECTL_COMPLETE=bash_source statehousectl)"    (or zsh_source, fish_source)
"""


class _Program(Section):
    """The root of the commands."""

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.params.append(version_option("statehousectl"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands in their sections."""
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(command_rows(commands))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses, and prints the help; what goes wrong becomes a paragraph on stderr too."""
        with _ends_told():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; whatever it raises becomes a paragraph on stderr and an exit code."""
        # A name or value may hold what the terminal's encoding cannot say.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        with _ends_told(), _warnings():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


@contextlib.contextmanager
def _ends_told() -> Iterator[None]:
    """Makes of whatever is raised inside a paragraph on stderr and an exit code."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        # click makes an Abort of Ctrl-C at a question.
        _leave(Exit.INTERRUPTED)
    except click.UsageError as error:
        raise _usage(error) from None
    except Refusal as error:
        complain(str(error))
        _leave(error.code)
    except StatehouseError as error:
        _trace()
        complain(error.message)
        _leave(exit_of(error))
    except BrokenPipeError:
        _forget_output()
        _leave(Exit.BROKEN_PIPE)
    except OSError as error:
        _trace()
        complain(f"{error.filename or 'input or output'}: {error.strerror or error}")
        _leave(Exit.UNAVAILABLE)
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception as error:  # noqa: BLE001 - a traceback helps nobody who typed a command
        _trace()
        complain(
            f"{type(error).__name__}: {error}. This is a defect of statehousectl: please report it, "
            f"with what {TRACEBACK_VARIABLE}=1 prints"
        )
        _leave(Exit.DEFECT)


def _usage(error: click.UsageError) -> click.ClickException | click.exceptions.Exit:
    """Says what makes no sense, and gives what to raise instead."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    message = error.format_message().rstrip(".")
    complain(message[:1].lower() + message[1:])
    ctx = error.ctx
    wrong_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
    if ctx is not None and not wrong_value:
        sys.stderr.write(f"{ctx.get_usage()}   (more: --help)\n")
    return click.exceptions.Exit(Exit.USAGE)


def _leave(code: Exit) -> None:
    # Not `raise ... from`: the error has been told.
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _forget_output()
    raise click.exceptions.Exit(code) from None


def _trace() -> None:
    if os.environ.get(TRACEBACK_VARIABLE):
        import traceback

        traceback.print_exc()


def _forget_output() -> None:
    """Lets what is still buffered go nowhere, so that the interpreter does not complain at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _Notes(logging.Handler):
    """What the library logs, as notes to the person."""

    def emit(self, record: logging.LogRecord) -> None:
        note(f"{record.levelname.lower()}: {record.getMessage()}")


@contextlib.contextmanager
def _warnings() -> Iterator[None]:
    handler = _Notes(logging.WARNING)
    logger = logging.getLogger("statehouse")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


app: Final = _Program(
    name="statehousectl",
    commands={
        command.name: command for commands in _SECTIONS.values() for command in commands if command.name
    },
    help="Looks into a Statehouse store: the state and memory of agents, now, as it was, and as a replay.",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGUMENTS]",
    options_metavar="[OPTIONS]",
)
