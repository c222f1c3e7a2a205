"""The checkpointers that LangGraph's users have, with their defaults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver


@contextmanager
def sqlite(path: Path) -> Iterator[BaseCheckpointSaver[Any]]:
    """A `SqliteSaver` on a file in a new directory."""
    path.mkdir(parents=True)
    with SqliteSaver.from_conn_string(str(path / "checkpoints.sqlite")) as saver:
        yield saver


@contextmanager
def postgres(connection: str) -> Iterator[BaseCheckpointSaver[Any]]:
    """A `PostgresSaver` with a connection of its own."""
    with PostgresSaver.from_conn_string(connection) as saver:
        saver.setup()
        yield saver
