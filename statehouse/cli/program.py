"""``health`` and ``version``: whether it works, and what it is."""

from __future__ import annotations

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.show import Output
from statehouse.programs.exits import Exit, Refusal

__all__ = ["health", "version"]


@click.command(cls=Command)
@click.pass_obj
def health(settings: Settings) -> None:
    """Say ok when the store can be opened and read.

    Exits with 5 when there is none, and with 6 when it is damaged or acknowledged commits are missing.
    """
    from statehouse.cli.opening import reading

    with reading(settings) as reader:
        answer = reader.sh.health()
        commit_ts = reader.sh.status().commit_ts
    if reader.losses:
        raise Refusal("the store answers, but acknowledged commits are missing from it", Exit.DAMAGED)
    output = Output(settings)
    if settings.json:
        output.document({"health": answer, "commit_ts": commit_ts})
    else:
        output.line(answer)


@click.command(cls=Command)
@click.pass_obj
def version(settings: Settings) -> None:
    """Print the version of this program."""
    from platform import python_version

    from statehouse._version import __version__, git_sha

    output = Output(settings)
    if settings.json:
        output.document({"version": __version__, "git_sha": git_sha(), "python": python_version()})
    else:
        output.line(f"statehousectl {__version__} (revision {git_sha()}, Python {python_version()})")
