"""A run as logic without I/O: how it begins, is resumed, and ends. `Run` and `RunAsync` are its façades.

* U1. One commit begins a run: its record, absent before, and its place in the indexes.
* U2. Workers that resume a run tell each other nothing but by commits: the record of the run says how it is,
  and the records of its steps say what is done.
* U3. A failure that leaves the run names the steps it came from; they run again when the run is resumed. A
  failure that the program caught is part of its course, and comes again.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from statehouse.client.connection import Connection
from statehouse.errors import (
    InvalidArgumentError,
    PreconditionFailedError,
    StatehouseError,
    StepError,
    StepMismatchError,
)
from statehouse.extend import Flow, Get, Origin, Read, TransactionLogic, current_origin
from statehouse.protocol.names import check_agent_id, check_namespace, check_text
from statehouse.steps import failures, keys
from statehouse.steps.calls import StepCall
from statehouse.steps.clock import now_us
from statehouse.steps.driving import StepFlow
from statehouse.steps.history import History
from statehouse.steps.identity import Names
from statehouse.steps.options import OnMismatch, check_word
from statehouse.steps.performing import perform
from statehouse.steps.record import RunRecord, run_from_entry, run_to_json
from statehouse.steps.scope import scope
from statehouse.steps.shapes import to_json
from statehouse.steps.shared import SharedValues, Slot, json_payload
from statehouse.steps.warning import warn
from statehouse.steps.writing import Slots

if TYPE_CHECKING:
    from statehouse.steps.body import Step

_FAILURES_MAX: Final = 64
_TRIES_MAX: Final = 10
_NAMED_MAX: Final = 5
_NAME_BYTES_MAX: Final = 256
CODE_VERSION: Final = "STATEHOUSE_CODE_VERSION"
"""The environment variable that says which code this is."""


def new_run_id() -> str:
    """Gives an id that nobody has; it cannot be taken for a trace id."""
    return f"run-{os.urandom(10).hex()}"


class RunLogic:
    """One run, as this process takes part in it.

    Args:
        connection: Where it is recorded.
        namespace: The namespace of its state; its records are beside it, see `statehouse.steps.keys`.
        agent_id: Whose run it is; None for one that is there already.
        run_id: Its id; None makes one.
        name: What people call it.
        given: What it is given to work on, as JSON; None for nothing, or what it was given when it began.
        on_mismatch: What steps do that are called with other arguments than they recorded, and say nothing of
            it.
        code_version: Which code this is; None for ``$STATEHOUSE_CODE_VERSION``.

    Raises:
        InvalidArgumentError: A malformed argument.
        LimitExceededError: A name is too long.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        *,
        agent_id: str | None = None,
        run_id: str | None = None,
        name: str = "",
        given: Any = None,
        on_mismatch: OnMismatch = "error",
        code_version: str | None = None,
    ) -> None:
        check_namespace(namespace)
        check_namespace(keys.index_namespace(namespace))
        if agent_id is not None:
            check_agent_id(agent_id)
            check_agent_id(keys.index_agent(agent_id))
        check_word("on_mismatch", on_mismatch, ("error", "rerun", "reuse"))
        self.run_id = new_run_id() if run_id is None else run_id
        check_text("run_id", self.run_id, connection.limits.agent_id_bytes_max)
        check_text("the name of a run", name, _NAME_BYTES_MAX, empty=True)
        self.connection = connection
        self.namespace = namespace
        self.records = keys.runs_namespace(namespace)
        self.on_mismatch: OnMismatch = on_mismatch
        self.code_version = os.environ.get(CODE_VERSION, "") if code_version is None else code_version
        self.names = Names("")
        self.lock = threading.Lock()
        self.history = History(connection, self.records, self.run_id)
        self.shared = SharedValues(self.records, self.run_id)
        self.state: Literal["new", "open", "ended"] = "new"
        self.resumed = False
        self.retry: frozenset[str] = frozenset()
        self.input: Any = None
        self.mode = ""
        """What is done with a recorded run: ``verify``, ``debug``, ``fork``; empty for a run of its own."""
        self.fork: dict[str, Any] | None = None
        """See `RunRecord.fork`."""
        self._agent_id = agent_id
        self._name = name
        self._given = None if given is None else to_json(given)
        self._executed = 0
        self._failures: deque[tuple[BaseException, str]] = deque(maxlen=_FAILURES_MAX)
        self._warned: set[str] = set()

    @property
    def agent_id(self) -> str:
        """Whose run it is.

        Raises:
            StepError: That is not known before the run is entered.
        """
        if self._agent_id is None:
            raise StepError(f"whose run {self.run_id} is, is known once it is entered: `with sh.run(...)`")
        return self._agent_id

    @property
    def told_agent_id(self) -> str:
        """Whose run it is, as far as that is known; else empty."""
        return self._agent_id or ""

    # Beginning, resuming, ending.

    def enter(self) -> Flow[None]:
        """Begins the run, or takes part in it when it is there already.

        Raises (in the flow):
            StepError: It was entered before, or is a fork.
            StepMismatchError: It is another agent's, or was given other input.
            InvalidArgumentError: It is not there, and nobody says whose it is.
        """
        if self.state != "new":
            raise StepError(
                f"the run {self.run_id} was entered already: make another with sh.run(run_id=...)"
            )
        for _ in range(_TRIES_MAX):
            record = yield from self.read()
            if record is None:
                done = yield from self._create()
            else:
                done = yield from self._resume(record)
            if done:
                self.state = "open"
                return
        raise StepError(f"the run {self.run_id} is being entered by many workers at once; try again")

    def read(self) -> Flow[RunRecord | None]:
        """Reads the run's own record."""
        reply: Read = yield Get(keys.run_key(self.namespace, self.run_id))
        return run_from_entry(reply.entry) if reply.entry.exists else None

    def _create(self) -> Flow[bool]:
        """Begins the run (U1); gives False if another worker has meanwhile."""
        if self._agent_id is None:
            raise InvalidArgumentError(
                f"there is no run {self.run_id} in the namespace {self.namespace}; to begin one say whose "
                "it is: sh.run(agent_id=...)"
            )
        around, origin = scope.get(), current_origin()
        logic = self._transaction()
        record = RunRecord(
            run_id=self.run_id,
            namespace=self.namespace,
            agent_id=self._agent_id,
            name=self._name,
            started_at_us=now_us(),
            code_version=self.code_version,
            trace_id=origin.trace_id,
            span_id=origin.span_id,
            parent_run_id="" if around is None else around.run.run_id,
            parent_step="" if around is None or around.step is None else around.step.path,
            fork=self.fork,
        )
        slots: Slots = []
        if self._given is not None:
            payload = json_payload(self._given)
            slots = [(self.shared.stage(logic, payload, self._given), payload)]
            record = replace(record, input=slots[0][0])
        for key in keys.index_keys(self.namespace, self.run_id, self._agent_id, record.started_at_us):
            logic.write(
                key.key,
                {},
                agent_id=key.agent_id,
                namespace=key.namespace,
                if_version=None,
                if_commit_ts=None,
                extends=None,
            )
        if not (yield from self._write(logic, record)):
            return False
        self.shared.committed(slots)
        self.input = self._given
        return True

    def _resume(self, record: RunRecord) -> Flow[bool]:
        if record.fork is not None and not self.mode:
            # Its steps would act on the real state.
            raise StepError(
                f"the run {self.run_id} is a fork of {record.fork['run_id']}, and its state is beside the "
                "real one: go on with it by forking again under this id (statehouse.debug.fork, or "
                "statehousectl run fork --as)"
            )
        if self._agent_id not in (None, record.agent_id):
            raise StepMismatchError(
                f"the run {self.run_id} is of the agent {record.agent_id!r}, not {self._agent_id!r}",
                recorded=record.agent_id,
                now=self._agent_id,
            )
        given = None if record.input is None else (yield from self.shared.read(record.input))
        if self._given is not None and self._given != given:
            raise StepMismatchError(
                f"the run {self.run_id} was given {given!r:.200} when it began, and now "
                f"{self._given!r:.200}; leave input= out to go on with what it was given, or begin a run "
                "of its own",
                recorded=given,
                now=self._given,
            )
        self.input = given
        self._agent_id = record.agent_id
        self._name = record.name
        self.retry = frozenset(record.retry)
        self.resumed = True
        if record.status != "finished":
            running = replace(record, status="running", ended_at_us=0, error=None, resumes=record.resumes + 1)
            if not (yield from self._write(self._transaction(), running)):
                return False
        yield from self.history.load()
        return True

    def leave(self, error: BaseException | None) -> Flow[None]:
        """Ends the run, as far as this worker is concerned.

        Raises (in the flow):
            StatehouseError: That it is finished could not be recorded. When it ends by an error, that one
                counts.
        """
        self.state = "ended"
        try:
            for _ in range(_TRIES_MAX):
                record = yield from self.read()
                if record is None or record.status == "finished":
                    # Another worker has brought it to its end, or there was nothing left to do.
                    break
                if (yield from self._write(self._transaction(), self._ended(record, error))):
                    break
        except StatehouseError as second:
            if error is None:
                raise
            error.add_note(f"and how the run {self.run_id} ended could not be recorded: {second}")
        self._failures.clear()
        if error is None:
            self._warn_of_leftovers()

    def _ended(self, record: RunRecord, error: BaseException | None) -> RunRecord:
        if error is None:
            return replace(record, status="finished", ended_at_us=now_us(), error=None, retry=())
        if not isinstance(error, Exception):
            return replace(record, status="interrupted", ended_at_us=now_us())
        # U3
        origins = {id(each) for each in failures.chain(error)}
        retry = dict.fromkeys(path for each, path in self._failures if id(each) in origins)
        return replace(
            record,
            status="failed",
            ended_at_us=now_us(),
            error=failures.to_record(error),
            retry=tuple(retry),
        )

    def _write(self, logic: TransactionLogic, record: RunRecord) -> Flow[bool]:
        """Commits the record of the run, if it still is as it was read."""
        logic.write(
            keys.RUN,
            run_to_json(record),
            agent_id=self.run_id,
            namespace=self.records,
            if_version=record.version,
            if_commit_ts=None,
            extends=None,
        )
        try:
            yield from logic.commit()
        except PreconditionFailedError:
            return False
        return True

    def _transaction(self) -> TransactionLogic:
        return TransactionLogic(
            self.connection,
            namespace=self.namespace,
            agent_id=self._agent_id,
            timeout=None,
            origin=self.origin(),
            txn_id=None,
        )

    def _warn_of_leftovers(self) -> None:
        paths = self.history.not_asked_for() if self.resumed else []
        if paths:
            more = f" and {len(paths) - _NAMED_MAX} more" if len(paths) > _NAMED_MAX else ""
            warn(
                f"the run {self.run_id} ended without calling {', '.join(paths[:_NAMED_MAX])}{more}, which "
                "it had recorded: the program has changed, or took another way"
            )

    # What steps need of their run.

    def perform(self, call: StepCall) -> StepFlow[Any]:
        """Performs a call of a step; those who verify or debug a run do it otherwise.

        Raises (in the flow):
            Exception: See `statehouse.steps.performing.perform`.
        """
        return (yield from perform(call))

    def chance(self, step: Step | None, kind: str, make: Callable[[], Any]) -> Any:
        """Makes what ``now()``, ``uuid()`` and ``random()`` record; those who verify a run give what was
        recorded.
        """
        return make()

    def check_open(self) -> None:
        """Checks that steps can be called.

        Raises:
            StepError: It is not entered yet, or has ended.
        """
        if self.state != "open":
            how = "has not begun" if self.state == "new" else "has ended"
            raise StepError(
                f"the run {self.run_id} {how}: steps are called inside `with sh.run(...)`", run_id=self.run_id
            )

    def origin(self, path: str = "") -> Origin:
        """Who asks, and why: this run, that step, in the trace that is current."""
        current = current_origin()
        return Origin(
            current.trace_id, current.span_id, self._agent_id or "", self.run_id, path, current.attributes
        )

    def origin_of(self, call: StepCall) -> Origin:
        """Gives the origin of what a step commits."""
        return self.origin(call.identity.path)

    def failed(self, error: BaseException, path: str) -> None:
        """Takes in that a step failed with this error (U3)."""
        self._failures.append((error, path))

    def recorded(self, call: StepCall, slots: list[tuple[Slot, Any]]) -> None:
        """Takes in that a step was recorded by this process."""
        self._executed += 1
        self.shared.committed(slots)

    def warn_once(self, what: str) -> bool:
        """Whether this is the first time that something is to be warned of in this run."""
        with self.lock:
            if what in self._warned:
                return False
            self._warned.add(what)
            return True

    def __repr__(self) -> str:
        agent = "" if self._agent_id is None else f" of {self._agent_id!r}"
        return f"{self.run_id}{agent}, {self.state}"
