"""A real tracing backend: spans arrive, a commit_ts leads to its span, and the span to the state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import opentelemetry.trace
import pytest

from statehouse import Statehouse, current_step, step
from statehouse.otel import configure
from statehouse.tracing import attributes as names
from tests.docs.fences import ROOT
from tests.rpc.daemons import WAIT_S, eventually, free_target

PHOENIX = ROOT / ".venv-phoenix" / "bin" / "phoenix"
START_S = 180.0

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unconfigured")]


def get(url: str) -> Any:
    """What is answered, as JSON if it is; None while nobody answers."""
    with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=30) as answer:
        body = answer.read()
        return json.loads(body) if body.startswith((b"{", b"[")) else body.decode()
    return None


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Phoenix, which listens for OTLP over HTTP and answers questions, at this URL."""
    if not PHOENIX.exists():
        pytest.skip("needs .venv-phoenix (make .venv-phoenix/.installed)")
    place = tmp_path_factory.mktemp("phoenix")
    host, _, port = free_target().rpartition(":")
    variables = {
        **os.environ,
        "PHOENIX_WORKING_DIR": str(place),
        "PHOENIX_HOST": host,
        "PHOENIX_PORT": port,
        "PHOENIX_GRPC_PORT": free_target().rpartition(":")[2],
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        "PHOENIX_AGENTS_DISABLE_BASH": "true",
    }
    url = f"http://{host}:{port}"
    command = [str(PHOENIX), "serve"]
    with (
        (place / "log").open("w") as log,
        subprocess.Popen(command, env=variables, cwd=place, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or get(f"{url}/healthz") is not None, START_S)
            assert process.poll() is None, (place / "log").read_text()
            yield url
        finally:
            process.kill()


def found(phoenix: str, attribute: str) -> list[dict[str, Any]]:
    """The spans that have an attribute, by the backend's own query."""
    query = urllib.parse.urlencode({"attribute": attribute})
    answer = get(f"{phoenix}/v1/projects/default/spans?{query}")
    spans: list[dict[str, Any]] = [] if answer is None else answer["data"]
    return spans


def test_a_commit_ts_leads_to_its_span_and_the_span_to_the_state(
    phoenix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", phoenix)
    provider = configure(service_name="research")
    url = f"file:{tmp_path / 'data'}"
    with Statehouse(url) as sh:
        for number in range(3):
            with opentelemetry.trace.get_tracer("t").start_as_current_span(f"step {number}"):
                commit_ts = sh.write("plan", {"attempt": number}, agent_id="researcher")
    assert provider.force_flush()

    eventually(lambda: found(phoenix, f"{names.COMMIT_TS}:{commit_ts}"), START_S)
    [span] = found(phoenix, f"{names.COMMIT_TS}:{commit_ts}")
    assert span["name"] == "commit"
    assert span["attributes"][names.AGENT_ID] == "researcher"

    # Whatever of the span is given to the command line, it leads to that state.
    references = (span["parent_id"], span["context"]["trace_id"], span["attributes"][names.STATE_REF])
    for reference in references:
        command = [sys.executable, "-m", "statehouse", "--url", url, "--json", "find", reference]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        event = json.loads(said)
        assert event["commit_ts"] == commit_ts
        assert event["operations"][0]["value"] == {"attempt": 2}


def command(url: str, *words: str) -> Any:
    """What the command line says, as JSON."""
    line = [sys.executable, "-m", "statehouse", "--url", url, "--json", *words]
    return json.loads(subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout)


def test_a_commit_ts_leads_to_its_step_and_its_span_to_the_state_that_the_step_saw_and_made(
    phoenix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", phoenix)
    provider = configure(service_name="research")
    url = f"file:{tmp_path / 'data'}"

    @step
    def look() -> int:
        state = current_step().state
        state["seen"] = state["price"]
        return int(state["price"])

    with Statehouse(url) as sh:
        sh.write("price", 80, agent_id="buyer")
        with sh.run("r-1", agent_id="buyer") as run:
            look()
            (record,) = run.steps()
        sh.write("price", 120, agent_id="buyer")
    assert provider.force_flush()

    def made() -> dict[str, dict[str, Any]]:
        # Other stores have commits of that number, too.
        spans = found(phoenix, f"{names.COMMIT_TS}:{record.commit_ts}")
        return {each["name"]: each for each in spans if each["attributes"].get(names.RUN_ID) == "r-1"}

    eventually(lambda: len(made()) == 2, WAIT_S)
    span, commit = made()["step look"], made()["commit"]
    facts = span["attributes"]
    assert (facts[names.RUN_ID], facts[names.STEP_PATH]) == ("r-1", "look#1")
    assert (facts[names.READ_TS], commit["parent_id"]) == (record.read_ts, span["context"]["span_id"])

    step_found = command(url, "find", span["context"]["span_id"])["step"]
    assert (step_found["run_id"], step_found["path"]) == ("r-1", "look#1")
    saw, left = (str(step_found[name]) for name in ("read_ts", "commit_ts"))
    assert command(url, "state", "buyer", "price", "--at", saw)["state"]["price"]["value"] == 80
    assert command(url, "state", "buyer", "seen", "--at", left)["state"]["seen"]["value"] == 80


def test_a_number_that_no_commit_has_leads_nowhere(phoenix: str) -> None:
    assert found(phoenix, f"{names.COMMIT_TS}:999999") == []
