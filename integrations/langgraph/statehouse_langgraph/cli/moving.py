"""``import``: moving threads in from the databases of LangGraph's own savers."""

from __future__ import annotations

import click

from statehouse_langgraph.cli import databases
from statehouse_langgraph.cli.exits import Exit
from statehouse_langgraph.cli.options import Command, Settings, writing
from statehouse_langgraph.cli.output import Output, complain


@click.command("import", cls=Command)
@click.option(
    "--from",
    "source",
    required=True,
    metavar="SOURCE",
    help="sqlite:PATH, or a URL of PostgreSQL (postgresql://user:password@host/database).",
)
@click.option(
    "--thread", "thread_ids", multiple=True, metavar="ID", help="Only this thread; may be repeated."
)
@click.pass_obj
def import_(settings: Settings, *, source: str, thread_ids: tuple[str, ...]) -> None:
    """Copy the threads of a saver of LangGraph's into the store.

    The database is only read. Values are copied as they are: no class is loaded for them. May be stopped and
    started again at any time, and repeated: what is there already is skipped. Nobody should be writing to
    these threads meanwhile. Exits with 1 when a thread could not be taken, and says why; with 3 when
    one that was asked for is not there.
    """
    from statehouse_langgraph.importing import Progress, import_threads  # noqa: PLC0415 - LangGraph takes a second
    from statehouse_langgraph.verbatim import VerbatimSerializer  # noqa: PLC0415

    output = Output(settings)
    with (
        databases.opened(source) as saver,
        writing(settings, VerbatimSerializer()) as target,
        output.progress("importing") as show,
    ):
        found: set[str] = set()

        def on_progress(progress: Progress) -> None:
            found.add(progress.thread_id)
            show(progress.done, progress.total, progress.thread_id)

        done = import_threads(saver, target, thread_ids=set(thread_ids) or None, on_progress=on_progress)
    if settings.json:
        output.document(
            {
                "threads": done.threads,
                "checkpoints": done.checkpoints,
                "tasks": done.tasks,
                "skipped": done.skipped,
                "refused": done.refused,
            }
        )
    else:
        output.line(
            f"imported {done.checkpoints:,} checkpoints and the writes of {done.tasks:,} tasks of "
            f"{done.threads:,} threads; {done.skipped:,} checkpoints were there already"
        )
    for thread_id, why in done.refused.items():
        complain(f"thread {thread_id!r} was not taken whole: {why}")
    missing = sorted(set(thread_ids) - found)
    if missing:
        complain(f"{databases.without_secrets(source)} has no thread {', '.join(missing)}")
    if done.refused:
        raise click.exceptions.Exit(Exit.FINDINGS)
    if missing:
        raise click.exceptions.Exit(Exit.NOT_FOUND)
