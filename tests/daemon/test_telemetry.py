"""The spans and metrics of a real daemon, as those see them who collect them."""

from __future__ import annotations

import importlib.util
import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from statehouse import ConflictError, Statehouse
from statehouse._generated import statehouse_pb2 as pb
from statehouse.daemon.config import configure, require_consistent
from statehouse.daemon.telemetry import require_installed
from statehouse.programs.exits import Exit, Refusal
from statehouse.tracing import attributes as names
from tests.daemon.processes import Daemon, daemon, environment, refused
from tests.otel.receiver import Receiver, facts, receiving
from tests.rpc.daemons import eventually
from tests.rpc.foreign import connected
from tests.tracing.collected import Collected, commit_ts, fact, ids

COMMIT = "statehouse.v1.StatehouseService/CommitTransaction"


def endpoints(running: Daemon) -> list[str]:
    """Where it says that it can be scraped."""
    return [found[0] for line in running.log if (found := re.search(r"http://\S+/metrics", line))]


def scraped(running: Daemon) -> dict[str, float]:
    """Every number, by its name and the values of its labels."""
    # The log is written a moment after what it tells.
    eventually(lambda: endpoints(running))
    [url] = endpoints(running)
    with urllib.request.urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on a directory, which can be scraped."""
    place = tmp_path_factory.mktemp("metered")
    args = ("--data-dir", str(place / "data"), "--metrics-listen", "127.0.0.1:0")
    with daemon(place / "log", *args) as running:
        yield running


def test_transactions_are_counted_by_how_they_ended(metered: Daemon) -> None:
    before = scraped(metered)
    with Statehouse(metered.target) as sh:
        tx = sh.begin_transaction()
        tx.get_state("k", agent_id="a", default=None)
        tx.write("k", 1, agent_id="a")
        sh.write("k", 2, agent_id="a")
        with pytest.raises(ConflictError):
            tx.commit()
    after = scraped(metered)
    grown = {
        name.removeprefix("statehouse_transactions_total "): after[name] - before[name]
        for name in after
        if name.startswith("statehouse_transactions_total") and after[name] != before[name]
    }
    assert grown == {"committed": 1, "conflict": 1}


def test_operations_are_counted_by_type(metered: Daemon) -> None:
    before = scraped(metered)
    with Statehouse(metered.target) as sh:
        with sh.begin_transaction() as tx:
            tx.write("x", 1, agent_id="a")
            tx.write("y", 1, agent_id="a")
            tx.delete("z", agent_id="a")
        sh.get_state("x", agent_id="a")
    after = scraped(metered)
    counted = {
        kind: after[f"statehouse_operations_total {kind}"]
        - before.get(f"statehouse_operations_total {kind}", 0)
        for kind in ("write", "delete", "get")
    }
    assert counted == {"write": 2, "delete": 1, "get": 1}


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipeline", "unary"])
def test_the_time_of_every_request_is_taken_however_it_came(metered: Daemon, pipelined: bool) -> None:
    count, seconds = (
        f"statehouse_rpc_duration_seconds_{what} CommitTransaction" for what in ("count", "sum")
    )
    before = scraped(metered)
    if pipelined:
        with Statehouse(metered.target) as sh:
            sh.write("k", 1, agent_id="a")
    else:
        with connected(metered.target) as stub:
            change = pb.Change(agent_id="a", key="k", delete=pb.Tombstone())
            stub.CommitTransaction(pb.CommitTransactionRequest(txn_id="unary-1", changes=[change]))
    after = scraped(metered)
    assert after[count] - before.get(count, 0) == 1
    assert 0 < after[seconds] - before.get(seconds, 0) < 60
    assert after["statehouse_rpc_duration_seconds_bucket +Inf CommitTransaction"] == after[count] or (
        after["statehouse_rpc_duration_seconds_bucket CommitTransaction +Inf"] == after[count]
    )


def test_bytes_that_are_written_are_counted(metered: Daemon) -> None:
    before = scraped(metered)
    with Statehouse(metered.target) as sh:
        sh.write("large", "x" * 100_000, agent_id="a")
    after = scraped(metered)
    written = (
        after["statehouse_storage_bytes_written_total"] - before["statehouse_storage_bytes_written_total"]
    )
    assert 100_000 < written < 110_000
    assert after["statehouse_storage_bytes"] > 0


def test_commits_without_a_trace_are_counted(metered: Daemon, spans: Collected) -> None:
    name = "statehouse_commits_without_trace_total"
    with Statehouse(metered.target) as sh:
        with spans.tracer.start_as_current_span("work"):
            sh.write("k", 1, agent_id="a")
        before = scraped(metered)[name]
        with connected(metered.target) as stub:
            change = pb.Change(agent_id="a", key="k", delete=pb.Tombstone())
            stub.CommitTransaction(pb.CommitTransactionRequest(txn_id="without-1", changes=[change]))
        assert scraped(metered)[name] == before + 1
        with spans.tracer.start_as_current_span("work"):
            sh.write("k", 2, agent_id="a")
        assert scraped(metered)[name] == before + 1


def test_what_is_in_hand_is_told(metered: Daemon) -> None:
    with Statehouse(metered.target) as sh, connected(metered.target) as stub:
        sh.write("k", 1, agent_id="a")
        txn_id = stub.BeginTransaction(pb.BeginTransactionRequest()).txn_id
        found = scraped(metered)
        assert found["statehouse_open_transactions"] == 1
        assert found["statehouse_pipelines"] == 1
        assert found["statehouse_commit_ts"] == sh.status().commit_ts
        assert found["statehouse_writable"] == 1
        assert found["statehouse_commit_queue"] == 0
        stub.Abort(pb.AbortRequest(txn_id=txn_id))
        assert scraped(metered)["statehouse_open_transactions"] == 0


def test_followers_are_told(metered: Daemon) -> None:
    with Statehouse(metered.target) as sh, connected(metered.target) as stub:
        sh.write("k", 1, agent_id="follow")
        asked = pb.ReplayBatchesRequest(agent_id="follow", namespace="default", follow=True)
        batches = stub.ReplayBatches(asked)
        next(batches)
        found = scraped(metered)
        batches.cancel()
    assert found["statehouse_replays"] == 1


def test_no_label_names_a_namespace_an_agent_or_a_key(metered: Daemon) -> None:
    with Statehouse(metered.target) as sh:
        sh.write("secret-key", 1, agent_id="secret-agent", namespace="secret-namespace")
    assert not [name for name in scraped(metered) if "secret" in name]


# Spans, and metrics that are sent.


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def of_commits(found: list[Span]) -> list[Span]:
    return [span for span in found if span.name == COMMIT]


def test_one_trace_goes_from_the_client_into_the_daemon(
    tmp_path: Path, receiver: Receiver, spans: Collected
) -> None:
    variables = environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, OTEL_BSP_SCHEDULE_DELAY="20")
    args = ("--memory", "--telemetry", "otlp")
    with daemon(tmp_path / "log", *args, env=variables) as running:
        with Statehouse(running.target) as sh, spans.tracer.start_as_current_span("work"):
            sh.write("k", 1, agent_id="a")
        found = receiver.wait_for_spans("statehoused", 1)
        assert running.end(15) == 0
    client = spans.one("commit")
    [server] = of_commits(found)
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == ids(client)
    assert facts(server.attributes)[names.COMMIT_TS] == commit_ts(client) == 1
    assert facts(server.attributes)[names.STORE_ID] == fact(client, names.STORE_ID)
    # What it has counted it sends when it ends.
    counted = receiver.wait_for_metrics()["statehouse.transactions"].sum.data_points
    assert {facts(each.attributes)["status"]: each.as_int for each in counted}["committed"] == 1


def test_spans_on_the_console_are_on_stderr(tmp_path: Path) -> None:
    with daemon(tmp_path / "log", "--memory", "--telemetry", "console") as running:
        with Statehouse(running.target) as sh:
            sh.write("k", 1, agent_id="a")
        assert running.end(15) == 0
        assert any(COMMIT in line for line in running.log)


@pytest.mark.slow
def test_a_collector_that_is_not_there_holds_nothing_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        variables = environment(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{mute.getsockname()[1]}")
        args = ("--memory", "--telemetry", "otlp")
        with daemon(tmp_path / "log", *args, env=variables) as running:
            with Statehouse(running.target) as sh:
                sh.write("k", 1, agent_id="a")
            assert running.end(15) == 0


# What is refused.


def test_metrics_are_not_shown_to_other_machines_by_accident() -> None:
    code, said = refused("--memory", "--listen", "127.0.0.1:0", "--metrics-listen", "0.0.0.0:0")
    assert code == Exit.USAGE
    assert "can be reached from other machines" in said


def test_a_port_of_metrics_that_is_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = refused("--memory", "--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{port}")
    assert code == Exit.UNAVAILABLE
    assert str(port) in said


@pytest.mark.parametrize(
    "args", [("--telemetry", "otlp"), ("--metrics-listen", "127.0.0.1:0")], ids=["telemetry", "metrics"]
)
def test_what_is_not_installed_is_named(args: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    configuration, _ = configure(["--memory", *args])
    require_consistent(configuration)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(Refusal, match=rf"{args[0]} needs .* statehouse\[otel\]"):
        require_installed(configuration.settings)
