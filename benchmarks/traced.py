"""Many runs of ten steps each, as they are recorded: each step in a span of its own, each run in a trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.large import COMMIT_TIMEOUT_S
from benchmarks.values import Values
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.requests import Commit, Write
from statehouse.protocol.values import encode
from statehouse.steps import keys
from statehouse.steps.record import RunRecord, StepRecord, run_to_json, step_payload

RUN_STEPS = 10

_AGENT = "planner"
_SEED = 21
_STARTED_US = 1_700_000_000_000_000
_SPREAD = 0x9E3779B97F4A7C15
"""Odd: another number times this is another id, and there is no order in them."""


@dataclass(frozen=True, slots=True)
class TracedRuns:
    """How many there are.

    Attributes:
        steps: How many steps, each a commit.
    """

    kind: ClassVar[str] = "traced"

    steps: int

    def origin(self, number: int) -> Origin:
        """Where a step's commit comes from."""
        run = number // RUN_STEPS
        return Origin(
            trace_id=f"{(run + 1) * _SPREAD % 2**64:032x}",
            span_id=f"{(number + 1) * _SPREAD % 2**64:016x}",
            agent_id=_AGENT,
            run_id=f"run-{run}",
            step=f"work#{number % RUN_STEPS + 1}",
        )

    def commits(self) -> Iterator[Commit]:
        """Everything that happens in the store."""
        values = Values(_SEED)
        for number in range(self.steps):
            origin = self.origin(number)
            writes = [self._step(number, origin)]
            if number % RUN_STEPS == 0:
                writes.insert(0, self._run(number, origin))
            yield Commit(values.txn_id(), tuple(writes), origin=origin, timeout_s=COMMIT_TIMEOUT_S)

    def _run(self, number: int, origin: Origin) -> Write:
        record = RunRecord(
            run_id=origin.run_id,
            namespace=DEFAULT_NAMESPACE,
            agent_id=_AGENT,
            started_at_us=_STARTED_US + number,
            trace_id=origin.trace_id,
        )
        return Write(record.key, encode(run_to_json(record)))

    def _step(self, number: int, origin: Origin) -> Write:
        record = StepRecord(
            run_id=origin.run_id,
            path=origin.step,
            name="work",
            ordinal=number % RUN_STEPS + 1,
            status="executed",
            input={"number": {"json": number}},
            function="benchmarks:work",
            output={"json": number},
            trace_id=origin.trace_id,
            span_id=origin.span_id,
            started_at_us=_STARTED_US + number,
            ended_at_us=_STARTED_US + number + 1000,
            duration_us=1000,
        )
        name = RecordKey(keys.runs_namespace(DEFAULT_NAMESPACE), origin.run_id, record.key)
        return Write(name, step_payload(record))
