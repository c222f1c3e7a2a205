"""What an export of a run is to hold: which keys since when, and the commits for that.

* X1. Everything is as of one commit, the newest when the export begins, so what is written meanwhile changes
  nothing. The export ends with the run: at its newest commit, or at that one while it runs.
* X2. A key that a step has read, scanned or written is held from before the run began to the end (C1).
* X3. Who wrote such a key is known: of a commit by a step of another run, that step's record and what it had
  read are held, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from statehouse.client.pages import ScanPages
from statehouse.debug.exports.coverage import Coverage
from statehouse.debug.exports.family import Family, family_of
from statehouse.debug.exports.format import name_of
from statehouse.debug.exports.numbered import NumberedEvents
from statehouse.debug.exports.writers import records_of, state_namespaces
from statehouse.debug.inspecting.gaps import Gaps
from statehouse.debug.inspecting.touched import touched
from statehouse.debug.overlay.layers import FORKS
from statehouse.extend import (
    Entry,
    EventPage,
    FindEvents,
    Flow,
    History,
    Page,
    RecordKey,
    Replay,
    StoreStatus,
)
from statehouse.protocol.replies import Event, Operation
from statehouse.steps import keys
from statehouse.steps.reading import read_run, read_steps
from statehouse.steps.record import RunRecord

_VERSIONS_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export is to hold.

    Attributes:
        family: The run, and the runs that belong to it.
        steps: How many steps the run has recorded.
        coverage: The keys and ranges, and since when.
        commits: The commits that are held, in order.
        from_ts: Since which commit the state is held.
        to_ts: The last commit.
        bases: What was valid when the holding of its key begins: a commit before that, and the key.
    """

    family: Family
    steps: int
    coverage: Coverage
    commits: tuple[int, ...]
    from_ts: int
    to_ts: int
    bases: frozenset[tuple[int, RecordKey]]

    def holds(self, event: Event, operation: Operation) -> bool:
        """Whether an operation is held, and not only named."""
        name = name_of(operation)
        since = self.coverage.since(name)
        return (
            (since is not None and event.commit_ts > since)
            or (event.commit_ts, name) in self.bases
            or any(event.origin.run_id == record.run_id for record in self.family.own)
        )


def plan_export(status: StoreStatus, namespace: str, run_id: str, *, all_state: bool) -> Flow[ExportPlan]:
    """Finds out what the export of a run is to hold.

    Args:
        status: The store; what is newer than its commit_ts is left out (X1).
        namespace: The namespace of the run's state.
        run_id: The run.
        all_state: Whether to hold all keys of the agents that it touched.

    Raises (in the flow):
        NotFoundError: There is no such run.
        CompactedError: The store does not reach back to its beginning.
        StatehouseError: As a read does.
    """
    record = yield from read_run(namespace, run_id, status.commit_ts)
    family = yield from family_of(record, status.commit_ts)
    planner = _Planner(family, status.commit_ts)
    return (yield from planner.plan(all_state=all_state))


