"""The databases of LangGraph's own savers, opened to be read and left as they were.

* D1. SQLite locks out writers, and makes its files ``-wal`` and ``-shm`` beside a database to do so. One that
  may write takes them away again; one that may not leaves them. So a database that has none is opened for
  both, and told to change nothing.
* D2. One that has them, or a journal of what was not finished, is opened for reading only: whoever could
  write would put into the database what is in these.
* D3. Where SQLite can make no files, it can only be told that nobody writes. That is so as far as can be seen
  if nothing waits beside the database; otherwise it must be copied to where there can be files.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from statehouse_langgraph.cli.exits import Exit, Refusal

_SQLITE: Final = "sqlite:"
_POSTGRES: Final = ("postgres:", "postgresql:")
_SQLITE_ENDINGS: Final = (".db", ".sqlite", ".sqlite3")
_NO_FILES: Final = ("SQLITE_READONLY", "SQLITE_CANTOPEN")

_SECRETS: Final = (
    re.compile(r"(?<=//)(?P<before>[^:@/]*):.*(?P<after>@)"),
    re.compile(r"(?P<before>[?&](?:ssl)?password)=[^&]*(?P<after>)"),
)


def without_secrets(source: str) -> str:
    """Gives a URL as it may be shown: without its passwords."""
    for secret in _SECRETS:
        source = secret.sub(
            lambda found: f"{found['before']}{':' if found['after'] else '='}...{found['after']}", source
        )
    return source


@contextmanager
def opened(source: str) -> Iterator[Any]:
    """Opens what ``--from`` names, and gives a saver on it that decodes nothing.

    Raises:
        Refusal: There is no such database, or it cannot be read.
    """
    if source.startswith(_SQLITE):
        with _sqlite(source.removeprefix(_SQLITE)) as saver:
            yield saver
    elif source.startswith(_POSTGRES):
        with _postgres(source) as saver:
            yield saver
    else:
        is_path = "//" not in source and (Path(source).is_file() or source.endswith(_SQLITE_ENDINGS))
        raise Refusal(
            f"--from {without_secrets(source)!r:.200} is neither sqlite:PATH nor a URL of PostgreSQL "
            "(postgresql://user:password@host/database); other savers are imported in Python, with "
            "statehouse_langgraph.importing.import_threads"
            + (f"; did you mean {_SQLITE}{source:.200} ?" if is_path else ""),
            Exit.USAGE,
        )


@contextmanager
def _sqlite(name: str) -> Iterator[Any]:
    try:
        from langgraph.checkpoint.sqlite import SqliteSaver  # noqa: PLC0415 - only who has such a database has it
    except ImportError:
        raise _not_installed("langgraph-checkpoint-sqlite") from None
    from statehouse_langgraph.verbatim import VerbatimSerializer  # noqa: PLC0415

    if not name:
        raise Refusal("--from sqlite: names no file; write sqlite:checkpoints.db", Exit.USAGE)
    path = Path(name)
    if path.is_dir():
        raise Refusal(f"{name!r} is a directory; name the file of the database in it", Exit.UNAVAILABLE)
    if not path.is_file():
        raise Refusal(f"there is no file {name!r}", Exit.UNAVAILABLE)
    try:
        with closing(_connected(path.resolve())) as connection:
            columns = {row[1] for row in connection.execute("PRAGMA table_info(writes)")}
            if not columns:
                raise Refusal(f"{name!r} holds no checkpoints of LangGraph", Exit.UNAVAILABLE)
            saver = SqliteSaver(connection, serde=VerbatimSerializer())
            saver.is_setup = True
            saver._has_task_path = "task_path" in columns  # noqa: SLF001 - what its setup would find out by writing
            yield saver
    except sqlite3.Error as error:
        advice = "; copy it, with what is beside it, to a directory that can be written"
        raise Refusal(
            f"{name!r} cannot be read: {error}{advice if _needs_files(error) else ''}", Exit.UNAVAILABLE
        ) from None


def _connected(path: Path) -> sqlite3.Connection:
    wal, journal = (Path(f"{path}-{what}") for what in ("wal", "journal"))
    may_write = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if may_write and not wal.exists() and not journal.exists():
        return _reader(path, "mode=rw")  # D1
    try:
        return _reader(path, "mode=ro")  # D2
    except sqlite3.Error as error:
        waiting = journal.exists() or (wal.exists() and wal.stat().st_size > 0)
        if may_write or waiting or not _needs_files(error):
            raise
    return _reader(path, "mode=ro&immutable=1")  # D3


def _reader(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        # What cannot be read is only found out by reading.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _needs_files(error: sqlite3.Error) -> bool:
    """Whether SQLite wanted to make a file, and could not."""
    return str(getattr(error, "sqlite_errorname", "")).startswith(_NO_FILES)


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
