"""Which runs belong to a run: those that its steps began, and those that it was forked from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from statehouse.errors import NotFoundError
from statehouse.extend import Flow, GetMany, Page, Scan
from statehouse.steps import keys
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord, run_from_entry

_ROWS_AT_ONCE: Final = 1000
_PARENTS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Family:
    """A run, and those that belong to it.

    Attributes:
        run: The run.
        inside: The runs that began inside it, and inside those, in the same namespace.
        parents: The run that it was forked from, that one's, and so on.
    """

    run: RunRecord
    inside: tuple[RunRecord, ...]
    parents: tuple[RunRecord, ...]

    @property
    def own(self) -> tuple[RunRecord, ...]:
        """The run, and the runs inside it."""
        return (self.run, *self.inside)

    def __iter__(self) -> Iterator[RunRecord]:
        yield from (*self.own, *self.parents)


def family_of(run: RunRecord, at: int) -> Flow[Family]:
    """Gives the runs that belong to a run, as of a commit.

    Runs inside it are looked for among those that began while it ran.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    inside = yield from _inside(run, at)
    parents: list[RunRecord] = []
    youngest = run
    while youngest.fork is not None and len(parents) < _PARENTS_MAX:
        try:
            youngest = yield from read_run(run.namespace, str(youngest.fork.get("run_id", "")), at)
        except NotFoundError:
            break
        parents.append(youngest)
    return Family(run, inside, tuple(parents))


def _inside(run: RunRecord, at: int) -> Flow[tuple[RunRecord, ...]]:
    found: dict[str, RunRecord] = {}
    index = keys.index_keys(run.namespace, run.run_id, run.agent_id, run.started_at_us)[0]
    # Behind the run itself, in the order that they began: who began inside comes behind who it began in.
    request = Scan(
        index.namespace, index.agent_id, at=at, keys_only=True, limit=_ROWS_AT_ONCE, after=index.key
    )
    while True:
        page: Page = yield request
        names = [keys.run_key(run.namespace, keys.indexed_run_id(entry.key.key)) for entry in page.entries]
        while names:
            records: Page = yield GetMany(tuple(names), at)
            for entry in records.entries:
                if entry.payload is None:
                    continue
                record = run_from_entry(entry)
                if run.ended_at_us and record.started_at_us > run.ended_at_us:
                    return tuple(found.values())
                if record.parent_run_id == run.run_id or record.parent_run_id in found:
                    found[record.run_id] = record
            del names[: len(records.entries)]
        if page.cursor is None:
            return tuple(found.values())
        request = Scan(
            index.namespace, index.agent_id, keys_only=True, limit=_ROWS_AT_ONCE, cursor=page.cursor
        )
