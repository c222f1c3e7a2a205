"""``replay`` and ``find``: ranges, times, references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from statehouse import Statehouse

Run = Callable[..., Any]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def numbers(ran: Any) -> list[int]:
    return [row["commit_ts"] for row in ran.rows]


def test_replay_without_an_agent_is_of_the_whole_store(look: Run) -> None:
    assert numbers(look("replay", "--json")) == [1, 2, 3, 4, 5, 6]


def test_replay_of_a_namespace_has_only_its_events(look: Run) -> None:
    assert numbers(look("replay", "--json", "-n", "team-b")) == [6]


def test_replay_of_an_agent_has_only_its_events(look: Run) -> None:
    assert numbers(look("replay", "planner", "--json")) == [1, 2, 3, 4, 5]


def test_replay_has_both_ends_of_its_range(look: Run) -> None:
    assert numbers(look("replay", "--from", "2", "--to", "@4", "--json")) == [2, 3, 4]


def test_replay_stops_at_the_limit(look: Run) -> None:
    assert numbers(look("replay", "--limit", "2", "--json")) == [1, 2]


def test_replay_since_a_time_begins_with_the_commit_of_that_time(look: Run) -> None:
    time = look("replay", "--json").rows[2]["committed_at"]
    assert numbers(look("replay", "--since", time, "--until", time, "--json")) == [3]


def test_replay_of_the_future_is_empty(look: Run) -> None:
    assert numbers(look("replay", "--since", "2100-01-01", "--json")) == []


def test_replay_is_one_line_an_event_without_a_terminal(look: Run) -> None:
    lines = look("replay", "planner").out.splitlines()
    assert len(lines) == 5
    assert '+goal="make tea"' in lines[0]
    assert "-draft" in lines[3]


def test_replay_of_the_whole_store_says_whose_namespace_without_a_terminal(run: Run, directory: Any) -> None:
    with Statehouse(directory) as sh:
        for namespace in ("one", "two"):
            sh.write("k", 1, agent_id="a", namespace=namespace)
    lines = [line.split("  ")[3:] for line in run("replay").out.splitlines()]
    assert lines == [["one/a", "+k=1"], ["two/a", "+k=1"]]
    assert run("find", "1").out.split("  ")[3] == "one/a"
    assert run("replay", "-n", "two").out.split("  ")[3] == "a"


def test_replay_json_has_the_origin(look: Run) -> None:
    assert look("replay", "--limit", "1", "--json").rows[0]["origin"] == {
        "trace_id": TRACE,
        "span_id": SPAN,
        "agent_id": "planner",
        "run_id": "r-42",
        "step": "plan",
        "attributes": {"model": "x"},
    }


@pytest.mark.parametrize(
    "reference,what,found",
    [
        ("2", "commit_ts 2", [2]),
        ("@2", "commit_ts 2", [2]),
        ("first", "transaction first", [1]),
        ("r-42", "run r-42", [1, 2]),
        (TRACE, f"trace {TRACE}", [1]),
        (TRACE.upper(), f"trace {TRACE}", [1]),
        (SPAN, f"span {SPAN}", [1]),
        (f"00-{TRACE}-{SPAN}-01", f"span {SPAN} of trace {TRACE}", [1]),
        (f"00-{TRACE}-{'1' * 16}-01", f"trace {TRACE} (its span {'1' * 16} made no commit)", [1]),
    ],
)
def test_find_says_what_a_reference_was(look: Run, reference: str, what: str, found: list[int]) -> None:
    ran = look("find", reference, "--json")
    assert (ran.err, numbers(ran)) == (f"statehousectl: {what}:\n", found)


def test_find_takes_a_generated_transaction_id_although_it_looks_like_a_trace(look: Run) -> None:
    txn_id = look("replay", "--from", "3", "--limit", "1", "--json").rows[0]["txn_id"]
    assert numbers(look("find", txn_id, "--json")) == [3]


def test_find_takes_a_reference_with_store_and_epoch(look: Run) -> None:
    store_id = look("store", "status", "--json").document["store_id"]
    assert numbers(look("find", f"sh://{store_id}/1/team-b@6", "--json")) == [6]
    assert look("find", f"sh://{store_id}/1/team-b@5").code == 3


def test_find_refuses_a_reference_to_another_store_or_epoch(look: Run) -> None:
    store_id = look("store", "status", "--json").document["store_id"]
    assert look("find", f"sh://{'0' * 32}/1/team-b@6").code == 4
    assert look("find", f"sh://{store_id}/2/team-b@6").code == 4


@pytest.mark.parametrize("reference", ["sh://", "sh://1/x/y@z", "sh://a/1/n", ""])
def test_find_refuses_a_malformed_reference(look: Run, reference: str) -> None:
    assert look("find", reference).code == 2


@pytest.mark.parametrize("reference", ["nothing", "99", "f" * 16, "f" * 32])
def test_find_exits_with_3_when_there_is_nothing(look: Run, reference: str) -> None:
    assert look("find", reference).code == 3


def test_a_program_may_run_commands_on_the_store_it_has_open(run: Run, directory: Any) -> None:
    with Statehouse(directory) as sh:
        sh.write("k", 1, agent_id="a")
        assert numbers(run("replay", "--json")) == [1]
        assert run("put", "a", "k", "2").code == 0
        assert sh.get_state("k", agent_id="a").value == 2
