"""Point reads: against rocksdict, and among a million records against a thousand."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.baselines.lookups import Lookups
from benchmarks.crowd import Crowd
from benchmarks.large import rested_copy
from benchmarks.measure import Benchmark, Figure, Sides
from benchmarks.values import Values
from benchmarks.workspace import Workspace
from statehouse import Statehouse
from statehouse.protocol.names import RecordKey

_AGENT = "planner"
_KEYS = 1000
_READS = 20_000
_VALUE_BYTES = 200


@contextmanager
def _point_reads(workspace: Workspace) -> Iterator[Sides]:
    values = Values(1)
    documents = {f"key-{number:04d}": values.document(_VALUE_BYTES) for number in range(_KEYS)}
    asked = values.random.choices(list(documents), k=workspace.scaled(_READS))
    asked_bytes = [key.encode() for key in asked]
    rows = {
        key.encode(): json.dumps(value, separators=(",", ":")).encode() for key, value in documents.items()
    }
    with ExitStack() as stack:
        statehouse = stack.enter_context(_opened(stack.enter_context(workspace.directory("ours"))))
        with statehouse.agent(_AGENT).transaction() as transaction:
            for key, value in documents.items():
                transaction.write(key, value)
        lookups = Lookups(stack.enter_context(workspace.directory("theirs")), rows)
        stack.callback(lookups.close)

        def ours() -> float:
            get_state = statehouse.get_state
            began = time.perf_counter()
            for key in asked:
                get_state(key, agent_id=_AGENT).value  # noqa: B018 - taking the value is what costs
            return len(asked) / (time.perf_counter() - began)

        ours()  # the interpreter specialises code that has run a few times; the baseline has next to none
        yield Sides(ours, lambda: lookups.run(asked_bytes))


POINT_READ = Benchmark(
    "get-state",
    "get_state of 200 B, throughput",
    "rocksdict get + json.loads",
    "ops/s",
    "higher",
    target=0.40,
    floor=0.25,
    prepare=_point_reads,
)


def _opened(path: Path) -> Statehouse:
    return Statehouse(f"file:{path}")


Read = Callable[[Statehouse, Crowd, Sequence[RecordKey]], None]


def _read_now(statehouse: Statehouse, _: Crowd, names: Sequence[RecordKey]) -> None:
    for namespace, agent_id, key in names:
        statehouse.get_state(key, agent_id=agent_id, namespace=namespace)


def _read_as_of(statehouse: Statehouse, crowd: Crowd, names: Sequence[RecordKey]) -> None:
    at = crowd.first_ts
    for namespace, agent_id, key in names:
        statehouse.get_state(key, agent_id=agent_id, namespace=namespace, at=at)


def million(workspace: Workspace) -> Crowd:
    """The large crowd, which several rows share."""
    return Crowd(workspace.scaled(1_000_000), workspace.scaled(100_000))


@contextmanager
def _among_many(workspace: Workspace, read: Read, *, again: bool) -> Iterator[Sides]:
    with ExitStack() as stack:

        def prepare(crowd: Crowd, seed: int) -> Figure:
            path = stack.enter_context(workspace.directory(f"among-{crowd.records}"))
            rested_copy(crowd, workspace, path)
            statehouse = stack.enter_context(_opened(path))
            numbers = crowd.written_again() if again else range(crowd.records)
            random = Values(seed).random

            def microseconds() -> float:
                # Other records in each round: nothing has been read before because the round before read it.
                names = [
                    crowd.name(number) for number in random.choices(numbers, k=workspace.scaled(_READS) // 2)
                ]
                began = time.perf_counter()
                read(statehouse, crowd, names)
                return (time.perf_counter() - began) / len(names) * 1e6

            microseconds()
            return microseconds

        few = Crowd(1000, 1000, one_agent_events=0)
        yield Sides(prepare(million(workspace), 2), prepare(few, 3))


AMONG_MANY = (
    Benchmark(
        "get-state-among-many",
        "get_state among 1,000,000 records, random keys, time",
        "among 1,000",
        "us",
        "lower",
        target=1.5,
        floor=2.5,
        prepare=lambda workspace: _among_many(workspace, _read_now, again=False),
    ),
    Benchmark(
        "as-of-among-many",
        "get_state(at=) among 1,000,000 records, random keys, time",
        "among 1,000",
        "us",
        "lower",
        target=1.5,
        floor=2.5,
        prepare=lambda workspace: _among_many(workspace, _read_as_of, again=True),
    ),
)
