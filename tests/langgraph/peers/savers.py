"""The savers that LangGraph's users have, each on an empty store, as its documentation has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver

Saver = BaseCheckpointSaver[Any]
SQLITE_FILE: Final = "checkpoints.sqlite"


@contextmanager
def peer(name: str, folder: Path, postgres_url: Callable[[], str]) -> Iterator[Saver]:
    """Opens LangGraph's own saver of this name; a file is made in the folder."""
    match name:
        case "memory":
            yield InMemorySaver()
        case "sqlite":
            with SqliteSaver.from_conn_string(str(folder / SQLITE_FILE)) as sqlite:
                yield sqlite
        case "postgres":
            with PostgresSaver.from_conn_string(postgres_url()) as postgres:
                postgres.setup()
                yield postgres
        case _:
            raise AssertionError(name)


def value_bytes(saver: Saver, folder: Path) -> int:
    """How many bytes the values of a saver's channels take; for SQLite, whose rows hold them, its files."""
    match saver:
        case InMemorySaver():
            return sum(len(data) for _, data in saver.blobs.values())
        case SqliteSaver():
            return sum(file.stat().st_size for file in folder.glob(f"{SQLITE_FILE}*"))
        case PostgresSaver():
            with saver._cursor() as cursor:
                cursor.execute("SELECT sum(length(blob)) AS bytes FROM checkpoint_blobs")
                [row] = cursor.fetchall()
                return int(row["bytes"])
        case _:
            raise AssertionError(saver)
