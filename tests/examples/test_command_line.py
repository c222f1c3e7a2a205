"""The agent at a command line, and the demo."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from examples.research_agent import openai_compatible
from examples.research_agent.__main__ import main
from examples.research_agent.model import VARIABLE
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return f"file:{tmp_path / 'store'}"


@pytest.fixture(params=["directory", "daemon"])
def store(request: pytest.FixtureRequest, directory: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty store, in either home."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if request.param == "directory":
        yield directory
        return
    engine = open_engine(MemoryStore(), durability="none")
    with serving(engine, grace_s=0.0) as url:
        yield url
    engine.close()


def test_ask_prints_steps_answer_and_replay(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "2 + 3 * 4", "--store", store, "--run", "sum"]) == 0
    printed = capsys.readouterr().out
    assert "run sum: new" in printed
    assert "2 + 3 * 4 = 14" in printed
    replay = printed.partition("The replay of sum:\n\n")[2].splitlines()
    assert [line.split()[2] for line in replay] == ["01-plan", "02-calculate", "03-note", "04-answer"]


def test_ask_without_a_question_goes_on_with_a_run(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["ask", "2 + 2", "--store", store, "--run", "sum"])
    capsys.readouterr()
    assert main(["ask", "--store", store, "--run", "sum"]) == 0
    assert "going on, 4 steps are done" in capsys.readouterr().out


def test_runs_show_and_notebook_tell_what_was_done(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["ask", "2 + 2", "--store", store, "--run", "sum"])
    capsys.readouterr()
    for command, said in (
        (["runs"], "sum  answered"),
        (["show", "sum"], "2 + 2 = 4"),
        (["notebook"], "2 + 2: 2 + 2 = 4"),
    ):
        assert main([*command, "--store", store]) == 0
        assert said in capsys.readouterr().out


def test_the_notebook_of_an_earlier_commit_is_shown_as_it_was(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["ask", "2 + 2", "--store", store, "--run", "sum"])
    capsys.readouterr()
    assert main(["notebook", "--store", store, "--at", "2"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["ask"], 2, "a question has 1 to"),
        (["ask", "x", "--run", "a/b"], 2, "run id"),
        (["show", "nothing"], 1, "there is no run nothing"),
        (["notebook", "--at", "7"], 1, "7"),
        (["notebook", "--at", "-1"], 1, "-1"),
    ],
)
def test_a_command_that_makes_no_sense_says_why(
    store: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert main([*arguments, "--store", store]) == code
    assert said in capsys.readouterr().err


def test_a_store_that_is_none_is_an_error_and_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--store", "nonsense"]) == 1
    assert "not a Statehouse URL" in capsys.readouterr().err


def test_a_model_that_cannot_be_loaded_is_an_error_that_names_the_variable(
    store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "no_such_module_here:complete")
    assert main(["ask", "2 + 2", "--store", store]) == 2
    assert VARIABLE in capsys.readouterr().err


def test_a_second_process_is_told_who_has_the_directory(directory: str) -> None:
    command = [
        sys.executable,
        "-m",
        "examples.research_agent",
        "ask",
        "2 + 2",
        "--store",
        directory,
        "--run",
        "r",
    ]
    with subprocess.Popen([*command, "--pace", "600"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == "run r: new\n"
            second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        finally:
            first.kill()
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1
    assert re.search(rf"process {first.pid}\b|pid {first.pid}\b", second.stderr)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """A server that speaks chat completions; gives what it was asked."""
    asked: list[dict[str, Any]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
            reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hello."}}]})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(reply.encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1/")
        monkeypatch.setenv("OPENAI_MODEL", "small")
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield asked
        server.shutdown()
        thread.join()


def test_an_endpoint_that_speaks_chat_completions_is_asked(endpoint: list[dict[str, Any]]) -> None:
    messages = [{"role": "user", "content": "Hi."}]
    assert openai_compatible.complete(messages) == "Hello."
    assert endpoint == [
        {
            "path": "/v1/chat/completions",
            "key": "Bearer secret",
            "model": "small",
            "messages": messages,
            "temperature": 0,
        }
    ]


def test_an_endpoint_that_is_no_web_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "file:///etc")
    with pytest.raises(ValueError, match="http"):
        openai_compatible.complete([])
