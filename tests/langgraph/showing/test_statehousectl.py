"""``statehousectl`` shows the threads of LangGraph as what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from statehouse import Statehouse
from statehouse.cli.app import app
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.threads import config, logging_graph, talk

Show = Callable[..., str]

MESSAGES = [
    {"type": "human", "content": "add 1 and 2", "id": "m1"},
    {
        "type": "ai",
        "content": "let me add",
        "tool_calls": [{"name": "add", "args": {"a": 1, "b": 2}, "id": "c1"}],
        "id": "m2",
    },
    {"type": "tool", "content": "3", "name": "add", "tool_call_id": "c1", "id": "m3"},
]


class Reversing(CipherProtocol):
    """A cipher that everybody can break."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "aes", plaintext[::-1]

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "aes"
        return ciphertext[::-1]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three threads that no test writes to."""
    where = tmp_path_factory.mktemp("threads") / "store"
    with Statehouse(where) as sh:
        saver = StatehouseSaver(sh)
        talk(saver, "t-1")
        logging_graph(saver).invoke({"log": ["begun"], "count": 0}, config("delta"))
        talk(StatehouseSaver(sh, serde=EncryptedSerializer(Reversing())), "secret")
    return where


@pytest.fixture
def show(store: Path) -> Show:
    """Runs a command in the threads' namespace, and gives what it prints."""

    def run(*args: str) -> str:
        done = CliRunner(env={"STATEHOUSE_URL": f"file:{store}"}).invoke(
            app, ["-n", "langgraph", *args], prog_name="statehousectl"
        )
        assert done.exit_code == 0 or args[0] == "diff", done.output
        return done.stdout

    return run


def rows(printed: str) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in (line.split("\t") for line in printed.splitlines())}


def committed(show: Show, step: int) -> str:
    """The commit_ts of a step's checkpoint: writes are committed beside it, in any order."""
    lines = show("scan", "t-1", "checkpoint//", "--json").splitlines()
    return next(str(row["commit_ts"]) for row in map(json.loads, lines) if row["value"]["step"] == step)


def test_the_state_of_a_thread_is_what_its_channels_hold(show: Show) -> None:
    found = rows(show("state", "t-1"))
    assert list(found)[:4] == ["(checkpoint)", "messages", "steps", "(writes)"]
    assert found["messages"] == MESSAGES
    assert found["steps"] == 2
    assert found["(checkpoint)"]["step"] == 3
    assert found["(checkpoint)"]["next"] == ["ask"]
    [task] = found["(writes)"]
    assert task["writes"][0]["__interrupt__"][0]["value"] == {"question": "is it right?"}


def test_the_state_of_a_thread_has_the_namespaces_of_subgraphs(show: Show) -> None:
    found = rows(show("state", "t-1"))
    assert found["[review] steps"] == 2
    assert found["[review] (checkpoint)"]["checkpoints"] == 3


def test_the_state_of_a_thread_can_be_asked_as_of_a_commit(show: Show) -> None:
    first = rows(show("state", "t-1", "--at", committed(show, 0)))
    assert first["(checkpoint)"]["step"] == 0
    assert first["messages"] == MESSAGES[:1]


def test_the_state_of_a_delta_channel_is_what_was_written_to_it(show: Show) -> None:
    found = rows(show("state", "delta"))
    assert found["log (delta)"] == {
        "snapshot": None,
        "written since": [["begun"], ["line 0"], ["line 1"], ["line 2"]],
    }


def test_the_state_of_an_encrypted_thread_says_that_it_is(show: Show) -> None:
    found = rows(show("state", "secret"))
    assert found["(checkpoint)"]["checkpoint"] == "(encrypted)"
    assert found["(writes)"][0]["writes"] == [{"__interrupt__": "(encrypted)"}]


def test_every_row_of_a_thread_is_shown_when_asked_for(show: Show) -> None:
    found = rows(show("state", "t-1", "--rows"))
    newest = [value for key, value in found.items() if key.startswith("value//messages/")][-1]
    assert newest == MESSAGES
    assert {type(value) for key, value in found.items() if key.startswith(("checkpoint/", "writes/"))} == {
        dict
    }


def test_the_state_in_json_has_both(show: Show) -> None:
    document = json.loads(show("state", "t-1", "--json"))
    assert document["overview"]["messages"] == MESSAGES
    assert "thread" in document["state"]


def test_a_replay_shows_messages(show: Show) -> None:
    printed = show("replay", "t-1")
    assert '{"writes": [{"messages": [{"type": "ai", "content": "let me add"' in printed
    assert "bytes>" not in printed


def test_a_replay_in_json_has_messages_whole(show: Show) -> None:
    operations = [
        each
        for line in show("replay", "t-1", "--json").splitlines()
        for each in json.loads(line)["operations"]
    ]
    values = [each["value"] for each in operations if each["key"].startswith("value//messages/")]
    assert values[-1] == MESSAGES


def test_get_shows_a_checkpoint_and_a_value(show: Show) -> None:
    keys = show("keys", "t-1").splitlines()
    checkpoint = json.loads(show("get", "t-1", next(key for key in keys if key.startswith("checkpoint//"))))
    assert (checkpoint["step"], checkpoint["source"], checkpoint["parent"]) == (-1, "input", None)
    value = next(key for key in keys if key.startswith("value//messages/"))
    assert json.loads(show("get", "t-1", value)) == MESSAGES[:1]
    assert "add 1 and 2" in show("history", "t-1", value)


def test_diff_shows_what_came_between(show: Show) -> None:
    printed = show("diff", "t-1", "--at", committed(show, 0), "--to", committed(show, 2))
    assert '"content":"let me add"' in printed.replace('": "', '":"')
