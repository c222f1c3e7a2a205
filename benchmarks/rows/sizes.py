"""How many bytes a store has after `close`, against the bytes that were put into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from benchmarks.measure import Benchmark, Sides
from benchmarks.values import Values, encoded_size
from benchmarks.workspace import Workspace, size_bytes
from statehouse import Statehouse
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Write
from statehouse.protocol.values import encode

_AGENT = "planner"
_IN_FLIGHT = 256


@contextmanager
def _sides(workspace: Workspace, fill: Callable[[Statehouse, Values], int]) -> Iterator[Sides]:
    """Fills a new store in every round; `fill` says how many bytes were put in."""
    put_in = 0
    round_number = 0

    def ours() -> float:
        nonlocal put_in, round_number
        round_number += 1
        with workspace.directory("sized") as path:
            with Statehouse(f"file:{path}", durability="none") as statehouse:
                put_in = fill(statehouse, Values(100 + round_number))
            return size_bytes(path)

    yield Sides(ours, lambda: put_in)


def _write_each(statehouse: Statehouse, values: Values, writes: Iterable[tuple[str, Any]]) -> None:
    """Writes each value in a commit of its own, many in flight: waiting for each would change no byte."""
    engine = statehouse.connection.engine
    in_flight: deque[Future[Committed]] = deque()
    for key, value in writes:
        write = Write(RecordKey(DEFAULT_NAMESPACE, _AGENT, key), encode(value))
        in_flight.append(engine.submit(Commit(values.txn_id(), (write,))))
        if len(in_flight) >= _IN_FLIGHT:
            in_flight.popleft().result()
    while in_flight:
        in_flight.popleft().result()


@contextmanager
def _large(workspace: Workspace) -> Iterator[Sides]:
    count, size = workspace.scaled(10_000), 10 * 1024

    def fill(statehouse: Statehouse, values: Values) -> int:
        writes = ((f"key-{number:05d}", values.random.randbytes(size)) for number in range(count))
        _write_each(statehouse, values, writes)
        return count * size

    with _sides(workspace, fill) as sides:
        yield sides


@contextmanager
def _small(workspace: Workspace) -> Iterator[Sides]:
    count, size = workspace.scaled(100_000), 200
    keys = [f"key-{number:04d}" for number in range(1000)]
    name_size = len(DEFAULT_NAMESPACE) + len(_AGENT) + len(keys[0])

    def fill(statehouse: Statehouse, values: Values) -> int:
        writes = ((values.random.choice(keys), values.document(size)) for _ in range(count))
        _write_each(statehouse, values, writes)
        return count * (name_size + size)

    with _sides(workspace, fill) as sides:
        yield sides


@contextmanager
def _growing(workspace: Workspace) -> Iterator[Sides]:
    count, size = workspace.scaled(1000), 1024

    def fill(statehouse: Statehouse, values: Values) -> int:
        agent = statehouse.agent(_AGENT)
        messages: list[Any] = []
        new = 0
        for number in range(count):
            message = values.document(size)
            messages.append(message)
            new += encoded_size(message)
            with agent.transaction() as transaction:
                if number:
                    transaction.write("messages", messages, extends=transaction.get_state("messages"))
                else:
                    transaction.write("messages", messages)
        assert agent.get_state("messages").value == messages, "the list is not what was written"
        return new

    with _sides(workspace, fill) as sides:
        yield sides


ROWS = (
    Benchmark(
        "size-large-values",
        "bytes after close(), 10,000 random values of 10 KiB",
        "the bytes written",
        "bytes",
        "lower",
        target=1.10,
        floor=1.25,
        prepare=_large,
    ),
    Benchmark(
        "size-small-values",
        "bytes after close(), 100,000 values of 200 B (JSON, random text) in 1,000 keys",
        "names + values",
        "bytes",
        "lower",
        target=2.0,
        floor=3.0,
        prepare=_small,
    ),
    Benchmark(
        "size-growing-list",
        "bytes after close(), a list that grows by 1 KB, 1,000 writes with Extend",
        "the new data",
        "bytes",
        "lower",
        target=2.0,
        floor=3.0,
        prepare=_growing,
    ),
)
