"""``import``: moving threads in from the databases of LangGraph's own savers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from statehouse_langgraph.cli.exits import Exit, Refusal
from statehouse_langgraph.cli.options import Command, Settings, writing
from statehouse_langgraph.cli.output import Output, complain, note

_SQLITE: Final = "sqlite:"
_POSTGRES: Final = ("postgres:", "postgresql:")


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
    these threads meanwhile. Exits with 1 when a thread could not be taken, and says why.
    """
    from statehouse_langgraph.importing import Progress, import_threads  # noqa: PLC0415 - LangGraph takes a second
    from statehouse_langgraph.verbatim import VerbatimSerializer  # noqa: PLC0415

    output = Output(settings)
    with (
        _opened(source) as saver,
        writing(settings, VerbatimSerializer()) as target,
        output.progress("importing") as show,
    ):

        def on_progress(progress: Progress) -> None:
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
    if done.refused:
        raise click.exceptions.Exit(Exit.FINDINGS)
    missing = set(thread_ids) if not (done.checkpoints or done.skipped) else set()
    if missing:
        note(f"{source.rsplit('@', maxsplit=1)[-1]} has no thread {', '.join(sorted(missing))}")


@contextmanager
def _opened(source: str) -> Iterator[Any]:
    if source.startswith(_SQLITE):
        with _sqlite(Path(source.removeprefix(_SQLITE))) as saver:
            yield saver
    elif source.startswith(_POSTGRES):
        with _postgres(source) as saver:
            yield saver
    else:
        raise Refusal(
            f"--from {source!r:.80} is neither sqlite:PATH nor a URL of PostgreSQL "
            "(postgresql://user:password@host/database); other savers are imported in Python, with "
            "statehouse_langgraph.importing.import_threads",
            Exit.USAGE,
        )


@contextmanager
def _sqlite(path: Path) -> Iterator[Any]:
    try:
        from langgraph.checkpoint.sqlite import SqliteSaver  # noqa: PLC0415 - only who has such a database has it
    except ImportError:
        raise _not_installed("langgraph-checkpoint-sqlite") from None
    from statehouse_langgraph.verbatim import VerbatimSerializer  # noqa: PLC0415

    if not path.is_file():
        raise Refusal(f"there is no file {str(path)!r}", Exit.UNAVAILABLE)
    try:
        # Read only: an import must not change what it comes from.
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        with closing(connection):
            columns = {row[1] for row in connection.execute("PRAGMA table_info(writes)")}
            if not columns:
                raise Refusal(f"{str(path)!r} holds no checkpoints of LangGraph", Exit.UNAVAILABLE)
            saver = SqliteSaver(connection, serde=VerbatimSerializer())
            saver.is_setup = True
            saver._has_task_path = "task_path" in columns  # noqa: SLF001 - what its setup would find out by writing
            yield saver
    except sqlite3.Error as error:
        raise Refusal(f"{str(path)!r} cannot be read: {error}", Exit.UNAVAILABLE) from None


@contextmanager
def _postgres(url: str) -> Iterator[Any]:
    try:
        import psycopg  # noqa: PLC0415 - only who has such a database has it
        from langgraph.checkpoint.postgres import PostgresSaver  # noqa: PLC0415
    except ImportError:
        raise _not_installed("langgraph-checkpoint-postgres 'psycopg[binary]'") from None
    from statehouse_langgraph.verbatim import VerbatimSerializer  # noqa: PLC0415

    try:
        with PostgresSaver.from_conn_string(url) as saver:
            saver.serde = VerbatimSerializer()
            yield saver
    except psycopg.errors.UndefinedTable:
        raise Refusal("the database holds no checkpoints of LangGraph", Exit.UNAVAILABLE) from None
    except psycopg.errors.UndefinedColumn:
        raise Refusal(
            "the tables are those of an old langgraph-checkpoint-postgres: call setup() of the new one first",
            Exit.UNAVAILABLE,
        ) from None
    except psycopg.Error as error:
        raise Refusal(f"PostgreSQL: {error}", Exit.UNAVAILABLE) from None


def _not_installed(what: str) -> Refusal:
    return Refusal(f"this needs a package that is not installed: pip install {what}", Exit.UNAVAILABLE)
