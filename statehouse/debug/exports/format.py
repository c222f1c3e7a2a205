"""What the lines of an exported run say; `statehouse.debug.exports.file` reads and writes the file.

::

    {"statehouse_run":1,"statehouse":"0.2.0","store_id":"…","epoch":1,"epochs":[…],"namespace":"default",…}
    {"held":["default","planner"],"from_ts":6,"keys":["goal","plan"]}
    {"held":["default.runs","r-42"],"from_ts":0,"prefix":""}
    {"held":["default.runs.index","all"],"from_ts":0,"prefix":"","partial":true}
    {"commit_ts":3,"txn_id":"…","committed_at_us":…,"origin":{…},"operations":[…]}
    {"trailer":{"events":1,"sha256":"…"}}

An event names all its operations; see `statehouse.protocol.lines`. One that is not held says
``"withheld":true``, and has neither ``json`` nor ``base64``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from statehouse.debug.exports.coverage import Holding
from statehouse.errors import CorruptionError
from statehouse.extend import DEFAULT_LIMITS, RecordKey
from statehouse.protocol.limits import check_integer
from statehouse.protocol.lines import event_from_json, event_to_json
from statehouse.protocol.names import (
    check_agent_id,
    check_namespace,
    check_record_key,
    check_text,
    check_txn_id,
)
from statehouse.protocol.origin import check_origin
from statehouse.protocol.replies import Epoch, Event, Operation

FORMAT: Final = 1
"""The number of the format; a later one is refused."""

KEY: Final = "statehouse_run"

_TIME_US_MAX: Final = 253_402_300_799_999_999
"""The end of the year 9999, after which there are no times."""


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """What an export is of: its first line.

    Attributes:
        statehouse: The version of the Statehouse that wrote it.
        store_id: The store that it came from.
        epoch: The epoch of that store.
        epochs: All epochs of that store.
        namespace: The namespace of the run.
        run_id: The run.
        agent_id: Whose run it is.
        name: What it is called; may be empty.
        status: How it was: ``running``, ``finished``, ``failed`` or ``interrupted``.
        started_at_us: When it began, in microseconds since 1970.
        ended_at_us: When it ended; 0 while it ran.
        steps: How many steps it had recorded.
        runs: The runs whose records are held, whole: it, the runs inside it, those that it was forked from.
        from_ts: Since which commit the state is held that it touched.
        to_ts: The newest commit that the export knows of: the end of the run.
        to_us: The time of that commit.
        exported_at_us: When it was exported.
        all_state: Whether the whole state of the agents that it touched is held.
    """

    statehouse: str
    store_id: str
    epoch: int
    epochs: tuple[Epoch, ...]
    namespace: str
    run_id: str
    agent_id: str
    name: str
    status: str
    started_at_us: int
    ended_at_us: int
    steps: int
    runs: tuple[str, ...]
    from_ts: int
    to_ts: int
    to_us: int
    exported_at_us: int
    all_state: bool


class WithheldOperation(Operation):
    """An operation that an export names, and does not hold."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        """None for a delete; a value raises NotExportedError, since it is somewhere else."""
        if self.kind == "delete":
            return None
        from statehouse.debug.exports.coverage import NotExportedError  # noqa: PLC0415 - only for those who ask

        raise NotExportedError(
            f"version {self.version} of {self.namespace}/{self.agent_id}/{self.key} is not in this export",
            oldest=0,
        )


def withheld(operation: Operation) -> Operation:
    """Gives an operation without its value."""
    return WithheldOperation(
        operation.namespace, operation.agent_id, operation.key, operation.kind, operation.version
    )


def header_to_json(header: ExportHeader) -> dict[str, Any]:
    """Gives the first line."""
    return {KEY: FORMAT, **asdict(header)}


def header_from_json(line: Mapping[str, Any]) -> ExportHeader:
    """Reads the first line, whose format is known to be this one.

    Raises:
        ValueError, KeyError, TypeError: It is damaged.
    """
    facts = {name: line[name] for name in ExportHeader.__dataclass_fields__}
    facts["epochs"] = tuple([Epoch(**each) for each in facts["epochs"]])
    facts["runs"] = tuple(facts["runs"])
    header = ExportHeader(**facts)
    check_namespace(header.namespace)
    for run_id in (header.run_id, header.agent_id, *header.runs):
        check_agent_id(run_id)
    for what in ("statehouse", "store_id", "name", "status"):
        check_text(what, facts[what], DEFAULT_LIMITS.key_bytes_max, empty=True)
    for what in ("epoch", "steps", "from_ts", "to_ts"):
        check_integer(what, facts[what], 0)
    for what in ("started_at_us", "ended_at_us", "to_us", "exported_at_us"):
        check_integer(what, facts[what], 0, _TIME_US_MAX)
    for epoch in header.epochs:
        check_integer("epoch", epoch.number, 0)
        check_integer("first_commit_ts", epoch.first_commit_ts, 0)
        check_text("reason", epoch.reason, DEFAULT_LIMITS.key_bytes_max, empty=True)
    if type(facts["all_state"]) is not bool or header.from_ts > header.to_ts:
        raise ValueError(header)
    return header


def held_to_json(held: Holding) -> dict[str, Any]:
    """Gives the line that says what is held."""
    what: dict[str, Any] = {"keys": held.keys} if held.prefix is None else {"prefix": held.prefix}
    if held.partial:
        what["partial"] = True
    return {"held": [held.namespace, held.agent_id], "from_ts": held.from_ts, **what}


def held_from_json(line: Mapping[str, Any]) -> Holding:
    """Reads a line that says what is held.

    Raises:
        ValueError, KeyError, TypeError: It is damaged.
    """
    namespace, agent_id = line["held"]
    held = Holding(
        namespace,
        agent_id,
        line["from_ts"],
        tuple(line.get("keys", ())),
        line.get("prefix"),
        line.get("partial") is True,
    )
    check_namespace(namespace)
    check_agent_id(agent_id)
    check_integer("from_ts", held.from_ts, 0)
    if held.prefix is not None:
        check_text("prefix", held.prefix, DEFAULT_LIMITS.key_bytes_max, empty=True)
    for key in held.keys:
        check_text("key", key, DEFAULT_LIMITS.key_bytes_max)
    return held


def event_line(event: Event) -> dict[str, Any]:
    """Gives the line of an event."""
    line = event_to_json(event)
    for operation, facts in zip(event.operations, line["operations"], strict=True):
        if isinstance(operation, WithheldOperation):
            facts["withheld"] = True
    return line


def event_of(line: dict[str, Any]) -> Event:
    """Reads the line of an event.

    Raises:
        ValueError, KeyError, TypeError: It is damaged.
    """
    operations = line["operations"]
    kept = [each for each in operations if "withheld" not in each]
    event = event_from_json({**line, "operations": kept})
    if len(kept) < len(operations):
        known = iter(event.operations)
        event = Event(
            event.txn_id,
            event.commit_ts,
            event.committed_at_us,
            event.origin,
            tuple([_withheld_of(each) if "withheld" in each else next(known) for each in operations]),
        )
    _check_event(event)
    return event


def _withheld_of(line: Mapping[str, Any]) -> Operation:
    kind = line["kind"]
    if kind not in ("write", "delete", "erased"):
        raise ValueError(kind)
    return WithheldOperation(line["namespace"], line["agent_id"], line["key"], kind, line["version"])


def _check_event(event: Event) -> None:
    check_txn_id(event.txn_id)
    check_integer("commit_ts", event.commit_ts, 1)
    check_integer("committed_at_us", event.committed_at_us, 0, _TIME_US_MAX)
    check_origin(event.origin)
    if not event.operations:
        raise ValueError(event.commit_ts)
    for operation in event.operations:
        check_record_key(name_of(operation))
        check_integer("version", operation.version, 1)
        if operation.payload is not None:
            check_text("content_type", operation.payload.content_type, DEFAULT_LIMITS.content_type_bytes_max)
            if len(operation.payload.data) > DEFAULT_LIMITS.value_bytes_max:
                raise CorruptionError(f"the value of {name_of(operation)} is larger than a value may be")


def name_of(operation: Operation) -> RecordKey:
    """Gives the record that an operation is on."""
    return RecordKey(operation.namespace, operation.agent_id, operation.key)
