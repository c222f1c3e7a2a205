"""Signals: what somebody outside tells a run, and what it waits for. A person, days later, in another
process.

Signals of one name are numbered in the order of their commits; the n-th `wait_for` of that name in a run gets
the n-th. So a signal may come before it is waited for, is never lost, and a run that is resumed gets the same
ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from statehouse.client.connection import Connection
from statehouse.client.pages import WAIT_S
from statehouse.errors import DeadlineExceededError, NotFoundError, PreconditionFailedError
from statehouse.extend import (
    Committed,
    EventPage,
    Flow,
    Get,
    Origin,
    Page,
    Precondition,
    Read,
    RecordKey,
    Replay,
    Scan,
    Write,
    commit,
    current_origin,
    decode,
)
from statehouse.protocol.names import check_key, check_text
from statehouse.steps import keys
from statehouse.steps.body import Step
from statehouse.steps.driving import StepFlow
from statehouse.steps.identity import escaped
from statehouse.steps.inner import inner_call
from statehouse.steps.shapes import to_json
from statehouse.steps.shared import json_payload

if TYPE_CHECKING:
    from statehouse.steps.runs import RunLogic

_NAME_BYTES_MAX: Final = 256


def send(connection: Connection, namespace: str, run_id: str, name: str, value: Any) -> Flow[int]:
    """Sends a signal to a run, and gives the commit_ts.

    Raises (in the flow):
        NotFoundError: There is no such run.
        InvalidArgumentError: A malformed name, or a value that is not JSON.
        StatehouseError: As a commit does.
    """
    _check_name(name)
    payload = json_payload(to_json(value))
    read: Read = yield Get(keys.run_key(namespace, run_id))
    if not read.entry.exists:
        raise NotFoundError(f"there is no run {run_id} in the namespace {namespace}", run_id=run_id)
    records = keys.runs_namespace(namespace)
    current = current_origin()
    origin = Origin(current.trace_id, current.span_id, current.agent_id, run_id, "", current.attributes)
    while True:
        last: Page = yield Scan(
            records, run_id, keys.signal_prefix(name), reverse=True, keys_only=True, limit=1
        )
        number = int(last.entries[0].key.key.rsplit("/", 1)[1]) + 1 if last.entries else 1
        key = RecordKey(records, run_id, keys.signal_key(name, number))
        check_key(key.key)
        try:
            reply: Committed = yield from commit(
                connection, [Write(key, payload)], preconditions=[Precondition(key, 0)], origin=origin
            )
        except PreconditionFailedError:
            # Somebody else has sent one meanwhile: this one comes after it.
            continue
        return reply.commit_ts


def wait_for(run: RunLogic, name: str, timeout: float | None) -> StepFlow[Any]:
    """Gives the next signal of a name, waiting for it.

    Raises (in the flow):
        DeadlineExceededError: It did not come in time; the run has recorded that.
        InvalidArgumentError: A malformed name.
        StepError: The run is not open.
    """
    _check_name(name)

    def body(step: Step) -> StepFlow[Any]:
        key = RecordKey(run.records, run.run_id, keys.signal_key(name, step.ordinal))
        deadline = None if timeout is None else run.connection.monotonic() + timeout
        while True:
            read: Read = yield Get(key)
            if read.entry.payload is not None:
                return decode(read.entry.payload)
            left = WAIT_S if deadline is None else deadline - run.connection.monotonic()
            if left <= 0:
                raise DeadlineExceededError(
                    f"the run {run.run_id} got no signal {name!r} within {timeout:g} s", path=step.path
                )
            page: EventPage = yield Replay(
                run.records,
                run.run_id,
                from_ts=read.read_ts + 1,
                limit=1,
                wait_s=min(left, WAIT_S),
                payloads=False,
            )
            del page

    return (yield from inner_call(run, "wait", body, name=f"~wait:{escaped(name)}"))


def _check_name(name: str) -> None:
    check_text("the name of a signal", name, _NAME_BYTES_MAX)
