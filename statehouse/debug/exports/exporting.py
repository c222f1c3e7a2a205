"""A run as one file, which another machine can look into, verify and debug; see `opened` for that."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from statehouse._version import __version__
from statehouse.debug.exports.file import ExportWriter, writing_to
from statehouse.debug.exports.format import (
    ExportHeader,
    WithheldOperation,
    event_line,
    header_to_json,
    held_to_json,
    withheld,
)
from statehouse.debug.exports.numbered import NumberedEvents
from statehouse.debug.exports.opened import export_header
from statehouse.debug.exports.plan import ExportPlan, plan_export
from statehouse.errors import InvalidArgumentError
from statehouse.extend import Status, ask, run
from statehouse.protocol.names import check_namespace, check_text
from statehouse.steps.clock import now_us
from statehouse.steps.keys import is_of_runs

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse
    from statehouse.extend import StoreStatus
    from statehouse.protocol.replies import Event

Progress = Callable[[float, float], Any]

_RUN_ID_BYTES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    Attributes:
        header: What the file says it is of.
        events: How many commits it holds.
        keys: How many keys of state it names; the keys of ranges are not counted.
        ranges: How many ranges of state it holds.
        withheld: How many operations of those commits it only names: the run did not touch their keys.
        sha256: The digest of its lines.
        path: The file; None when it was written somewhere else.
        size_bytes: The size of the file; 0 when it was written somewhere else.
    """

    header: ExportHeader
    events: int
    keys: int
    ranges: int
    withheld: int
    sha256: str
    path: Path | None = None
    size_bytes: int = 0


def export(
    sh: Statehouse | StatehouseAsync,
    run_id: str,
    path: str | os.PathLike[str],
    *,
    namespace: str | None = None,
    all_state: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Writes a run into a file that can be opened without its store.

    The file holds every record of the run, of the runs inside it and of those that it was forked from; each
    key of state that a step has read, scanned or written, from before the run began to its end; and who wrote
    those keys. It appears under its name when it is whole and on disk, and only its owner may read it.

    Args:
        sh: The store.
        run_id: The run; one that runs is exported as it is now.
        path: The file.
        namespace: The namespace of the run's state; None for the handle's.
        all_state: Hold every key of the agents that the run has touched, not only those that it touched.
        force: Replace what is there.
        progress: Called with how many commits were written, and of how many.

    Raises:
        NotFoundError: There is no such run.
        InvalidArgumentError: It is exported already.
        AlreadyExistsError: The file is there already.
        CompactedError: The store does not reach back to where the run began.
        LimitExceededError: It would be larger than 1 GiB, unpacked.
        OSError: The file cannot be written.
        StatehouseError: The store cannot be read.
    """
    target = Path(path)
    with writing_to(target, replace=force) as file:
        done = export_to(sh, run_id, file, namespace=namespace, all_state=all_state, progress=progress)
    return replace(done, path=target, size_bytes=target.stat().st_size)


def export_to(
    sh: Statehouse | StatehouseAsync,
    run_id: str,
    file: IO[bytes],
    *,
    namespace: str | None = None,
    all_state: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Writes a run to a file that is open; see `export`.

    Raises:
        StatehouseError: See `export`.
        OSError: It cannot be written.
    """
    if export_header(sh) is not None:
        raise InvalidArgumentError(f"{sh.url} is an exported run already: copy the file")
    wanted = sh.namespace if namespace is None else namespace
    check_namespace(wanted)
    check_text("run_id", run_id, _RUN_ID_BYTES_MAX)
    status: StoreStatus = run(sh, ask(Status()))
    plan = run(sh, plan_export(status, wanted, run_id, all_state=all_state))
    last = run(sh, NumberedEvents([plan.to_ts], payloads=False).next())
    header = _header(status, plan, last, all_state=all_state)
    keys = ranges = written = left_out = 0
    with ExportWriter(file) as writer:
        writer.line(header_to_json(header))
        for held in plan.coverage.lines():
            if not is_of_runs(held.namespace):
                keys += len(held.keys)
                ranges += held.prefix is not None
            writer.line(held_to_json(held))
        pages = NumberedEvents(plan.commits, payloads=True)
        while (page := run(sh, pages.next())) is not None:
            for event in page:
                shown = _shown(plan, event)
                left_out += sum(isinstance(each, WithheldOperation) for each in shown.operations)
                writer.line(event_line(shown))
            written += len(page)
            if progress is not None:
                progress(written, len(plan.commits))
        proof = writer.finish(written)
    return Exported(header, written, keys, ranges, left_out, proof)


def _header(
    status: StoreStatus, plan: ExportPlan, last: Sequence[Event] | None, *, all_state: bool
) -> ExportHeader:
    record = plan.family.run
    assert last, "the commit that the export ends with is there"
    return ExportHeader(
        statehouse=__version__,
        store_id=status.store_id,
        epoch=status.epoch,
        epochs=status.epochs,
        namespace=record.namespace,
        run_id=record.run_id,
        agent_id=record.agent_id,
        name=record.name,
        status=record.status,
        started_at_us=record.started_at_us,
        ended_at_us=record.ended_at_us,
        steps=plan.steps,
        runs=tuple(each.run_id for each in plan.family),
        from_ts=plan.from_ts,
        to_ts=plan.to_ts,
        to_us=last[-1].committed_at_us,
        exported_at_us=now_us(),
        all_state=all_state,
    )


def _shown(plan: ExportPlan, event: Event) -> Event:
    """An event with the values that the export holds."""
    operations = tuple(
        operation if plan.holds(event, operation) else withheld(operation) for operation in event.operations
    )
    return replace(event, operations=operations)
