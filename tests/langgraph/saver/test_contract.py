"""The contract of a saver, point by point (several are written down nowhere), in each home."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import pytest
from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME, SCHEDULED

from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import Chain, checkpoint, ids, place, tuple_at


@pytest.mark.parametrize("current", [None, 3, 3.7, f"{3:032}.{12:016}", "3"])
def test_the_next_version_is_higher_text_and_never_the_same_twice(
    saver: StatehouseSaver, current: Any
) -> None:
    given = {saver.get_next_version(current, None) for _ in range(20)}
    assert len(given) == 20
    before = f"{0 if current is None else 3:032}.{'9' * 16}"
    assert min(given) > before


def test_two_forks_of_one_checkpoint_do_not_overwrite_each_other(anywhere: StatehouseSaver) -> None:
    root = Chain(anywhere)
    root.add("1", {"plan": ["a"]})
    for name in ("2", "3"):
        fork = copy.copy(root)
        fork.add(name, {"plan": ["a", name]})
    found = [tuple_at(anywhere, place(checkpoint_id=name)) for name in ("2", "3")]
    assert [each.checkpoint["channel_values"]["plan"] for each in found] == [["a", "2"], ["a", "3"]]


def test_values_are_those_of_the_versions_wherever_the_checkpoint_comes_from(
    anywhere: StatehouseSaver,
) -> None:
    chain = Chain(anywhere)
    chain.add("1", {"plan": ["old"]})
    versions = dict(chain.versions)
    chain.add("2", {"plan": ["new"]})
    # Nothing new, with the config of a grandparent.
    anywhere.put(place(checkpoint_id="1"), checkpoint("3", {}, versions), {}, {})
    assert tuple_at(anywhere, place()).checkpoint["channel_values"] == {"plan": ["old"]}


def test_a_new_version_without_a_value_is_empty(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.add("1", {"plan": ["a"], "kept": 1})
    chain.add("2", empty=["plan"])
    found = tuple_at(anywhere, place()).checkpoint
    assert found["channel_values"] == {"kept": 1}
    assert set(found["channel_versions"]) == {"plan", "kept"}


def test_an_empty_version_hides_what_was_stored_at_that_very_version(anywhere: StatehouseSaver) -> None:
    for name, values in (("1", {"plan": "a"}), ("2", {})):
        anywhere.put(place(), checkpoint(name, values, {"plan": 1}), {}, {"plan": 1})
    assert tuple_at(anywhere, place(checkpoint_id="2")).checkpoint["channel_values"] == {}


def test_none_is_a_value(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.add("1", {"plan": None, "number": None})
    chain.add("2", {"number": 1})
    assert tuple_at(anywhere, place()).checkpoint["channel_values"] == {"plan": None, "number": 1}


def test_the_first_ordinary_write_stays_and_the_last_special_one(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.add("1")
    chain.write("task", ("plan", "first"), (INTERRUPT, "first"), ("plan", "second"))
    chain.write("task", ("plan", "late"), (INTERRUPT, "last"), ("plan", "late"), ("plan", "third"))
    assert tuple_at(anywhere, place()).pending_writes == [
        ("task", INTERRUPT, "last"),
        ("task", "plan", "first"),
        ("task", "plan", "second"),
        ("task", "plan", "third"),
    ]


@pytest.mark.parametrize("special", [ERROR, SCHEDULED, INTERRUPT, RESUME])
def test_each_special_channel_has_a_place_of_its_own(saver: StatehouseSaver, special: str) -> None:
    assert WRITES_IDX_MAP[special] < 0
    chain = Chain(saver)
    chain.add("1")
    for value in ("a", "b"):
        chain.write("task", (special, value))
    assert tuple_at(saver, place()).pending_writes == [("task", special, "b")]


def test_writes_may_come_before_their_checkpoint(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.write("task", ("plan", "early"), to="1")
    assert anywhere.get_tuple(place()) is None
    chain.add("1")
    assert tuple_at(anywhere, place()).pending_writes == [("task", "plan", "early")]


def test_writes_without_a_checkpoint_are_an_error_that_says_so(saver: StatehouseSaver) -> None:
    with pytest.raises(ValueError, match="no checkpoint_id"):
        saver.put_writes(place(), [("plan", 1)], "task")


def test_pending_writes_are_in_the_order_in_which_tasks_are_applied(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.add("1")
    for task_id, path in (
        ("c", "~__pregel_pull, a"),
        ("a", "~__pregel_push, 1"),
        ("b", "~__pregel_pull, a"),
    ):
        chain.write(task_id, ("plan", 1), ("plan", 2), path=path)
    found = [(task, value) for task, _, value in tuple_at(anywhere, place()).pending_writes or ()]
    assert found == [("b", 1), ("b", 2), ("c", 1), ("c", 2), ("a", 1), ("a", 2)]


def two_threads(saver: StatehouseSaver) -> StatehouseSaver:
    """Two threads, one with a subgraph."""
    chain, inner = Chain(saver), Chain(saver, ns="sub|x:1")
    chain.add("1", step=1, flag=True, source="input")
    inner.add("2", step=1)
    chain.add("3", step=2, flag=False)
    inner.add("4", step=2)
    chain.add("5", step=3)
    Chain(saver, "u").add("9", step=1)
    return saver


@pytest.fixture
def listed(saver: StatehouseSaver) -> StatehouseSaver:
    return two_threads(saver)


def test_a_listing_without_a_namespace_has_all_and_an_empty_one_is_the_root(
    anywhere: StatehouseSaver,
) -> None:
    listed = two_threads(anywhere)
    assert ids(listed, place(ns=None)) == ["5", "4", "3", "2", "1"]
    assert ids(listed, place()) == ["5", "3", "1"]
    assert ids(listed, place(ns="sub|x:1")) == ["4", "2"]
    assert ids(listed, place(ns="sub")) == []
    assert sorted(each.checkpoint["id"] for each in listed.list(None)) == ["1", "2", "3", "4", "5", "9"]


def test_a_listing_of_one_checkpoint_has_it_only(listed: StatehouseSaver) -> None:
    assert ids(listed, place(checkpoint_id="3")) == ["3"]
    assert ids(listed, place(ns=None, checkpoint_id="4")) == ["4"]
    assert ids(listed, place(checkpoint_id="4")) == []


def test_before_compares_ids(listed: StatehouseSaver) -> None:
    assert ids(listed, before=place(checkpoint_id="4")) == ["3", "2", "1"]
    assert ids(listed, before=place(checkpoint_id="35")) == ["3", "2", "1"]
    assert ids(listed, before=place(checkpoint_id="0")) == []


@pytest.mark.parametrize(
    "filters, expected",
    [
        ({"step": 1}, ["2", "1"]),
        ({"step": 1.0, "source": "input"}, ["1"]),
        ({"flag": None}, ["5", "4", "2"]),
        ({"flag": 1}, ["1"]),
        ({"parents": {}}, ["5", "4", "3", "2", "1"]),
        ({"step": 7}, []),
        ({}, ["5", "4", "3", "2", "1"]),
    ],
)
def test_a_filter_is_equality_of_each_key(
    listed: StatehouseSaver, filters: dict[str, Any], expected: list[str]
) -> None:
    assert ids(listed, filter=filters) == expected


def test_the_limit_counts_what_the_filter_let_through(listed: StatehouseSaver) -> None:
    assert ids(listed, filter={"step": 1}, limit=1) == ["2"]
    assert ids(listed, limit=0) == []


def test_a_listing_may_be_abandoned_and_mixed_with_writes(listed: StatehouseSaver) -> None:
    listing = listed.list(place(ns=None))
    seen = [next(listing).checkpoint["id"]]
    chain = Chain(listed, head="5")
    chain.add("6")
    chain.write("task", ("plan", 1), to="1")
    seen += [each.checkpoint["id"] for each in listing]
    # It began before, and is of that moment.
    assert seen == ["5", "4", "3", "2", "1"]
    next(listed.list(place(ns=None)))
    assert ids(listed, place())[0] == "6"


def test_metadata_takes_in_what_the_config_says(anywhere: StatehouseSaver) -> None:
    config = place()
    config["metadata"] = {"run_id": "run-1", "langgraph_step": 3, "user": "ann", "__private": 1}
    config["configurable"] |= {"tenant": "acme", "object": object()}
    anywhere.put(config, checkpoint("1"), {"source": "input", "step": -1}, {})
    found = tuple_at(anywhere, place()).metadata
    assert {name: found.get(name) for name in ("source", "step", "run_id", "user", "tenant")} == {
        "source": "input",
        "step": -1,
        "run_id": "run-1",
        "user": "ann",
        "tenant": "acme",
    }
    assert not {"__private", "object", "thread_id", "checkpoint_ns"} & set(found)


@pytest.mark.parametrize("thread_id", [7, uuid.UUID(int=7), "a/b~c", "zwölf", "a b"])
def test_a_thread_id_may_be_anything_and_comes_back_as_it_was_given(
    anywhere: StatehouseSaver, thread_id: Any
) -> None:
    chain = Chain(anywhere, thread_id)
    given = chain.add("1", {"plan": 1})
    chain.write("task", ("plan", 2))
    assert given["configurable"]["thread_id"] is thread_id
    found = tuple_at(anywhere, place(thread_id))
    assert found.config["configurable"]["thread_id"] is thread_id
    assert [info.thread_id for info in anywhere.list_threads()] == [str(thread_id)]
    # Its text is the same thread.
    assert tuple_at(anywhere, place(str(thread_id))).checkpoint == found.checkpoint
    anywhere.delete_thread(thread_id)
    assert anywhere.get_tuple(place(thread_id)) is None


@pytest.mark.parametrize(
    "ns", ["a:1|b:2", "a", "a/b", "a~b", "~", "/", "a" * 500, "a" * 501, "ä|ö:ü", "a\x07"]
)
def test_a_namespace_is_itself_and_no_other(saver: StatehouseSaver, ns: str) -> None:
    Chain(saver, ns=ns).add("1", {"plan": 1})
    Chain(saver, ns=ns + "x").add("2", {"plan": 2})
    Chain(saver).add("3", {"plan": 3})
    assert ids(saver, place(ns=ns)) == ["1"]
    found = tuple_at(saver, place(ns=ns))
    assert found.config["configurable"]["checkpoint_ns"] == ns
    assert found.checkpoint["channel_values"] == {"plan": 1}


@pytest.mark.parametrize("channel", ["a/b", "a~1b", "a\x00b", "\n", "x" * 400, "branch:to:node", ""])
def test_a_channel_may_have_any_name(saver: StatehouseSaver, channel: str) -> None:
    chain = Chain(saver)
    chain.add("1", {channel: "a", channel + "2": "b"})
    chain.write("task/~" + channel, (channel, "c"))
    found = tuple_at(saver, place())
    assert found.checkpoint["channel_values"] == {channel: "a", channel + "2": "b"}
    assert found.pending_writes == [("task/~" + channel, channel, "c")]


IDS = [
    "\x01",
    " ",
    "-",
    ".",
    "./x",
    ".0",
    "a\x1fb",
    "a b",
    "a!b",
    "0",
    "1",
    "1 ",
    "1!",
    "1-",
    "1/",
    "10",
    "1a",
    "A",
    "a/",
    "a/1",
    "a0",
    "a~",
    "b",
    "~",
    "ä",
]


def test_ids_sort_as_text_whatever_is_in_them(saver: StatehouseSaver) -> None:
    for checkpoint_id in IDS:
        Chain(saver).add(checkpoint_id)
    assert ids(saver) == sorted(IDS, reverse=True)
    assert tuple_at(saver, place()).checkpoint["id"] == max(IDS)
    for bound in IDS:
        expected = sorted((each for each in IDS if each < bound), reverse=True)
        assert ids(saver, before=place(checkpoint_id=bound)) == expected


def test_numbers_are_versions_too_and_a_number_is_not_its_text(anywhere: StatehouseSaver) -> None:
    for name, version in (("1", 1), ("2", "1"), ("3", 1.5)):
        anywhere.put(place(), checkpoint(name, {"plan": name}, {"plan": version}), {}, {"plan": version})
    found = [tuple_at(anywhere, place(checkpoint_id=name)).checkpoint for name in ("1", "2", "3")]
    assert [each["channel_values"]["plan"] for each in found] == ["1", "2", "3"]


def test_a_copy_with_an_allowlist_is_the_same_saver(saver: StatehouseSaver) -> None:
    clone = saver.with_allowlist([("some.module", "Name")])
    Chain(clone).add("1", {"plan": 1})
    assert ids(saver) == ids(clone) == ["1"]
    del clone
    Chain(saver, head="1").add("2", {"plan": 1})


def test_what_exit_durability_does_to_older_checkpoints_is_kept(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.delta("1", snapshot=["a"])
    stub = anywhere.put(place(checkpoint_id="1"), checkpoint("2"), {"step": -2}, {})
    anywhere.put_writes(place(checkpoint_id="1"), [("delta", "b")], "synthetic-1")
    anywhere.put_writes(stub, [("delta", "c")], "synthetic-2")
    chain.head = "2"
    chain.delta("3")
    assert chain.state("3") == ["a", "b", "c"]


def test_the_walk_of_a_history_takes_the_parents_and_not_the_siblings(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.delta("1", snapshot=["seed"])
    chain.delta("2", "a")
    fork = copy.copy(chain)
    chain.delta("3", "b")
    fork.head = "1"
    fork.write("other", ("delta", "x"))
    fork.delta("4")
    fork.write("own", ("delta", "not part of it"))
    assert chain.state("3") == ["seed", "x", "a", "b"]
    assert fork.state("4") == ["seed", "x", "a"]


def test_a_history_begins_at_the_nearest_stored_value_even_a_plain_one(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.add("1", {"delta": ["plain"]})
    chain.delta("2", "a")
    chain.delta("3", "b", snapshot=["plain", "a", "b"])
    chain.delta("4", "c")
    chain.delta("5", "d", "e")
    assert chain.state("5") == ["plain", "a", "b", "c", "d", "e"]
    assert chain.state("3") == ["plain", "a", "b"]
    assert chain.state("1") == []


def test_a_history_without_a_seed_says_so(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    chain.delta("1")
    chain.delta("2", "a")
    found = anywhere.get_delta_channel_history(config=place(), channels=["delta", "nowhere"])
    assert found == {"delta": {"writes": [("task-0", "delta", "a")]}, "nowhere": {"writes": []}}
    assert anywhere.get_delta_channel_history(config=place(), channels=[]) == {}
