"""A server that knows only the unary calls is served by them, without a word."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import grpc
import pytest

from statehouse._generated import statehouse_pb2 as pb
from statehouse.engine import LocalEngine
from statehouse.errors import StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Get, Replay, Status
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.contracts.engine_phrases import entry, name, put, transaction, write
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call
from tests.engine_faults.gates import GatedStore
from tests.rpc.daemons import WAIT_S, serving_calls, serving_without_pipeline, within
from tests.rpc.proxy import Fault, Proxy


def test_the_first_call_is_answered_and_so_are_the_others(engine: Engine) -> None:
    with serving_without_pipeline(engine) as target:
        remote = RemoteEngine(target)
        assert put(remote, "k", {"a": 1}) == 1
        assert "unary" in repr(remote)
        assert entry(remote) == entry(engine)
        remote.close()


def test_commits_that_met_no_pipeline_are_applied_once(engine: Engine) -> None:
    """G5: nothing of a conversation that was refused was read by anybody."""
    with serving_without_pipeline(engine) as target:
        remote = RemoteEngine(target)
        commits = [transaction(write(f"k{number}", number)) for number in range(100)]
        asked = [remote.submit(commit) for commit in commits]
        reads = [remote.submit(Get(name())) for _ in range(100)]
        assert sorted(each.result(WAIT_S).commit_ts for each in asked) == list(range(1, 101))
        assert not any(each.result(WAIT_S).repeated for each in asked)
        assert all(each.result(WAIT_S).entry.version == 0 for each in reads)
        log = engine.execute(Replay()).events
        assert sorted(event.txn_id for event in log) == sorted(commit.txn_id for commit in commits)
        remote.close()


def test_many_threads_are_answered(engine: Engine) -> None:
    with serving_without_pipeline(engine) as target, ThreadPoolExecutor(8) as threads:
        remote = RemoteEngine(target)
        numbers = threads.map(lambda number: put(remote, f"k{number}"), range(100))
        assert sorted(numbers) == list(range(1, 101))
        remote.close()


def test_a_connection_that_breaks_is_made_again(engine: Engine) -> None:
    with serving_without_pipeline(engine) as target, Proxy(target) as proxy:
        remote = RemoteEngine(proxy.url)
        for number in range(1, 5):
            assert put(remote, "k", number) == number
            proxy.inject(Fault("reset"))
            proxy.heal()
        assert engine.execute(Status()).commit_ts == 4
        remote.close()


def test_more_calls_than_may_be_open_at_once_wait_and_are_answered(
    store: GatedStore, gated: LocalEngine
) -> None:
    with serving(gated) as target:
        remote = RemoteEngine(target, pipelined=False)
        put(remote)
        store.shut(Call.WRITE)
        commits = [remote.submit(transaction(write(f"k{number}"))) for number in range(1000)]
        store.await_arrival(Call.WRITE)
        assert remote.unanswered == 1000
        store.lift(Call.WRITE)
        assert sorted(each.result(WAIT_S).commit_ts for each in commits) == list(range(2, 1002))
        assert remote.unanswered == 0
        remote.close()


def babbling(said: bytes) -> AbstractContextManager[str]:
    """A server whose pipeline answers everything with the same bytes, and that knows nothing else."""

    def babble(asked: Iterator[bytes], _: object) -> Iterator[bytes]:
        for _ in asked:
            yield said

    calls = {
        "Version": grpc.unary_unary_rpc_method_handler(lambda _, __: b""),
        "Pipeline": grpc.stream_stream_rpc_method_handler(babble),
    }
    return serving_calls(calls)


def _reply(**reply: Any) -> bytes:
    batch = pb.ReplyBatch()
    batch.items.add(**reply)
    return batch.SerializeToString()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\xff\xff", id="no message"),
        pytest.param(_reply(id=1), id="no reply"),
        pytest.param(_reply(id=1, list_agents=pb.ListAgentsResponse()), id="another reply"),
        pytest.param(_reply(id=1, error=pb.StatehouseError(code=99)), id="an unknown error"),  # type: ignore[arg-type]  # not a number of ours
        pytest.param(_reply(id=1, too_large=pb.TooLarge()), id="too large"),
        pytest.param(_reply(id=2**60, get_state=pb.GetStateResponse()), id="nobody's"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_answers_that_make_no_sense_end_calls_and_not_the_connection(said: bytes) -> None:
    with babbling(said) as target:
        remote = RemoteEngine(target, timeout=0.5)
        with within(0.5), pytest.raises(StatehouseError):
            remote.execute(Get(name()))
        # Whatever became of the first call, the next one is asked, and ends.
        with within(0.5), pytest.raises(StatehouseError):
            remote.execute(Get(name()))
        with within(1):
            remote.close()
