"""The program: its commands, and how every error ends in one paragraph and an exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from statehouse import StatehouseError
from statehouse import __version__ as statehouse_version
from statehouse_langgraph import __version__
from statehouse_langgraph.cli import comparing, moving, threads, tree
from statehouse_langgraph.cli.exits import Exit, Refusal, exit_of
from statehouse_langgraph.cli.options import shared_options
from statehouse_langgraph.cli.output import complain, note

TRACEBACK_VARIABLE: Final = "STATEHOUSE_TRACEBACK"

_EPILOG: Final = """\b
Examples:
  export STATEHOUSE_URL=localhost:50051      (or file:./agent-data)
  statehouse-langgraph threads --status interrupted
  statehouse-langgraph tree t-1
  statehouse-langgraph diff t-1 step:2 latest
  statehouse-langgraph import --from sqlite:checkpoints.db

\b
A thread is an agent in the namespace "langgraph", so that these show more:
  statehousectl -n langgraph state t-1 --at -5m
  statehousectl -n langgraph replay t-1

\b
Exit codes:
  0  done                         4  somebody else wrote at the same time
  1  a negative answer            5  not available: no store, no daemon, held, full
  2  the command makes no sense   6  the store is damaged
  3  not found                    130  Ctrl-C
"""


class _Program(click.Group):
    """The root of the commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses, and prints the help; what goes wrong becomes a paragraph on stderr too."""
        with _ends_told():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; whatever it raises becomes a paragraph on stderr and an exit code."""
        # A value may hold what the terminal's encoding cannot say.
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
            f"{type(error).__name__}: {error}. This is a defect of statehouse-langgraph: please report it, "
            f"with what {TRACEBACK_VARIABLE}=1 prints"
        )
        _leave(Exit.DEFECT)


def _usage(error: click.UsageError) -> click.ClickException | click.exceptions.Exit:
    """Says what makes no sense, and gives what to raise instead."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    message = error.format_message().rstrip(".")
    complain(message[:1].lower() + message[1:])
    wrong_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
    if error.ctx is not None and not wrong_value:
        sys.stderr.write(f"{error.ctx.get_usage()}   (more: --help)\n")
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
        import traceback  # noqa: PLC0415 - only for who asks

        traceback.print_exc()


def _forget_output() -> None:
    """Lets what is still buffered go nowhere, so that the interpreter does not complain at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _version_option() -> click.Option:
    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_say_version,
        help="Print the version.",
    )


def _say_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from platform import python_version  # noqa: PLC0415 - only for who asks

        click.echo(
            f"statehouse-langgraph {__version__} (statehouse {statehouse_version}, Python {python_version()})"
        )
        ctx.exit()


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
    name="statehouse-langgraph",
    commands={
        str(command.name): command
        for command in (threads.threads, tree.tree, comparing.diff, threads.stats, moving.import_)
    },
    params=[*shared_options(), _version_option()],
    help="Looks at the threads of LangGraph in a Statehouse store, and moves threads in.",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGUMENTS]",
    options_metavar="[OPTIONS]",
)
