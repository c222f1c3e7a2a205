"""``store erase``: values that are to be gone for good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.command import accept_data_loss as accept_data_loss_option
from statehouse.cli.show import Output, note, printable
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse import Statehouse
    from statehouse.protocol.replies import Erased

__all__ = ["erase"]


@click.command(cls=Command)
@click.argument("agent")
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--prefix", metavar="TEXT", help="All keys that begin with TEXT too.")
@click.option("--all", "whole", is_flag=True, help="All keys of the agent.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@accept_data_loss_option
@click.pass_obj
def erase(
    settings: Settings,
    *,
    agent: str,
    keys: tuple[str, ...],
    prefix: str | None,
    whole: bool,
    dry_run: bool,
    yes: bool,
    accept_data_loss: bool,
) -> None:
    """Take values away for good, with their history.

    Every version of the keys, so that nobody reads them again, and the bytes are in no file of the store. To
    make the keys absent too, delete them first. Values of other keys that share bytes with them are erased as
    well; they are named first.

    Asks before it erases; where there is nobody to ask, it needs --yes. Exits with 3, and erases nothing,
    when one of the names was never written; erasing again what was erased is no error. Backups and dumps are
    yours to look after.
    """
    from statehouse.cli.opening import reading, writing

    wanted = _wanted(keys, prefix, whole=whole)
    output = Output(settings)
    if dry_run:
        with reading(settings) as reader:
            _require_written(reader.sh, agent, wanted)
            _show(output, _erased(reader.sh, agent, wanted, dry_run=True), dry_run=True)
        return
    if not yes and not sys.stdin.isatty():
        raise Refusal("there is nobody to ask: say --yes to erase, or --dry-run to look", Exit.USAGE)
    with writing(settings, accept_data_loss=accept_data_loss) as sh:
        _require_written(sh, agent, wanted)
        if not yes:
            _ask(_erased(sh, agent, wanted, dry_run=True), f"{sh.namespace}/{agent}")
        with output.progress("erasing"):
            done = _erased(sh, agent, wanted, dry_run=False)
        _show(output, done, dry_run=False)


def _wanted(keys: tuple[str, ...], prefix: str | None, *, whole: bool) -> dict[str, Any]:
    if whole and (keys or prefix is not None):
        raise Refusal("give keys or a prefix, or --all, not both", Exit.USAGE)
    if not (whole or keys or prefix):
        raise Refusal("say what to erase: keys, --prefix TEXT, or --all of the agent", Exit.USAGE)
    return {"keys": keys, "prefix": "" if whole else prefix}


def _require_written(sh: Statehouse, agent: str, wanted: dict[str, Any]) -> None:
    """Returns when every name was written once: a name that is misspelt must not pass for one that is gone.

    Raises:
        Refusal: One was not.
    """
    from statehouse.cli.absent import hinted, missing_agent, never_written

    missing = next(never_written(sh, agent, **wanted), None)
    if missing is not None:
        raise Refusal(hinted(f"{missing}; nothing was erased", missing_agent(sh, agent)), Exit.NOT_FOUND)


def _erased(sh: Statehouse, agent: str, wanted: dict[str, Any], *, dry_run: bool) -> Erased:
    return sh.erase(agent_id=agent, **wanted, dry_run=dry_run)


def _ask(found: Erased, whose: str) -> None:
    """Says what would be erased, and asks.

    Raises:
        Refusal: It is not to be.
    """
    note(f"{printable(whose)}: {_counted(found)}")
    if not _agreed("Erase them for good?"):
        raise Refusal("nothing was erased", Exit.FINDINGS)


def _agreed(question: str) -> bool:
    """Asks on stderr until there is an answer; none is no."""
    while True:
        try:
            sys.stderr.write(f"{question} [y/N]: ")
            sys.stderr.flush()
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            # What is said next begins a line.
            sys.stderr.write("\n")
            raise
        if not line:
            sys.stderr.write("\n")
            return False
        answer = line.strip().lower()
        if answer in ("y", "yes"):
            return True
        if answer in ("", "n", "no"):
            return False
        note("answer y to erase, n to leave everything as it is")


def _show(output: Output, found: Erased, *, dry_run: bool) -> None:
    if output.json:
        output.document(
            {
                "dry_run": dry_run,
                "versions": found.versions,
                "shared_versions": found.shared_versions,
                "shared_keys": list(found.shared_keys),
            }
        )
        return
    output.line(f"{_counted(found)} {'would be erased' if dry_run else 'erased'}")


def _counted(found: Erased) -> str:
    text = f"{found.versions:,} version{'' if found.versions == 1 else 's'}"
    if found.shared_versions:
        names = ", ".join(map(printable, found.shared_keys))
        text += f", and {found.shared_versions:,} of other keys that share bytes with them ({names})"
    return text
