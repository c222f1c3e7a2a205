"""What is large goes by calls of its own, in both directions; what is small still goes by the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS, KIB, MIB
from statehouse.protocol.requests import Commit, GetMany, Replay, Scan, Status, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.rpc.calling import RemoteEngine
from statehouse.rpc.sizes import ITEM_BYTES_MAX
from statehouse.testing.contracts.engine_phrases import commit, entry, name, transaction, write_bytes
from statehouse.testing.daemon import serving
from tests.rpc.daemons import WAIT_S


@pytest.fixture(params=["pipeline", "unary"])
def remote(request: pytest.FixtureRequest, engine: Engine) -> Iterator[RemoteEngine]:
    """Asks the daemon."""
    with serving(engine) as target:
        remote = RemoteEngine(target, pipelined=request.param == "pipeline")
        yield remote
        remote.close()


SIZES = [
    0,
    *(ITEM_BYTES_MAX + more for more in (-250, -200, -150, -100, -90, -64, -32, -1, 0, 1)),
    MIB,
    DEFAULT_LIMITS.value_bytes_max,
]


@pytest.mark.parametrize("size", SIZES)
def test_a_value_of_any_size_travels_both_ways(remote: RemoteEngine, engine: Engine, size: int) -> None:
    """Around what an item of the pipeline may have, and at the limit of a value."""
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert commit(remote, Write(name(), Payload(BYTES, data))).commit_ts == 1
    for found in (entry(remote), entry(engine)):
        assert found.payload == Payload(BYTES, data)
    (event,) = remote.execute(Replay()).events
    assert event.operations[0].payload == Payload(BYTES, data)
    assert remote.execute(GetMany((name(),))).entries[0].payload == Payload(BYTES, data)
    assert remote.submit(Scan("default", "planner")).result(WAIT_S).entries[0].payload == Payload(BYTES, data)


def test_a_value_above_the_limit_is_the_same_error_as_embedded(remote: RemoteEngine, engine: Engine) -> None:
    too_large = write_bytes("k", DEFAULT_LIMITS.value_bytes_max + 1)
    errors = []
    for asked in (remote, engine):
        with pytest.raises(LimitExceededError) as refused:
            commit(asked, too_large, txn_id="t")
        errors.append((refused.value.message, refused.value.details))
    assert errors[0] == errors[1]
    assert engine.execute(Status()).commit_ts == 0


@pytest.mark.parametrize("mebibytes", [32, 33, 48, 80])
def test_a_transaction_above_the_limit_is_refused_in_words(
    remote: RemoteEngine, engine: Engine, mebibytes: int
) -> None:
    """Also one that is larger than any message may be; the handle works on."""
    whole, rest = divmod(mebibytes, 16)
    operations = [write_bytes(f"k{number}", 16 * MIB) for number in range(whole)]
    operations.append(write_bytes("rest", rest * MIB + 1))
    with pytest.raises((LimitExceededError, InvalidArgumentError)):
        remote.execute(Commit("t", tuple(operations)))
    assert remote.execute(Status()).commit_ts == 0
    assert commit(remote, write_bytes("k", 10)).commit_ts == 1


def test_the_largest_transaction_is_committed(remote: RemoteEngine) -> None:
    # Names count, too.
    half = DEFAULT_LIMITS.transaction_bytes_max // 2 - len("defaultplannerk") - 2
    assert commit(remote, write_bytes("k", half), write_bytes("l", half)).commit_ts == 1
    events = remote.execute(Replay()).events
    assert [len(operation.payload.data) for operation in events[0].operations if operation.payload] == [
        half,
        half,
    ]


@pytest.mark.slow
def test_the_most_operations_with_the_longest_names_are_committed(remote: RemoteEngine) -> None:
    """More bytes of names than of values: 10,000 operations of 1,400 bytes of name each."""
    longest = DEFAULT_LIMITS
    operations = tuple(
        Write(
            name(f"{number:05}" + "k" * (longest.key_bytes_max - 5), "a" * 256, "n" * 128),
            Payload(BYTES, b""),
        )
        for number in range(longest.transaction_operations_max)
    )
    assert remote.execute(Commit("t", operations)).commit_ts == 1
    (event,) = remote.execute(Replay()).events
    assert len(event.operations) == longest.transaction_operations_max


def test_small_calls_do_not_wait_behind_large_ones(remote: RemoteEngine) -> None:
    large = [remote.submit(transaction(write_bytes(f"k{number}", 8 * MIB))) for number in range(4)]
    assert entry(remote, "other").version == 0
    assert sorted(each.result(WAIT_S).commit_ts for each in large) == [1, 2, 3, 4]


def test_pages_of_many_large_values_are_whole(remote: RemoteEngine) -> None:
    for number in range(40):
        commit(remote, write_bytes(f"k{number:02}", 100 * KIB))
    found, cursor = [], None
    while True:
        page = remote.execute(Scan("default", "planner", cursor=cursor))
        found += [each.key.key for each in page.entries]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [f"k{number:02}" for number in range(40)]
