"""Debugging: the program goes through a recorded run again, up to one step, whose body runs as it ran."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from statehouse.client.blocking import run
from statehouse.client.connection import connection_of
from statehouse.debug.inspecting.naming import run_named, step_named
from statehouse.debug.rerunning.divergence import Divergence, Stopped
from statehouse.debug.rerunning.programs import Program
from statehouse.debug.rerunning.replaying import ReplayLogic
from statehouse.debug.rerunning.reruns import Rerun
from statehouse.debug.rerunning.sessions import session
from statehouse.steps.body import Step
from statehouse.steps.calls import StepCall
from statehouse.steps.driving import Call
from statehouse.steps.record import RunRecord, StepRecord

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse


@dataclass(frozen=True, slots=True)
class Debugged:
    """What came of debugging a step.

    Attributes:
        run: The run.
        step: The step.
        rerun: What its body did now; None when the program did not get that far, or the person left.
        divergence: How that differs from the record, or where the program left the recorded way; None when it
            is the same.
        was_left: Whether the person left the debugger.
        changed: Functions whose source is not the recorded one, as ``module:qualname``.
    """

    run: RunRecord
    step: StepRecord
    rerun: Rerun | None
    divergence: Divergence | None
    was_left: bool
    changed: tuple[str, ...]


def debug(
    sh: Statehouse | StatehouseAsync,
    run_id: str,
    program: Program,
    *,
    step: str,
    namespace: str | None = None,
    pdb: bool = False,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    every_handle: bool = False,
) -> Debugged:
    """Runs one step of a recorded run again, as it ran: with its arguments, on the state that it saw.

    The program is run through the records up to the step. The steps that it lies in, and the step itself,
    run their bodies, each as of its read_ts; all others are answered from their records. What the body writes
    goes to an overlay, and its time and chance are the recorded ones. The program ends with the step.

    What the body does to the world outside, it does: only its steps inside are answered from records.

    Args:
        sh: A handle on the store.
        run_id: The run.
        program: See `verify`.
        step: The step's path, such as ``plan#1/search#3``; or its name, if the run has one of that name.
        namespace: The namespace of the run's state; None for the handle's.
        pdb: Stop at the first line of the step's function, in pdb.
        stdin: Where pdb's commands come from; None for the terminal.
        stdout: Where pdb writes; None for the terminal.
        every_handle: See `verify`.

    Raises:
        NotFoundError: There is no such run, or no such step in it.
        InvalidArgumentError: The program cannot be called so.
        CompactedError: The state that the step saw is not kept any more; it says what is the oldest.
    """
    connection = connection_of(sh)
    where = sh.namespace if namespace is None else namespace
    record = run(connection, run_named(where, run_id))
    target = run(connection, step_named(record, step))
    at_it = _At(target, pdb=pdb, stdin=stdin, stdout=stdout)
    logic = ReplayLogic(
        connection, record, mode="debug", runs_body=at_it.runs_body, wrap=at_it.wrap, last=target.path
    )
    with session(logic, logic.overlay, connection, every_handle=every_handle) as running:
        try:
            running.call(program)
        except Stopped:
            pass
        except Exception:
            if logic.divergence is None:
                raise
    done = next((each for each in logic.reruns if each.record.path == target.path), None)
    return Debugged(record, target, done, logic.divergence, at_it.was_left, tuple(logic.changed))


class _At:
    """Which bodies run, and what is done around the one that is meant."""

    def __init__(self, target: StepRecord, *, pdb: bool, stdin: TextIO | None, stdout: TextIO | None) -> None:
        self._target = target
        self._pdb = pdb
        self._stdin = stdin
        self._stdout = stdout
        self.was_left = False

    def runs_body(self, call: StepCall, record: StepRecord) -> bool:
        """Whether it is the step, or one that it lies in."""
        target = self._target.path
        return target == record.path or target.startswith(record.path + "/")

    def wrap(self, call: StepCall, step: Step, asked: Call) -> Call:
        """Has the body of the step stop in pdb."""
        if not self._pdb or step.path != self._target.path:
            return asked
        from statehouse.debug.rerunning.breaking import Debugger  # noqa: PLC0415 - pdb is for those who want it

        code = inspect.unwrap(asked.body).__code__
        debugger = Debugger(code, _banner(self._target), stdin=self._stdin, stdout=self._stdout)

        def blocking() -> Any:
            try:
                return debugger.call(asked.function)
            except Stopped:
                self.was_left = True
                raise

        async def awaiting() -> Any:
            try:
                return await debugger.call_async(asked.function)
            except Stopped:
                self.was_left = True
                raise

        return replace(asked, function=awaiting if call.is_async else blocking)


def _banner(record: StepRecord) -> str:
    saw = f"the state as of commit_ts {record.saw_ts}"
    return (
        f"{record.path} of run {record.run_id}: its arguments, {saw}. What it writes goes to an overlay.\n"
        "statehouse.current_step().state is what it sees."
    )
