"""Reads: what they print without a terminal, as JSON, and when there is nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statehouse import Payload, Statehouse
from statehouse.extend import register_codec

Run = Callable[..., Any]


def test_get_prints_the_stored_json(look: Run) -> None:
    assert look("get", "planner", "plan").out == '{"steps":["boil","brew","pour"],"done":1}\n'


def test_get_prints_bytes_as_they_are_into_a_pipe(look: Run) -> None:
    assert look("get", "planner", "image").raw == bytes(range(200))


def test_get_bytes_writes_what_is_stored_under_any_content_type(look: Run) -> None:
    assert look("get", "planner", "packed", "--bytes").raw == b"\x82\xa1a\x01"


def test_get_json_has_bytes_in_base64(look: Run) -> None:
    found = look("get", "planner", "image", "--json").document
    assert found == {
        "namespace": "default",
        "agent_id": "planner",
        "key": "image",
        "version": 1,
        "commit_ts": 2,
        "content_type": "application/octet-stream",
        "value": {"@bytes": base64.b64encode(bytes(range(200))).decode()},
    }


def test_get_reads_as_of_a_commit_ts(look: Run) -> None:
    assert look("get", "planner", "plan", "--at", "1").out == '{"steps":["boil","brew"],"done":0}\n'


def test_get_reads_as_of_now_when_the_age_is_nothing(look: Run) -> None:
    assert look("get", "planner", "goal", "--at", "-0s").out == '"make tea"\n'


def test_get_finds_nothing_before_the_first_commit(look: Run) -> None:
    assert look("get", "planner", "goal", "--at", "2020-01-01T00:00:00Z").code == 3


def test_get_reads_a_version(look: Run) -> None:
    assert look("get", "planner", "plan", "--version", "1", "--json").document["commit_ts"] == 1


def test_get_of_a_deleted_key_names_the_version_before(look: Run) -> None:
    found = look("get", "planner", "draft")
    assert (found.code, found.out) == (3, "")
    assert "deleted at commit_ts 4" in found.err
    assert "--version 1" in found.err


def test_get_of_an_unknown_key_exits_with_3(look: Run) -> None:
    found = look("get", "planner", "nothing")
    assert (found.code, found.err) == (
        3,
        "statehousectl: default/planner/nothing has no value: it was never written\n",
    )


def test_keys_are_one_a_line(look: Run) -> None:
    assert look("keys", "planner").out == "goal\nimage\npacked\nplan\n"


def test_keys_begin_with_a_prefix(look: Run) -> None:
    assert look("keys", "planner", "p", "--reverse").out == "plan\npacked\n"


def test_scan_is_separated_by_tabs_without_a_terminal(look: Run) -> None:
    assert look("scan", "planner", "p").out == (
        "packed\t1\t5\t<application/msgpack, 4 bytes: 82a16101>\n"
        'plan\t2\t2\t{"steps":["boil","brew","pour"],"done":1}\n'
    )


def test_scan_stops_at_the_limit(look: Run) -> None:
    assert [row["key"] for row in look("scan", "planner", "--limit", "2", "--json").rows] == ["goal", "image"]


def test_scan_of_an_unknown_agent_is_empty(look: Run) -> None:
    assert (look("scan", "nobody").code, look("scan", "nobody").out) == (0, "")


def test_history_has_deletes(look: Run) -> None:
    rows = look("history", "planner", "draft", "--json").rows
    assert [(row["version"], row["commit_ts"], row["kind"], row.get("value")) for row in rows] == [
        (1, 3, "write", [1, 2, 3]),
        (2, 4, "delete", None),
    ]


def test_history_of_an_unknown_key_exits_with_3(look: Run) -> None:
    assert look("history", "planner", "nothing").code == 3


def test_state_has_everything_as_of_one_commit(look: Run) -> None:
    found = look("state", "planner", "--at", "1", "--json").document
    assert found["read_ts"] == 1
    assert {key: row["value"] for key, row in found["state"].items()} == {
        "goal": "make tea",
        "plan": {"steps": ["boil", "brew"], "done": 0},
    }


def test_state_of_one_key_has_only_that(look: Run) -> None:
    assert look("state", "planner", "goal").out == 'goal\t"make tea"\n'


def test_state_of_an_unknown_agent_exits_with_3(look: Run) -> None:
    assert look("state", "nobody").code == 3


def test_diff_shows_what_was_added_removed_and_changed(look: Run) -> None:
    found = look("diff", "planner", "--at", "1", "--to", "3", "--json").document
    assert [(row["key"], row["change"]) for row in found["changes"]] == [
        ("draft", "added"),
        ("image", "added"),
        ("plan", "changed"),
    ]
    assert found["changes"][2]["before"]["value"] == {"steps": ["boil", "brew"], "done": 0}


def test_diff_shows_the_lines_of_a_value_that_changed(look: Run) -> None:
    lines = look("diff", "planner", "--at", "1", "--to", "2").out.splitlines()
    assert '    -   "done": 0' in lines
    assert '    +   "done": 1' in lines


def test_diff_exits_with_1_on_a_difference(look: Run) -> None:
    assert look("diff", "planner", "--at", "1", "--to", "2").code == 1


def test_diff_exits_with_0_on_none(look: Run) -> None:
    assert look("diff", "planner", "--at", "2", "--to", "2").code == 0


def test_diff_from_the_beginning_adds_everything(look: Run) -> None:
    found = look("diff", "planner", "--at", "0", "--to", "1", "--json").document
    assert [row["change"] for row in found["changes"]] == ["added", "added"]


def test_agents_are_listed_with_counts(look: Run) -> None:
    assert look("agents").out == "planner\t4\t5\t5\n"


def test_a_namespace_without_agents_names_those_with_some(look: Run) -> None:
    assert "try -n with one of: default, team-b" in look("agents", "-n", "nowhere").err


def test_namespaces_are_listed_with_counts(look: Run) -> None:
    assert look("namespaces").out == "default\t1\t4\t5\t5\nteam-b\t1\t1\t1\t6\n"


def test_the_namespace_may_be_said_before_and_after_the_command(look: Run) -> None:
    before, after = look("-n", "team-b", "keys", "other"), look("keys", "other", "-n", "team-b")
    assert before.out == after.out == "x\n"


def test_the_later_of_two_urls_wins(look: Run, filled: str) -> None:
    assert look("--url", "nonsense", "keys", "planner", "p", "--url", filled, url="nonsense too").code == 0


def test_reading_leaves_the_directory_unheld(look: Run, filled: str) -> None:
    look("get", "planner", "goal")
    assert look("store", "status", "--json").document["holder"] is None


def test_a_command_that_reads_makes_no_store(run: Run, directory: Any) -> None:
    found = run("keys", "planner")
    assert (found.code, directory.exists()) == (5, False)
    assert "there is no store" in found.err


class Counting:
    """A codec that knows how many rows there are, or thinks that it does."""

    content_type = "application/x-counted"

    def __init__(self, counted: Callable[[list[Any]], Any]) -> None:
        self._counted = counted

    def decode(self, data: bytes) -> bytes:
        return data

    def show(self, data: bytes) -> str:
        return data.decode()

    def overview(self, entries: Any) -> Any:
        return self._counted(list(entries))


@pytest.fixture
def counted(run: Run, directory: Path) -> Run:
    """Two rows of a content type that a codec has an overview of."""
    with Statehouse(directory) as sh:
        for key in ("a", "b"):
            sh.write(key, Payload(Counting.content_type, b"1"), agent_id="planner")
    return run


def test_state_shows_what_the_rows_add_up_to(counted: Run) -> None:
    register_codec(Counting(lambda rows: {"rows": len(rows)}))
    assert counted("state", "planner").out == "rows\t2\n"
    assert counted("state", "planner", "--json").document["overview"] == {"rows": 2}


def test_state_shows_every_row_when_asked_for(counted: Run) -> None:
    register_codec(Counting(lambda rows: {"rows": len(rows)}))
    assert counted("state", "planner", "--rows").out == 'a\t"1"\nb\t"1"\n'
    assert counted("state", "planner", "a").out == 'a\t"1"\n'


@pytest.mark.parametrize("counted_as", [lambda _: None, lambda _: {"no JSON": object()}, lambda rows: 1 / 0])
def test_state_shows_the_rows_when_nobody_knows_what_they_add_up_to(counted: Run, counted_as: Any) -> None:
    register_codec(Counting(counted_as))
    assert counted("state", "planner").out == 'a\t"1"\nb\t"1"\n'


OF_AN_AGENT = [
    (("get", "other", "x"), 3),
    (("history", "other", "x"), 3),
    (("state", "other"), 3),
    (("state", "other", "x"), 3),
    (("diff", "other", "--at", "1"), 3),
    (("store", "erase", "other", "--all", "--dry-run"), 3),
    (("keys", "other"), 0),
    (("scan", "other"), 0),
    (("replay", "other"), 0),
]


@pytest.mark.parametrize(
    "args,code", OF_AN_AGENT, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_an_agent_of_another_namespace_is_missed_with_a_hint_where_to_look(
    look: Run, args: tuple[str, ...], code: int
) -> None:
    ran = look(*args)
    assert (ran.code, ran.out) == (code, "")
    assert "namespace 'default' has no agent 'other'; try -n with one of: team-b" in ran.err
    assert ran.err.count("\n") == 1
    assert look(*args, "-n", "team-b").code in (0, 1)


@pytest.mark.parametrize(
    "args,code", OF_AN_AGENT, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_an_agent_that_has_something_gets_no_hint(look: Run, args: tuple[str, ...], code: int) -> None:
    assert "has no agent" not in look(*(word.replace("other", "planner") for word in args)).err


def test_a_list_of_nothing_in_json_says_nothing_beside_it(look: Run) -> None:
    assert [
        (look(name, "other", "--json").out, look(name, "other", "--json").err) for name in ("keys", "scan")
    ] == [
        ("", ""),
        ("", ""),
    ]


def test_namespaces_of_runs_are_no_hint(inspect: Run) -> None:
    assert inspect("agents", "-n", "none").err.endswith("try -n with one of: default\n")
