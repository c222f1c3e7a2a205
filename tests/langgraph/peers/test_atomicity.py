"""A checkpoint and the writes it was made of: two transactions with every peer, one commit with ours."""

from __future__ import annotations

import re

from langgraph.checkpoint.sqlite import SqliteSaver

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.peers.savers import Saver
from tests.langgraph.saver.chains import Chain, tuple_at


def test_ours_commits_a_checkpoint_and_its_writes_at_once(ours: StatehouseSaver, store: Statehouse) -> None:
    chain = Chain(ours)
    chain.add("1", {"x": 1})
    before = store.status().commit_ts
    made, new_versions = chain.new("2", {"x": 2})
    ours.put_with_writes(
        chain.at("1"),
        made,
        {"source": "loop", "step": 1, "parents": {}},
        new_versions,
        [("task", [("x", 2)], "")],
    )
    assert store.status().commit_ts == before + 1
    assert tuple_at(ours, chain.at("1")).pending_writes == [("task", "x", 2)]
    assert tuple_at(ours, chain.at("2")).checkpoint["channel_values"] == {"x": 2}


def test_theirs_has_no_way_to(theirs: Saver) -> None:
    assert [name for name in dir(theirs) if re.match("a?put", name)] == [
        "aput", "aput_writes", "put", "put_writes"
    ]  # fmt: skip


def test_sqlite_commits_twice() -> None:
    with SqliteSaver.from_conn_string(":memory:") as saver:
        chain = Chain(saver)
        chain.add("1", {"x": 1})
        said: list[str] = []
        saver.conn.set_trace_callback(said.append)
        chain.write("task", ("x", 2))
        chain.add("2", {"x": 2})
    assert [line for line in said if line.startswith("COMMIT")] == ["COMMIT", "COMMIT"]
