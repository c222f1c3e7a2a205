"""What is recorded of a step, and of a run.

A record is JSON, so that every tool can read it; its names are short, since a run has many. `StepRecord` and
`RunRecord` are the same with names for people. The commit_ts of a step is that of its record: state changes,
result and record are one commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from json import JSONEncoder
from typing import Any, Final, Literal

from statehouse.errors import InvalidArgumentError
from statehouse.extend import JSON, Entry, Payload, RecordKey, decode
from statehouse.protocol.quick import quick
from statehouse.steps import keys
from statehouse.steps.clock import time_of
from statehouse.steps.shared import Slot

StepStatus = Literal["executed", "failed", "conflicted"]
RunStatus = Literal["running", "finished", "failed", "interrupted"]
StepKind = Literal["step", "now", "uuid", "random", "wait"]

FORMAT: Final = 1


@quick
@dataclass(frozen=True, slots=True)
class StepRecord:
    """A finished step, as it is recorded.

    Attributes:
        run_id: The run it belongs to.
        path: Which step of the run: parent path, name, ordinal.
        name: What it is called.
        ordinal: Which call of that name under its parent, from 1; 0 for a step with a key.
        status: ``executed``; ``failed``, with `error`; ``conflicted``: an at_most_once step whose state
            changes were not applied.
        input: Each argument as a slot; see `statehouse.steps.shared`.
        kind: ``step``, or what was recorded for the run itself: ``now``, ``uuid``, ``random``, ``wait``.
        attempt: How often its body ran until this ended it.
        conflicts: How many of those were ended by a conflict.
        function: The function, as ``module:qualname``.
        source_hash: Of its source; empty where there is none.
        code_version: What the run said its code is.
        input_hash: Of its arguments.
        output: What it returned, as a slot; None for a failed one.
        error: The type, message and traceback of what it raised; None for others.
        read_ts: The state that it saw; None if it read nothing, and then it is `commit_ts` - 1.
        commit_ts: The state that it made.
        version: How often this record was written: above 1, the step was run again.
        reads: The keys that it read, with their versions (0: absent), as a slot.
        writes: The keys that it wrote, as a slot.
        trace_id: The trace it belongs to; empty for none.
        span_id: Its span.
        parent_span_id: The span around it.
        started_at_us: When its last attempt began, in microseconds since 1970.
        ended_at_us: When that ended.
        duration_us: How long that took, on the monotonic clock.
        idempotency_key: What it had to give to the world outside.
        effect: ``at_least_once``, ``at_most_once`` or ``none``.
        helpers: What ``now()``, ``uuid()`` and ``random()`` gave its body, in order.
        taken: For a step of a fork that was answered from its parent's record: that one's ``run_id`` and
            ``commit_ts``; None for others.
    """

    run_id: str
    path: str
    name: str
    ordinal: int
    status: StepStatus
    input: Mapping[str, Slot]
    kind: StepKind = "step"
    attempt: int = 1
    conflicts: int = 0
    function: str = ""
    source_hash: str = ""
    code_version: str = ""
    input_hash: str = ""
    output: Slot | None = None
    error: Mapping[str, Any] | None = None
    read_ts: int | None = None
    commit_ts: int = 0
    version: int = 0
    reads: Slot | None = None
    writes: Slot | None = None
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    started_at_us: int = 0
    ended_at_us: int = 0
    duration_us: int = 0
    idempotency_key: str = ""
    effect: str = "at_least_once"
    helpers: tuple[tuple[str, Any], ...] = ()
    taken: Mapping[str, Any] | None = None

    @property
    def started_at(self) -> datetime:
        """When its last attempt began, in UTC."""
        return time_of(self.started_at_us)

    @property
    def ended_at(self) -> datetime:
        """When it ended, in UTC."""
        return time_of(self.ended_at_us)

    @property
    def saw_ts(self) -> int:
        """The commit_ts of the state that it saw; if it read nothing, of the state before its own commit."""
        return max(0, self.commit_ts - 1) if self.read_ts is None else self.read_ts

    @property
    def key(self) -> str:
        """The key of its record."""
        return keys.STEP + self.path


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, as it is recorded.

    Attributes:
        run_id: Its id.
        namespace: The namespace of its state.
        agent_id: Whose run it is.
        name: What it is called; may be empty.
        status: ``running``, also when it was killed; ``finished``, ``failed``, or ``interrupted`` by a
            cancellation or Ctrl-C.
        started_at_us: When it began, in microseconds since 1970.
        ended_at_us: When it ended; 0 while it runs.
        resumes: How often it was resumed.
        input: What it was given, as a slot; None for nothing.
        code_version: What it said its code is.
        error: What left it; None for others.
        retry: The failed steps that are run again when it is resumed: those whose failure left it.
        trace_id: The trace it began in.
        span_id: The span it began in.
        parent_run_id: The run whose step began it; may be empty.
        parent_step: The path of that step.
        fork: For a fork: ``run_id``, ``step`` and ``at`` (whose state it began from, before which step, as of
            which commit_ts), ``effects``, ``set_state`` and ``set_output``; None for others.
        commit_ts: The commit of this record.
        version: How often this record was written.
    """

    run_id: str
    namespace: str
    agent_id: str
    name: str = ""
    status: RunStatus = "running"
    started_at_us: int = 0
    ended_at_us: int = 0
    resumes: int = 0
    input: Slot | None = None
    code_version: str = ""
    error: Mapping[str, Any] | None = None
    retry: tuple[str, ...] = ()
    trace_id: str = ""
    span_id: str = ""
    parent_run_id: str = ""
    parent_step: str = ""
    fork: Mapping[str, Any] | None = None
    commit_ts: int = 0
    version: int = 0

    @property
    def started_at(self) -> datetime:
        """When it began, in UTC."""
        return time_of(self.started_at_us)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in UTC; None while it runs."""
        return time_of(self.ended_at_us) if self.ended_at_us else None

    @property
    def key(self) -> RecordKey:
        """The name of its record."""
        return keys.run_key(self.namespace, self.run_id)


_STEP_NAMES: Final = {
    "name": "name",
    "ordinal": "ordinal",
    "status": "status",
    "kind": "kind",
    "attempt": "attempt",
    "conflicts": "conflicts",
    "function": "function",
    "source": "source_hash",
    "code": "code_version",
    "input_hash": "input_hash",
    "input": "input",
    "output": "output",
    "error": "error",
    "read_ts": "read_ts",
    "reads": "reads",
    "writes": "writes",
    "trace": "trace_id",
    "span": "span_id",
    "parent_span": "parent_span_id",
    "started_us": "started_at_us",
    "ended_us": "ended_at_us",
    "duration_us": "duration_us",
    "idempotency_key": "idempotency_key",
    "effect": "effect",
    "helpers": "helpers",
    "taken": "taken",
}
_RUN_NAMES: Final = {
    "agent_id": "agent_id",
    "name": "name",
    "status": "status",
    "started_us": "started_at_us",
    "ended_us": "ended_at_us",
    "resumes": "resumes",
    "input": "input",
    "code": "code_version",
    "error": "error",
    "retry": "retry",
    "trace": "trace_id",
    "span": "span_id",
    "parent_run": "parent_run_id",
    "parent_step": "parent_step",
    "fork": "fork",
}
_USUAL: Final = frozenset({"step", "at_least_once"})
_encode: Final = JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


def step_payload(record: StepRecord) -> Payload:
    """Gives the JSON of a step's record; what is as usual is left out."""
    facts = _to_json(record, _STEP_NAMES)
    for short in ("kind", "effect"):
        if facts[short] in _USUAL:
            del facts[short]
    if record.read_ts == 0:
        facts["read_ts"] = 0
    # Slots were encoded before, so all of it is JSON: to check it again would take longer than to encode it.
    return Payload(JSON, _encode(facts).encode())


