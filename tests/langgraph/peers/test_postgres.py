"""The PostgreSQL that tests and benchmarks start: it works, and is never left behind."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from tests.langgraph.saver.chains import Chain, ids, place

pytestmark = [pytest.mark.slow, pytest.mark.needs("postgresql", "setpriv")]

STARTS_ONE = """
import sys
from benchmarks.postgres import postgres
with postgres() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def test_both_savers_work_on_it(new_database: Callable[[], str]) -> None:
    url = new_database()
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
        Chain(saver).add("1", {"x": 1})

    async def read() -> list[str]:
        async with AsyncPostgresSaver.from_conn_string(url) as awaiting:
            return [each.checkpoint["id"] async for each in awaiting.alist(place(ns=None))]

    assert asyncio.run(read()) == ["1"]


def test_databases_are_apart(new_database: Callable[[], str]) -> None:
    with (
        PostgresSaver.from_conn_string(new_database()) as one,
        PostgresSaver.from_conn_string(new_database()) as other,
    ):
        for saver in (one, other):
            saver.setup()
        Chain(one).add("1", {"x": 1})
        assert ids(other) == []


def test_it_ends_with_a_program_that_is_killed() -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout is not None
        home = Path(program.stdout.readline().strip().partition("host=")[2])
        server = int((home / "data" / "postmaster.pid").read_text().split()[0])
        watched = os.pidfd_open(server)
        program.kill()
    ended, _, _ = select.select([watched], [], [], 30)
    assert ended == [watched]
    os.close(watched)
    shutil.rmtree(home)