class _Planner:
    """Collects what an export is to hold."""

    def __init__(self, family: Family, snapshot: int) -> None:
        self._family = family
        self._ids = {record.run_id for record in family}
        self._snapshot = snapshot
        self._head = 0
        self._from = snapshot
        self._steps = 0
        self._coverage = Coverage()
        self._commits: set[int] = set()
        self._bases: set[tuple[int, RecordKey]] = set()

    def plan(self, *, all_state: bool) -> Flow[ExportPlan]:
        family = self._family
        own = family.own
        begun, found = {}, {}
        for record in own:
            begun[record.run_id] = yield from self._records(record)
            found[record.run_id] = yield from self._made_by(record)
        self._head = max(self._commits)
        if any(record.status == "running" for record in own):
            self._head = self._snapshot
        for record in family.parents:
            yield from self._records(record)
        for record in own:
            since, names, spans = yield from self._touched(record, begun[record.run_id])
            self._hold(record, since, {*names, *found[record.run_id]}, spans, all_state=all_state)
        yield from self._state()
        yield from self._authors()
        commits = tuple(sorted(number for number in self._commits if number <= self._head))
        return ExportPlan(
            family, self._steps, self._coverage, commits, self._from, self._head, frozenset(self._bases)
        )

    def _records(self, record: RunRecord) -> Flow[int]:
        """Takes in all records of a run, and gives the commit that it began with."""
        for key in keys.index_keys(record.namespace, record.run_id, record.agent_id, record.started_at_us):
            self._coverage.add_key(key, 0)
            self._coverage.add_partial(key.namespace, key.agent_id)
        return (yield from self._log(keys.runs_namespace(record.namespace), record.run_id))[0]

    def _log(self, namespace: str, agent_id: str) -> Flow[list[int]]:
        """Takes in everything of an agent from the beginning, and gives the commits."""
        self._coverage.add_range(namespace, agent_id, "", 0)
        numbers: list[int] = []
        request = Replay(namespace, agent_id, to_ts=self._head or self._snapshot, payloads=False)
        while True:
            page: EventPage = yield request
            numbers += [event.commit_ts for event in page.events]
            if page.done:
                self._commits.update(numbers)
                return numbers
            request = request.after(page)

    def _made_by(self, record: RunRecord) -> Flow[set[RecordKey]]:
        """Takes in all commits of a run, also those outside of its steps, and gives the keys they touched."""
        names: set[RecordKey] = set()
        namespaces: set[str] = set()
        request = FindEvents("run", record.run_id)
        while True:
            page: EventPage = yield request
            for event in page.events:
                if event.commit_ts <= self._snapshot:
                    self._commits.add(event.commit_ts)
                    names.update(map(name_of, event.operations))
                    namespaces.update(state_namespaces(event))
            if page.done:
                break
            request = request.after(page)
        for namespace in namespaces - {record.namespace}:
            # Where somebody may look for records of the run, and mostly finds none.
            yield from self._log(keys.runs_namespace(namespace), record.run_id)
        return names

    def _touched(
        self, record: RunRecord, begun: int
    ) -> Flow[tuple[int, set[RecordKey], set[tuple[str, str, str]]]]:
        """Gives since when, which keys and which ranges the steps of a run have touched (X2)."""
        since, gaps = begun - 1, Gaps()
        names: set[RecordKey] = set()
        spans: set[tuple[str, str, str]] = set()
        steps = yield from read_steps(record.namespace, record.run_id, self._head)
        for step in steps:
            found = yield from touched(record, step, gaps)
            names.update(found.reads, found.writes)
            spans.update((span.namespace, span.agent_id, span.prefix) for span in found.ranges)
            since = since if step.read_ts is None else min(since, step.read_ts)
        for forked in (record, *self._family.parents):
            if forked.fork is not None and record is self._family.run:
                since = min(since, int(forked.fork.get("at", since)))
        if record is self._family.run:
            self._steps = len(steps)
        return since, names, spans

    def _hold(
        self,
        record: RunRecord,
        since: int,
        names: Iterable[RecordKey],
        spans: Iterable[tuple[str, str, str]],
        *,
        all_state: bool,
    ) -> None:
        self._from = min(self._from, since)
        agents: set[tuple[str, str]] = set()
        for name in names:
            if not keys.is_of_runs(name.namespace):
                self._coverage.add_key(name, since)
                agents.add((name.namespace, name.agent_id))
        for namespace, agent_id, prefix in spans:
            self._coverage.add_range(namespace, agent_id, prefix, since)
            agents.add((namespace, agent_id))
        forks = [each.run_id for each in (record, *self._family.parents) if each.fork is not None]
        for namespace, agent_id in agents:
            if all_state:
                self._coverage.add_range(namespace, agent_id, "", since)
            if not namespace.endswith(FORKS):
                # What a fork wrote over the state of its parent lies beside that, and is the run's own.
                for run_id in forks:
                    self._coverage.add_range(namespace + FORKS, f"{run_id}/{agent_id}", "", since)

    def _state(self) -> Flow[None]:
        """Finds the commits that what is held of the state needs (C1)."""
        coverage = self._coverage
        for namespace, agent_id in coverage.agents():
            if keys.is_of_runs(namespace):
                continue
            named, ranges = coverage.keys_of(namespace, agent_id), coverage.ranges_of(namespace, agent_id)
            yield from self._changes(namespace, agent_id, min((*named.values(), *ranges.values())))
            for prefix, since in ranges.items():
                yield from self._base_of_range(namespace, agent_id, prefix, since)
            for key in named:
                name = RecordKey(namespace, agent_id, key)
                yield from self._base(name, coverage.since(name) or 0)

    def _changes(self, namespace: str, agent_id: str, since: int) -> Flow[None]:
        request = Replay(namespace, agent_id, from_ts=since + 1, to_ts=self._head, payloads=False)
        while since < self._head:
            page: EventPage = yield request
            for event in page.events:
                for operation in event.operations:
                    begins = self._coverage.since(name_of(operation))
                    if begins is not None and event.commit_ts > begins:
                        self._commits.add(event.commit_ts)
            if page.done:
                return
            request = request.after(page)

    def _base_of_range(self, namespace: str, agent_id: str, prefix: str, since: int) -> Flow[None]:
        if since:
            pages = ScanPages(
                namespace, agent_id, prefix, reverse=False, limit=None, at=since, keys_only=True
            )
            for entry in (yield from pages.rows()):
                self._take(entry, since)

    def _base(self, name: RecordKey, since: int) -> Flow[None]:
        if since:
            page: Page = yield History(name, since, reverse=True, limit=1)
            for entry in page.entries:
                self._take(entry, since)

    def _take(self, entry: Entry, since: int) -> None:
        self._commits.add(entry.commit_ts)
        if entry.commit_ts <= since:
            self._bases.add((entry.commit_ts, entry.key))

    def _authors(self) -> Flow[None]:
        """Takes in the records of whoever else wrote what is held (X3)."""
        events = NumberedEvents([number for number in self._commits if number <= self._head], payloads=False)
        known: set[RecordKey] = set()
        while (page := (yield from events.next())) is not None:
            for event in page:
                if event.origin.run_id and event.origin.run_id not in self._ids:
                    for name in (yield from records_of(event, self._family.run.namespace)):
                        if name not in known:
                            known.add(name)
                            self._coverage.add_key(name, event.commit_ts)
                            yield from self._versions(name, event.commit_ts)

    def _versions(self, name: RecordKey, since: int) -> Flow[None]:
        """Takes in what a key held at a commit, and each version since."""
        cursor: str | None = None
        while True:
            page: Page = yield History(
                name,
                self._head if cursor is None else None,
                reverse=True,
                limit=_VERSIONS_AT_ONCE,
                cursor=cursor,
            )
            for entry in page.entries:
                self._take(entry, since)
                if entry.commit_ts <= since:
                    return
            cursor = page.cursor
            if cursor is None:
                return