def run_to_json(record: RunRecord) -> dict[str, Any]:
    """Gives the JSON of a run's record."""
    return _to_json(record, _RUN_NAMES)


def _to_json(record: object, names: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"v": FORMAT}
    for short, name in names.items():
        if value := getattr(record, name):
            found[short] = value
    return found


def step_from_entry(entry: Entry) -> StepRecord:
    """Reads a step's record.

    Raises:
        InvalidArgumentError: It is not one, or was written by a newer Statehouse.
    """
    facts = _facts(entry, "a step", ("name", "status"))
    known = {name: facts[short] for short, name in _STEP_NAMES.items() if short in facts}
    known["helpers"] = tuple([(kind, value) for kind, value in known.get("helpers", ())])
    known.setdefault("ordinal", 0)
    known.setdefault("input", {})
    path = entry.key.key.removeprefix(keys.STEP)
    return StepRecord(
        run_id=entry.key.agent_id, path=path, commit_ts=entry.commit_ts, version=entry.version, **known
    )


def run_from_entry(entry: Entry) -> RunRecord:
    """Reads a run's record.

    Raises:
        InvalidArgumentError: It is not one, or was written by a newer Statehouse.
    """
    facts = _facts(entry, "a run", ("agent_id",))
    known = {name: facts[short] for short, name in _RUN_NAMES.items() if short in facts}
    known["retry"] = tuple(known.get("retry", ()))
    namespace = entry.key.namespace.removesuffix(keys.runs_namespace(""))
    return RunRecord(
        run_id=entry.key.agent_id,
        namespace=namespace,
        commit_ts=entry.commit_ts,
        version=entry.version,
        **known,
    )


def _facts(entry: Entry, of: str, needed: tuple[str, ...]) -> dict[str, Any]:
    """The JSON of a record, which has the texts that are needed."""
    value = None if entry.payload is None else decode(entry.payload)
    if not isinstance(value, dict) or not isinstance(value.get("v"), int):
        raise InvalidArgumentError(f"{entry.key} is not the record of {of}: {value!r:.80}")
    if value["v"] <= FORMAT and (
        lacking := [name for name in needed if not isinstance(value.get(name), str)]
    ):
        raise InvalidArgumentError(
            f"{entry.key} is not the record of {of}, or a malformed one: it has no {', '.join(lacking)}"
        )
    if value["v"] > FORMAT:
        raise InvalidArgumentError(
            f"{entry.key} was written by a newer Statehouse (records of version {value['v']}; this one reads "
            f"{FORMAT}): upgrade this one"
        )
    return value
