"""``statehouse-langgraph``: what it shows of threads, and how it says what is wrong."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.types import Command

from statehouse import Payload, Statehouse
from statehouse.engine import open_engine
from statehouse.programs.exits import Exit as Theirs
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from statehouse_langgraph import StatehouseSaver, __version__
from statehouse_langgraph.cli.exits import Exit
from tests.langgraph.cli.running import Ran, Run, ran
from tests.langgraph.threads import config, conversation, logging_graph, talk


class Reversing(CipherProtocol):
    """A cipher that everybody can break."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "aes", plaintext[::-1]

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "aes"
        return ciphertext[::-1]


def fill(sh: Statehouse) -> None:
    saver = StatehouseSaver(sh)
    talk(saver, "asked")
    talk(saver, "forked")
    graph = conversation(saver)
    history = list(graph.get_state_history(config("forked")))
    graph.update_state(history[-2].config, {"steps": 10})
    graph.invoke(Command(resume="yes"), history[0].config)
    logging_graph(saver).invoke({"log": ["begun"], "count": 0}, config("delta"))
    talk(StatehouseSaver(sh, serde=EncryptedSerializer(Reversing())), "secret")


@pytest.fixture(scope="module", params=["directory", "daemon"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that no test writes to, in either home."""
    if request.param == "directory":
        where = tmp_path_factory.mktemp("threads") / "store"
        with Statehouse(where) as sh:
            fill(sh)
        yield f"file:{where}"
        return
    with closing(open_engine(MemoryStore(), durability="none")) as engine, serving(engine) as address:
        with Statehouse(address) as sh:
            fill(sh)
        yield address


@pytest.fixture
def look(url: str) -> Run:
    """Runs a command that only looks."""
    return lambda *args: ran(*args, url=url)


def test_the_version_needs_no_store() -> None:
    done = ran("--version", url="file:./no-such-store")
    assert (done.code, done.out.split(" (")[0]) == (0, f"statehouse-langgraph {__version__}")


def test_threads_are_listed_with_their_status(look: Run) -> None:
    found = {row["thread_id"]: row for row in look("threads", "--json").rows}
    assert {name: row["status"] for name, row in found.items()} == {
        "asked": "interrupted",
        "forked": "idle",
        "delta": "idle",
        "secret": "interrupted",
    }
    assert found["asked"]["metadata"]["step"] == 3
    assert found["secret"]["metadata"] == "(encrypted)"


def test_threads_are_chosen_by_prefix_status_and_metadata(look: Run) -> None:
    def names(*args: str) -> set[str]:
        return {line.split("\t")[0] for line in look("threads", *args).out.splitlines()}

    assert names("--prefix", "f") == {"forked"}
    assert names("--status", "interrupted") == {"asked", "secret"}
    assert names("--metadata", "step=3", "--metadata", "source=loop") == {"asked", "delta"}
    assert len(names("--limit", "2")) == 2
    assert names("-n", "another") == set()


def test_a_tree_has_forks_beside_the_branch_they_left(look: Run) -> None:
    nodes = [row for row in look("tree", "forked", "--json").rows if not row["checkpoint_ns"]]
    [fork] = [node for node in nodes if node["source"] == "update"]
    assert fork["depth"] == 1
    parent = next(node for node in nodes if node["checkpoint_id"] == fork["parent_checkpoint_id"])
    assert (parent["step"], parent["depth"]) == (0, 0)
    assert [node["step"] for node in nodes if not node["depth"]] == [-1, 0, 1, 2, 3, 4]


def test_a_tree_has_questions_commits_and_subgraphs(look: Run, url: str) -> None:
    nodes = look("tree", "asked", "--json").rows
    newest = [node for node in nodes if not node["checkpoint_ns"]][-1]
    assert newest["interrupts"] == [{"question": "is it right?"}]
    inner = [node for node in nodes if node["checkpoint_ns"] == "review"]
    assert [node["step"] for node in inner] == [-1, 0, 1]
    assert {node["called_by"] for node in inner} <= {node["checkpoint_id"] for node in nodes}
    with Statehouse(url) as sh:
        assert newest["commit_ts"] == StatehouseSaver(sh).commit_ts(config("asked"))


def test_a_tree_of_an_encrypted_thread_still_has_its_shape(look: Run) -> None:
    nodes = look("tree", "secret", "--json").rows
    assert {node["source"] for node in nodes} == {"(encrypted)"}
    assert nodes[1]["parent_checkpoint_id"] == nodes[0]["checkpoint_id"]
    assert [node["interrupts"] for node in nodes if node["interrupts"]] == [["(encrypted)"]]


def test_a_diff_shows_messages_that_came(look: Run) -> None:
    found = look("diff", "asked", "step:0", "step:2")
    assert found.code == 1
    call = '{"name":"add","args":{"a":1,"b":2},"id":"c1"}'
    assert found.out.splitlines()[:4] == [
        "~ messages",
        "    … 1 the same",
        f'    + {{"type":"ai","content":"let me add","tool_calls":[{call}],"id":"m2"}}',
        '    + {"type":"tool","content":"3","name":"add","tool_call_id":"c1","id":"m3"}',
    ]


def test_a_diff_names_checkpoints_by_id_or_a_part_of_it(look: Run) -> None:
    nodes = [row for row in look("tree", "asked", "--json").rows if not row["checkpoint_ns"]]
    first, last = nodes[1]["checkpoint_id"], nodes[-1]["checkpoint_id"]
    whole = look("diff", "asked", first, last, "--json")
    assert json.loads(whole.out)["to"]["checkpoint_id"] == last
    assert look("diff", "asked", first[:18], "latest", "--json").out == whole.out
    assert "write more of it" in look("diff", "asked", "-", "latest").err


def test_a_diff_of_nothing_exits_with_0(look: Run) -> None:
    assert look("diff", "asked", "latest", "latest") == Ran(0, "", "")


def test_a_diff_shows_what_was_written_to_a_delta_channel(look: Run) -> None:
    found = json.loads(look("diff", "delta", "step:1", "step:3", "--json").out)["channels"]["log (delta)"]
    assert found["after"] == [["begun"], ["line 0"], ["line 1"], ["line 2"]]
    assert found["before"] == found["after"][:2]


def test_a_diff_can_be_of_a_subgraph(look: Run) -> None:
    found = look("diff", "asked", "step:0", "step:1", "--checkpoint-ns", "review")
    assert found.out == "~ steps\n    - 1\n    + 2\n"


def test_stats_say_what_each_channel_weighs(look: Run) -> None:
    found = json.loads(look("stats", "asked", "--json").out)
    assert found["checkpoints"] == 8
    assert found["channels"]["messages"]["newest_bytes"] <= found["channels"]["messages"]["all_bytes"]
    lines = [line.split("\t") for line in look("stats", "asked").out.splitlines()]
    assert ["steps", "1"] in [line[:2] for line in lines]


@pytest.mark.parametrize("command", ["tree", "stats", "diff"])
def test_a_thread_that_is_not_there_exits_with_3(look: Run, command: str) -> None:
    found = look(command, "nobody", *(["latest"] if command == "diff" else []))
    assert (found.code, found.out) == (3, "")
    assert "there is no thread 'nobody' in namespace 'langgraph'" in found.err


def test_a_checkpoint_that_is_not_there_exits_with_3(look: Run) -> None:
    found = look("diff", "asked", "step:99")
    assert (found.code, "has no checkpoint 'step:99'" in found.err) == (3, True)


@pytest.mark.parametrize(
    "args",
    [
        ["threads", "--status", "lost"],
        ["threads", "--metadata", "x"],
        ["threads", "--limit", "-1"],
        ["tree"],
        ["import"],
        ["import", "--from", "mysql:x"],
        ["nothing"],
        ["threads", "--url", "http://x"],
    ],
)
def test_what_makes_no_sense_exits_with_2_and_a_reason(look: Run, args: list[str]) -> None:
    found = look(*args)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("statehouse-langgraph: ")


def test_a_store_that_is_not_there_exits_with_5(tmp_path: Path) -> None:
    found = ran("threads", url=f"file:{tmp_path / 'nowhere'}")
    assert (found.code, "there is no store in" in found.err) == (5, True)
    assert not (tmp_path / "nowhere").exists()


def test_a_daemon_that_is_gone_exits_with_5() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    found = ran("threads", "--connect-timeout", "0.1", url=f"127.0.0.1:{port}")
    assert (found.code, "no daemon answers" in found.err) == (5, True)


def test_the_exit_codes_are_those_of_statehousectl() -> None:
    assert {code.name: code.value for code in Exit}.items() <= {
        code.name: code.value for code in Theirs
    }.items()


def test_every_command_explains_itself() -> None:
    for command in ("threads", "tree", "diff", "stats", "import"):
        found = ran(command, "--help", url="memory:")
        assert found.code == 0
        assert "Exits with" in found.out or command == "threads"


def test_a_directory_can_be_looked_at_while_a_program_has_it(tmp_path: Path) -> None:
    with Statehouse(tmp_path / "store") as sh:
        talk(StatehouseSaver(sh), "asked")
        done = subprocess.run(
            [sys.executable, "-c", "from statehouse_langgraph.cli import main; main()", "threads"],
            env={**os.environ, "STATEHOUSE_URL": f"file:{tmp_path / 'store'}"},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.startswith("asked\tinterrupted\t3\t8\t")


def on_terminal(store: Path, *args: str, columns: int = 80) -> str:
    """What a command shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    facts = {"STATEHOUSE_URL": f"file:{store}", "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(columns)}
    with subprocess.Popen(
        [sys.executable, "-c", "from statehouse_langgraph.cli import main; main()", *args],
        env={**os.environ, **facts},
        stdout=theirs,
    ) as process:
        os.close(theirs)
        shown = read_all(ours)
        assert process.wait(60) == 0
    return shown


@pytest.mark.parametrize("columns", [40, 80])
def test_a_terminal_gets_the_whole_id_of_a_thread_however_narrow_it_is(tmp_path: Path, columns: int) -> None:
    thread_id = "fc112b4b-309c-4495-a4be-3448423a9d01"
    with Statehouse(tmp_path / "store") as sh:
        talk(StatehouseSaver(sh), thread_id)
    assert thread_id in on_terminal(tmp_path / "store", "threads", columns=columns)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_output_that_finds_no_room_ends_in_one_paragraph(option: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", "from statehouse_langgraph.cli import main; main()", option]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    told = "statehouse-langgraph: input or output: No space left on device\n"
    assert (done.returncode, done.stderr) == (5, told)


def test_a_terminal_gets_a_picture(tmp_path: Path) -> None:
    with Statehouse(tmp_path / "store") as sh:
        fill(sh)
    shown = on_terminal(tmp_path / "store", "tree", "forked")
    assert "├─● step   1 update" in shown
    assert '      asks {"question":"is it right?"}' in shown


def read_all(terminal: int) -> str:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b""
        if not part:
            os.close(terminal)
            return b"".join(parts).decode()
        parts.append(part)


@pytest.fixture
def damaged(tmp_path: Path) -> str:
    """A store in which somebody has written over a checkpoint, and over a value of another thread."""
    where = f"file:{tmp_path / 'store'}"
    with Statehouse(where, namespace="langgraph") as sh:
        talk(StatehouseSaver(sh), "checkpoint")
        talk(StatehouseSaver(sh), "value")
        [*_, key] = sh.list_keys("checkpoint//", agent_id="checkpoint")
        sh.write(key, {"not": "a checkpoint"}, agent_id="checkpoint")
        [*_, key] = sh.list_keys("value//messages/", agent_id="value")
        sh.write(key, Payload("application/vnd.langgraph+msgpack", b"\xc1"), agent_id="value")
    return where


@pytest.mark.parametrize("args", [["tree", "checkpoint"], ["diff", "checkpoint", "latest"], ["threads"]])
def test_what_is_no_checkpoint_is_reported_in_words(damaged: str, args: list[str]) -> None:
    found = ran(*args, url=damaged)
    assert found.code == 6
    assert "expected a record of type" in found.err


def test_what_is_no_value_is_shown_as_damaged(damaged: str) -> None:
    assert ran("tree", "value", url=damaged).code == 0
    found = ran("diff", "value", "step:0", url=damaged)
    assert '+ "(damaged: byte 0 is 0xc1, which msgpack never uses)"' in found.out


def test_every_command_is_described_in_a_whole_sentence() -> None:
    commands = ran("--help", url="memory:").out.split("Commands:\n")[1].split("\n\n")[0]
    assert [line for line in commands.splitlines() if not line.endswith(".") or line.endswith("...")] == []
