"""Ours and the peers, each on an empty store; a PostgreSQL for the tests that ask for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import psycopg
import pytest

from benchmarks.postgres import postgres
from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.peers.savers import Saver, peer

PEERS = (
    "memory",
    "sqlite",
    pytest.param("postgres", marks=[pytest.mark.slow, pytest.mark.needs("postgresql", "setpriv")]),
)


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """Gives the connection string of a new database each time; the server is started at the first."""
    numbers = count()
    with ExitStack() as running:
        server: list[str] = []

        def new() -> str:
            if not server:
                server.append(running.enter_context(postgres()))
            name = f"peer_{next(numbers)}"
            with psycopg.connect(server[0], autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return server[0].replace("/postgres?", f"/{name}?")

        yield new


@pytest.fixture(params=PEERS)
def theirs(
    request: pytest.FixtureRequest, tmp_path: Path, new_database: Callable[[], str]
) -> Iterator[Saver]:
    """Each of LangGraph's own savers."""
    with peer(request.param, tmp_path, new_database) as saver:
        yield saver


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Statehouse]:
    """An empty store on disk."""
    with Statehouse(f"file:{tmp_path / 'statehouse'}") as opened:
        yield opened


@pytest.fixture
def ours(store: Statehouse) -> StatehouseSaver:
    """Our saver."""
    return StatehouseSaver(store)
