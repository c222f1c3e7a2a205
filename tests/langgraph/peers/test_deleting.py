"""A late write revives a deleted thread with every peer, and PostgreSQL keeps its bytes; not so with ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.postgres import postgres
from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver, ThreadChangedError
from tests.langgraph.peers.savers import Saver, peer
from tests.langgraph.saver.chains import Chain, ids, place

SECRET = "6f1c0e5d2b7a4983-call-me-on-555-0100"


def test_a_late_write_does_not_bring_back_a_thread_that_was_deleted_from_ours(
    ours: StatehouseSaver,
) -> None:
    run = Chain(ours)
    run.add("1", {"x": 1})
    ours.delete_thread("t")
    with pytest.raises(ThreadChangedError):
        run.add("2", {"x": 2})
    assert ids(ours, place("t")) == []


def test_a_late_write_brings_it_back_with_theirs(theirs: Saver) -> None:
    run = Chain(theirs)
    run.add("1", {"x": 1})
    theirs.delete_thread("t")
    run.add("2", {"x": 2})
    assert ids(theirs, place("t")) == ["2"]


def holds(folder: Path, text: str) -> bool:
    """Whether any file below a folder has the bytes of a text."""
    return any(text.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_erasing_a_thread_leaves_none_of_its_bytes_with_ours(tmp_path: Path) -> None:
    with Statehouse(f"file:{tmp_path / 'statehouse'}") as store:
        saver = StatehouseSaver(store)
        Chain(saver).add("1", {"x": SECRET})
        assert holds(tmp_path, SECRET)
        saver.delete_thread("t", erase=True)
    assert not holds(tmp_path, SECRET)


@pytest.mark.slow
@pytest.mark.needs("postgresql", "setpriv")
def test_deleting_a_thread_leaves_its_bytes_in_the_files_of_postgresql(tmp_path: Path) -> None:
    with postgres() as url:
        with peer("postgres", tmp_path, lambda: url) as saver:
            Chain(saver).add("1", {"x": SECRET})
            saver.delete_thread("t")
        assert holds(Path(url.partition("host=")[2]) / "data", SECRET)
