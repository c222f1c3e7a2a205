"""What ``--version`` is, and what it says; each program has it."""

from __future__ import annotations

import click

__all__ = ["version_option", "version_text"]


def version_text(program: str) -> str:
    """Gives what a program says of its version."""
    from platform import python_version  # noqa: PLC0415 - only for who asks

    from statehouse._version import __version__, git_sha  # noqa: PLC0415 - only for who asks

    return f"{program} {__version__} (revision {git_sha()}, Python {python_version()})"


def version_option(program: str) -> click.Option:
    """Gives ``--version`` of a program."""

    def say(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            click.echo(version_text(program))
            ctx.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=say,
        help="Print the version.",
    )
