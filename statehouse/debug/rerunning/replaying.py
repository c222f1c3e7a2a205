"""A recorded run that a program goes through again, answered from its records.

::

    CALLED ─ recorded? ── no ──▶ STOPPED: a divergence, or the end of what an unfinished run recorded
       │ yes
       ▼
    the same arguments? ── no ──▶ STOPPED: a divergence
       │ yes
       ├─ its body is to run ──▶ RERUN, on an overlay of the state that it saw; then compared
       ▼
    ANSWERED: its result, or its failure

* R1. Nothing is written to the store, and no body runs but those that were asked for.
* R2. The first divergence counts. It ends the program from within, past whatever that catches.
* R3. What the program reads outside of steps is as of the run's beginning, and what its steps wrote since.
* R4. A body that runs again has the state that it saw, the time and chance that were recorded, and its
  children answered from their records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NoReturn

from statehouse.client.connection import Connection
from statehouse.client.txn_ids import new_txn_id
from statehouse.debug.overlay.connections import overlay_connection, store_of
from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.debug.overlay.layers import MemoryLayer
from statehouse.debug.overlay.views import view_of
from statehouse.debug.rerunning.divergence import Divergence, DivergenceKind, Stopped
from statehouse.debug.rerunning.frames import told
from statehouse.debug.rerunning.reruns import Rerun, compared, rerun
from statehouse.errors import StatehouseError
from statehouse.extend import Commit, Delete, Flow, Get, History, Page, RecordKey, Write, WriteOperation
from statehouse.steps import failures
from statehouse.steps.body import Step
from statehouse.steps.calls import StepCall
from statehouse.steps.driving import Call, StepFlow
from statehouse.steps.recall import mismatch, recall, same_input
from statehouse.steps.record import RunRecord, StepRecord
from statehouse.steps.runs import RunLogic
from statehouse.steps.writing import names_in

Wrap = Callable[[StepCall, Step, Call], Call]

_UNFINISHED: Final = ("running", "interrupted")


class ReplayLogic(RunLogic):
    """A run, gone through again; see the module.

    Args:
        connection: The store it is in.
        record: The run.
        mode: What for; spans say so.
        runs_body: Whether the body of a step is to run again.
        wrap: What is done around such a body.
        last: The path of the step that the program ends with; empty for going on.

    Attributes:
        divergence: The first one; None for none so far.
        answered: How many steps were answered from their records.
        reruns: The steps whose bodies ran again.
        changed: Functions whose source is not the recorded one.
    """

    def __init__(
        self,
        connection: Connection,
        record: RunRecord,
        *,
        mode: Literal["verify", "debug"],
        runs_body: Callable[[StepCall, StepRecord], bool],
        wrap: Wrap | None = None,
        last: str = "",
    ) -> None:
        self.over = connection
        self.view = view_of(store_of(connection), record)
        at = _beginning(connection, record)
        self.overlay = OverlayEngine(self.view, at, MemoryLayer(at))
        super().__init__(
            overlay_connection(self.overlay, connection),
            record.namespace,
            agent_id=record.agent_id,
            run_id=record.run_id,
            name=record.name,
            code_version=record.code_version,
        )
        self.mode = mode
        self.record = record
        self.divergence: Divergence | None = None
        self.answered = 0
        self.reruns: list[Rerun] = []
        self.changed: dict[str, None] = {}
        self.is_at_the_end = False
        self._runs_body = runs_body
        self._wrap = wrap
        self._last = last
        self._chances: dict[str, deque[tuple[str, Any]]] = {}

    def enter(self) -> Flow[None]:
        """Begins: reads what there is, and writes nothing (R1)."""
        if self.record.input is not None:
            self.input = yield from self.shared.read(self.record.input)
        self.resumed = True
        yield from self.history.load()
        self.state = "open"

    def leave(self, error: BaseException | None) -> Flow[None]:
        """Ends; nothing is written (R1)."""
        yield from ()
        self.state = "ended"

    def warn_once(self, what: str) -> bool:
        """Warns of nothing: what has changed is told at the end."""
        return False

    def perform(self, call: StepCall) -> StepFlow[Any]:
        """Answers a step from its record, or runs its body again.

        Raises (in the flow):
            Stopped: The program goes another way, or has come to the end of what is recorded.
            Exception: What the step raised, and raises now.
        """
        if self.divergence is not None or self.is_at_the_end:
            raise Stopped
        found = yield from self.history.find(call)
        if found is None:
            self._unrecorded(call)
        if not (yield from same_input(call, found)):
            error = yield from mismatch(call, found)
            details = error.details
            self.diverge("input", found, _in_short(error), details.get("recorded"), details.get("now"))
        if found.source_hash not in ("", call.definition.source_hash) and call.definition.source_hash:
            self.changed.setdefault(found.function)
        if self._runs_body(call, found):
            return (yield from self._rerun(call, found))
        # R3
        yield from self._adopt(found)
        self.answered += 1
        return (yield from recall(call, found)).value

    def _unrecorded(self, call: StepCall) -> NoReturn:
        path = call.identity.path
        if self.record.status in _UNFINISHED or (call.parent is None and path in self.record.retry):
            self.is_at_the_end = True
            raise Stopped
        left = self.history.not_asked_for()
        others = f"; it recorded {', '.join(left[:5])}, which was not called yet" if left else ""
        self.diverge(
            "unrecorded",
            path,
            f"the step {path} is called, and the run {self.run_id} did not call it{others}",
            now=dict(call.taken.values),
        )

    def diverge(
        self,
        kind: DivergenceKind,
        where: StepRecord | str,
        message: str,
        recorded: Any = None,
        now: Any = None,
    ) -> NoReturn:
        """Takes down a divergence, if it is the first (R2), and stops.

        Raises:
            Stopped: Always.
        """
        self.found(kind, where, message, recorded, now)
        raise Stopped

    def found(
        self,
        kind: DivergenceKind,
        where: StepRecord | str,
        message: str,
        recorded: Any = None,
        now: Any = None,
    ) -> None:
        """Takes down a divergence, if it is the first (R2)."""
        path, commit_ts = (where, 0) if isinstance(where, str) else (where.path, where.commit_ts)
        with self.lock:
            if self.divergence is None:
                self.divergence = Divergence(kind, path, message, recorded, now, commit_ts)

    # Bodies.

    def _rerun(self, call: StepCall, record: StepRecord) -> StepFlow[Any]:
        self._chances[record.path] = deque(record.helpers)
        done = yield from rerun(self, call, record, self._wrap)
        self.reruns.append(done)
        if self.divergence is None and (difference := (yield from compared(self, done))) is not None:
            self.found(difference.kind, record, difference.message, difference.recorded, difference.now)
        if record.path == self._last or (self.divergence is not None and self.mode == "verify"):
            raise Stopped
        if done.error is not None:
            raise done.error
        return done.given

    def chance(self, step: Step | None, kind: str, make: Callable[[], Any]) -> Any:
        """Gives what was recorded (R4); something new to a body that asks for more than it did."""
        waiting = None if step is None else self._chances.get(step.path)
        if not waiting:
            return make()
        recorded, value = waiting.popleft()
        if recorded == kind:
            return value
        waiting.clear()
        return make()

    def _adopt(self, record: StepRecord) -> StepFlow[None]:
        """Has what a step wrote on the overlay, when somebody looks: until then its values are not read.

        Which keys they are is read now, since whoever looks has the overlay wait for it.
        """
        if record.writes is None:
            return
        try:
            groups = yield from self.shared.read(record.writes)
        except StatehouseError:
            return
        self.overlay.adopt(lambda: self._written(record, names_in(groups)))

    def _written(self, record: StepRecord, names: Iterable[RecordKey]) -> Sequence[Commit]:
        """What a step wrote, as a commit to the overlay."""
        operations: list[WriteOperation] = []
        for name in names:
            entry = self.view.execute(Get(name, record.commit_ts)).entry
            operations.append(Delete(name) if entry.payload is None else Write(name, entry.payload))
        return (Commit(new_txn_id(), tuple(operations), origin=self.origin(record.path)),)

    # The end.

    def conclude(self, error: BaseException | None) -> None:
        """Compares how the program ended with how the run did."""
        if self.divergence is not None or self.is_at_the_end:
            return
        raised = None if error is None else failures.to_record(error)
        if left := self.history.not_asked_for():
            ended = (
                "ended without calling it" if error is None else f"raised {told(error)} before it called it"
            )
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            message = f"the step {left[0]} is recorded, and the program {ended}{more}"
            self.found("missing", left[0], message, recorded=left, now=raised)
            return
        if self.record.status in _UNFINISHED:
            return
        recorded = dict(self.record.error or {})
        was = str(recorded.get("type", "")) if self.record.status == "failed" else ""
        now = "" if error is None else failures.name_of(type(error))
        if bool(was) != bool(now) or (was != now and not isinstance(error, StatehouseError)):
            before = f"by {was}: {recorded.get('message', '')}" if was else "well"
            ends = "well" if error is None else f"by {told(error)}"
            message = f"the run ended {before}, and the program now ends {ends}"
            self.found("ending", "", message, recorded or None, raised)


def _in_short(error: Exception) -> str:
    """What differs, without the advice to those who resume a run."""
    return str(error).rpartition("\nThe program,")[0]


def _beginning(connection: Connection, record: RunRecord) -> int:
    """The commit that began a run."""
    page: Page = store_of(connection).execute(History(record.key, limit=1))
    return page.entries[0].commit_ts if page.entries else record.commit_ts
