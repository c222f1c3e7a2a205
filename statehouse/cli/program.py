"""``health`` and ``version``: whether it works, and what it is."""

from __future__ import annotations

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.show import Output
from statehouse.programs.exits import Exit, Refusal
from statehouse.programs.versions import version_text

__all__ = ["health", "version"]


@click.command(cls=Command)
@click.pass_obj
def health(settings: Settings) -> None:
    """Say ok when the store can be read.

    Exits with 5 when there is none, or no daemon answers, and with 6 when it is damaged or acknowledged
    commits are missing.
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
    """Print the version of this program, and of a daemon.

    Of the daemon that --url or STATEHOUSE_URL names, if one does. Exits with 5 when it does not answer.
    """
    from platform import python_version

    from statehouse._version import __version__, git_sha

    output = Output(settings)
    own = {"version": __version__, "git_sha": git_sha(), "python": python_version()}
    if not settings.json:
        output.line(version_text("statehousectl"))
        output.flush()
    daemon = _daemon_version(settings)
    if settings.json:
        output.document({**own, "daemon": daemon})
    elif daemon is not None:
        output.line(f"statehoused {daemon['version']} (revision {daemon['git_sha']}) at {daemon['url']}")


def _daemon_version(settings: Settings) -> dict[str, str] | None:
    from statehouse.cli.opening import names_daemon

    # Whoever asks for the version of this program only is answered at once, and without any store.
    if not names_daemon(settings):
        return None
    from statehouse.cli.opening import reading

    with reading(settings) as reader:
        found = reader.sh.version()
    return {"version": found.version, "git_sha": found.git_sha, "url": reader.daemon}
