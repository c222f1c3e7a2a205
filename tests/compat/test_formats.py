"""Directories of every released format are read, checked and written by today's code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import AlreadyExistsError
from statehouse.protocol.requests import Commit, Copy, Extend, Get, Status, Write
from statehouse.protocol.values import JSON, Payload
from statehouse.storage.rocksdb import RocksStore
from tests.compat.make_golden import GOLDEN, LIST, ODD, build, describe, first_half, second_half
from tests.engine_faults.workload import assert_sound


@pytest.fixture
def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(GOLDEN / "store", tmp_path / "store")
    return tmp_path / "store"


def opened(path: Path) -> LocalEngine:
    return open_engine(RocksStore.open(path, free_bytes_min=0))


@pytest.fixture
def engine(copy: Path) -> Iterator[LocalEngine]:
    found = opened(copy)
    yield found
    found.close()


def as_json(description: dict[str, Any]) -> Any:
    return json.loads(json.dumps(description))


def test_every_answer_is_what_it_was(engine: LocalEngine, expected: dict[str, Any]) -> None:
    found = as_json(describe(engine))
    for name, answers in expected.items():
        assert found[name] == answers, name


def test_a_check_finds_nothing(engine: LocalEngine) -> None:
    assert_sound(engine)


def test_its_commits_are_known_by_their_ids(engine: LocalEngine) -> None:
    commits = [*first_half(), *second_half()]
    for commit_ts, commit in enumerate(commits, 1):
        again = engine.execute(commit)
        assert (again.commit_ts, again.repeated) == (commit_ts, True)
        with pytest.raises(AlreadyExistsError):
            engine.execute(Commit(commit.txn_id, (Write(ODD, Payload(JSON, b"0")),)))
    assert engine.execute(Status()).commit_ts == len(commits)


def test_commits_on_top_leave_its_history_as_it_was(copy: Path, expected: dict[str, Any]) -> None:
    engine = opened(copy)
    last = len(expected["events"])
    version = engine.execute(Get(LIST)).entry.version
    more = (Copy(0, 60_000), b"x" * 5000)
    engine.execute(Commit("more", (Extend(LIST, LIST, version, more, JSON),)))
    engine.execute(Commit("odd", (Write(ODD, Payload(JSON, b"0")),)))
    engine.close()
    again = opened(copy)
    assert again.execute(Status()).commit_ts == last + 2
    assert again.execute(Get(ODD)).entry.version == 2
    assert_sound(again)
    assert as_json(describe(again, last)) == expected
    again.close()


def test_today_s_code_writes_the_same_history(tmp_path: Path, expected: dict[str, Any]) -> None:
    """Also the same bytes of events: the digest of the newest one covers all before it."""
    assert as_json(build(tmp_path / "store")) == expected
    golden, fresh = opened(tmp_path / "store"), tmp_path / "golden"
    shutil.copytree(GOLDEN / "store", fresh)
    other = opened(fresh)
    assert golden.execute(Status()).head_digest == other.execute(Status()).head_digest
    golden.close()
    other.close()
