"""What all commands share: their options, and how their help is laid out.

`Command` gives every command the options of `SHARED`, which the program itself takes too: they may stand
before or after the command's name, and the later one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from statehouse.cli.times import POINT
from statehouse.programs.exits import Exit, Refusal
from statehouse.protocol.limits import DEFAULT_LIMITS

__all__ = [
    "COUNT",
    "ORDINAL",
    "Command",
    "Section",
    "Settings",
    "accept_data_loss",
    "at",
    "command_rows",
    "limit",
    "reverse",
    "shared_options",
]


class _Number(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """A whole number that is not too small; unlike click's ranges its help does not say so in symbols."""

    name = "N"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Gives the number."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and self._least <= int(text) < 2**53):
            self.fail(f"{text!r:.80} is not a whole number, {self._least} or more", param, ctx)
        return int(text)


class _Seconds(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """How long something may take."""

    name = "SECONDS"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Gives the number."""
        low, high = DEFAULT_LIMITS.timeout_s_min, DEFAULT_LIMITS.timeout_s_max
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not low <= seconds <= high:
            self.fail(f"{value!r:.80} is not a number of seconds, {low:g} to {high:g}", param, ctx)
        return seconds


COUNT: Final = _Number(0)
ORDINAL: Final = _Number(1)

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(slots=True)
class Settings:
    """What the shared options say; filled while the command line is parsed.

    Attributes:
        url: The store; None for ``$STATEHOUSE_URL``, or else the daemon of this machine.
        namespace: The namespace; None for the default one (or for all, where a command says so).
        timeout: Seconds a commit may take, and the answer of a daemon.
        connect_timeout: Seconds to wait for a daemon that is not there.
        json: Whether output is JSON.
        color: Whether a terminal gets colours.
    """

    url: str | None = None
    namespace: str | None = None
    timeout: float = 30.0
    connect_timeout: float = 1.0
    json: bool = False
    color: bool = True


def _set(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    settings: Settings = ctx.find_root().ensure_object(Settings)
    if param.name == "no_color":
        settings.color = settings.color and not value
    elif param.name == "json":
        settings.json = settings.json or bool(value)
    elif value is not None:
        setattr(settings, str(param.name), value)


def shared_options() -> list[click.Parameter]:
    """Gives the options that the program and every command take."""

    def option(*names: str, **facts: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_set, **facts)

    return [
        option(
            "--url",
            metavar="URL",
            help="The store: file:./directory, or a daemon's HOST:PORT or unix:/path. Default: "
            "$STATEHOUSE_URL, or else localhost:50051.",
        ),
        option("--namespace", "-n", metavar="NAME", help="The namespace. Default: default."),
        option(
            "--timeout",
            type=_Seconds(),
            metavar="SECONDS",
            help="How long a commit may take, and the answer of a daemon. Default: 30.",
        ),
        option(
            "--connect-timeout",
            type=_Seconds(),
            metavar="SECONDS",
            help="How long to wait for a daemon that is not there. Default: 1.",
        ),
        option("--json", is_flag=True, help="Print JSON: a document, or a line for each row."),
        option("--no-color", is_flag=True, help="No colours; NO_COLOR=1 says so too."),
    ]


_SHARED_NAMES: Final = frozenset({"url", "namespace", "timeout", "connect_timeout", "json", "no_color"})


class Command(click.Command):
    """A command with the shared options; its help lists them apart."""

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.params += shared_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the command's own options, then those of every command."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                (shared if param.name in _SHARED_NAMES else own).append(record)
        for title, records in (("Options", own), ("Options of every command", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses, and says how to write a value that begins with a dash."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name[1:2].isdigit():
                raise Refusal(
                    f"{error.option_name} is no option; write -- before a value that begins with a dash",
                    Exit.USAGE,
                ) from None
            raise


class Section(click.Group):
    """A group of commands, all of which are `Command`; it takes the shared options too."""

    command_class = Command

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.params += shared_options()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands, one line each."""
        with formatter.section("Commands"):
            formatter.write_dl(command_rows(self.commands.values()))


def command_rows(commands: Iterable[click.Command], before: str = "") -> list[tuple[str, str]]:
    """Gives names and first sentences of commands; a group's commands stand for the group."""
    rows: list[tuple[str, str]] = []
    for command in commands:
        if isinstance(command, click.Group):
            rows += command_rows(command.commands.values(), f"{before}{command.name} ")
        else:
            rows.append((f"{before}{command.name}", command.get_short_help_str(90).rstrip(".")))
    return rows


def at(function: Decorated) -> Decorated:
    """Adds ``--at``."""
    return click.option(
        "--at", type=POINT, help="Read as of a commit_ts (7), a time (2026-11-23T16:00:00Z) or an age (-5m)."
    )(function)


def limit(function: Decorated) -> Decorated:
    """Adds ``--limit``."""
    return click.option("--limit", type=COUNT, help="Stop after N rows.")(function)


def reverse(function: Decorated) -> Decorated:
    """Adds ``--reverse``."""
    return click.option("--reverse", is_flag=True, help="Begin at the end.")(function)


def accept_data_loss(function: Decorated) -> Decorated:
    """Adds ``--accept-data-loss``."""
    return click.option(
        "--accept-data-loss",
        is_flag=True,
        help="Open the store although commits that were acknowledged are missing from it.",
    )(function)
