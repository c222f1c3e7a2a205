"""`Run`: a run that this process takes part in."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from statehouse.client.blocking import run
from statehouse.client.connection import Connection
from statehouse.steps import signals
from statehouse.steps.driving import drive
from statehouse.steps.inner import record_for_run
from statehouse.steps.reading import read_steps
from statehouse.steps.record import StepRecord
from statehouse.steps.resolving import MISSING, resolve
from statehouse.steps.runs import RunLogic
from statehouse.steps.scope import Inside
from statehouse.steps.spans import NO_SPAN, Spanned, Unspanned, span_of_run


class Run:
    """A run: the steps that are called inside its ``with`` block are recorded under its id.

    `Statehouse.run` makes one. With an id that is there already it goes on with that run: finished steps
    give their recorded results and run nothing.

    Example:
        >>> import statehouse
        >>> @statehouse.step
        ... def double(number: int) -> int:
        ...     return 2 * number
        >>> def main():
        ...     with statehouse.Statehouse("memory:") as sh:
        ...         with sh.run("r-1", agent_id="counter") as run:
        ...             double(21)
        ...             return [(each.path, each.status) for each in run.steps()]
        >>> main()
        [('double#1', 'executed')]

    Attributes:
        logic: Its state, for adapters.
    """

    def __init__(self, logic: RunLogic) -> None:
        self.logic = logic
        self._inside: Inside | None = None
        self._span: Spanned | Unspanned = NO_SPAN

    @property
    def connection(self) -> Connection:
        """The connection of the handle it came from."""
        return self.logic.connection

    @property
    def run_id(self) -> str:
        """Its id; keep it to resume the run."""
        return self.logic.run_id

    @property
    def agent_id(self) -> str:
        """Whose run it is.

        Raises:
            StepError: That is not known yet: it is resumed, and not entered.
        """
        return self.logic.agent_id

    @property
    def input(self) -> Any:
        """What it was given when it began; None for nothing, and before it is entered."""
        return self.logic.input

    @property
    def resumed(self) -> bool:
        """Whether it was there already when it was entered."""
        return self.logic.resumed

    def __enter__(self) -> Self:
        span = span_of_run(self.logic)
        span.__enter__()
        try:
            run(self.connection, self.logic.enter())
        except BaseException as error:
            span.__exit__(type(error), error, error.__traceback__)
            raise
        self._span = span
        self._inside = Inside(self.logic)
        self._inside.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._inside is not None:
            self._inside.__exit__(kind, error, trace)
            self._inside = None
        try:
            run(self.connection, self.logic.leave(error))
        finally:
            self._span.__exit__(kind, error, trace)

    def now(self) -> datetime:
        """Gives the time, in UTC, recorded: the same when the run is resumed.

        Raises:
            StepError: The run is not open.
            StatehouseError: As a commit does.
        """
        found: datetime = drive(self.connection, record_for_run(self.logic, "now"))
        return found

    def uuid(self) -> UUID:
        """Gives a new UUID, recorded.

        Raises:
            StepError: The run is not open.
            StatehouseError: As a commit does.
        """
        found: UUID = drive(self.connection, record_for_run(self.logic, "uuid"))
        return found

    def random(self) -> float:
        """Gives a number from 0.0 to 1.0, exclusive, recorded.

        Raises:
            StepError: The run is not open.
            StatehouseError: As a commit does.
        """
        found: float = drive(self.connection, record_for_run(self.logic, "random"))
        return found

    def wait_for(self, signal: str, *, timeout: float | None = None) -> Any:
        """Waits until somebody sends a signal, and gives its value; the n-th wait for a name gets the n-th
        signal.

        Whoever sends it may be another process, days later: when this one dies meanwhile, resume the run and
        it waits again.

        Args:
            signal: Its name.
            timeout: Seconds to wait; None for as long as it takes.

        Raises:
            DeadlineExceededError: It did not come in time. That is recorded: a resumed run goes the same way.
            StepError: The run is not open.
            StatehouseError: As a commit does.
        """
        return drive(self.connection, signals.wait_for(self.logic, signal, timeout))

    def signal(self, name: str, value: Any = None) -> int:
        """Sends a signal to this run, and gives the commit_ts; see `Statehouse.signal`.

        Raises:
            StatehouseError: As `Statehouse.signal` does.
        """
        logic = self.logic
        return run(self.connection, signals.send(self.connection, logic.namespace, logic.run_id, name, value))

    def resolve(self, path: str, *, output: Any = MISSING, retry: bool = False) -> None:
        """Says how an at_most_once step ended that was cut off.

        Args:
            path: The step, as the error named it.
            output: What it returned.
            retry: Instead: that it had no effect, and is to run again.

        Raises:
            InvalidArgumentError: Neither or both are given.
            NotFoundError: There is no such step that began.
            PreconditionFailedError: It has ended meanwhile.
        """
        run(self.connection, resolve(self.logic, path, output, retry))

    def steps(self) -> list[StepRecord]:
        """Gives what is recorded of its steps, in the order of their commits.

        Raises:
            StatehouseError: As a read does.
        """
        return run(self.connection, read_steps(self.logic.namespace, self.run_id))

    def __repr__(self) -> str:
        return f"<Run {self.logic!r}>"
