"""What the body of a step sees of it: `current_step()`."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from statehouse.client.connection import Connection
from statehouse.errors import StepError
from statehouse.extend import TransactionLogic
from statehouse.steps.identity import Identity, Names
from statehouse.steps.nesting import Footprint
from statehouse.steps.state import State
from statehouse.tracing.current import Active, set_active

if TYPE_CHECKING:
    from statehouse.steps.runs import RunLogic

_chance: Final = random.SystemRandom()


class Step:
    """A step that is running: its state, and what is recorded for it. `current_step` gives it.

    Example:
        >>> import statehouse
        >>> @statehouse.step
        ... def pay(cents: int) -> bool:
        ...     step = statehouse.current_step()
        ...     step.state["paid"] = step.state.get("paid", 0) + cents
        ...     return len(step.idempotency_key) == 32
        >>> with statehouse.Statehouse("memory:") as sh:
        ...     with sh.run(agent_id="shop"):
        ...         pay(100)
        True

    Attributes:
        path: Which step of the run it is: ``plan#1/search#3``.
        name: What it is called.
        ordinal: Which call of that name, from 1; 0 for a step with a key.
        attempt: Which attempt this is, from 1.
        repeated: Whether this, or a step around it, is running again.
        idempotency_key: Hand it to whoever is called: it is the same for every attempt at this step, also
            after a crash, so that the world outside can tell a repetition.
        agent_id: Whose state it has.
        is_async: Whether its reads are awaited.
        logic: Its transaction, for adapters.
        footprint: What it has read and written, for adapters.
    """

    def __init__(
        self,
        run: RunLogic,
        identity: Identity,
        logic: TransactionLogic,
        footprint: Footprint,
        *,
        attempt: int,
        repeated: bool,
        idempotency_key: str,
        is_async: bool,
    ) -> None:
        self.path = identity.path
        self.name = identity.name
        self.ordinal = identity.ordinal
        self.attempt = attempt
        self.repeated = repeated
        self.idempotency_key = idempotency_key
        self.agent_id = run.agent_id
        self.is_async = is_async
        self.logic = logic
        self.footprint = footprint
        self.names = Names(identity.path)
        self.ended = False
        self.helpers: list[tuple[str, Any]] = []
        self._run = run
        self._state: State | None = None
        self._pinned = False

    @property
    def run_id(self) -> str:
        """The run it belongs to."""
        return self._run.run_id

    @property
    def connection(self) -> Connection:
        """The connection that its state is read and committed through."""
        return self.logic.connection

    @property
    def state(self) -> State:
        """The state of the run's agent: a mapping, read as of `read_ts`, written by the step's commit."""
        if self._state is None:
            self._state = State.of(self, self._run.namespace, self.agent_id)
        return self._state

    @property
    def read_ts(self) -> int | None:
        """The commit_ts that everything is read as of; None before the first read."""
        return self.logic.read_ts

    def now(self) -> datetime:
        """Gives the time, in UTC, and records it: whoever verifies the run gets the same."""
        return datetime.fromisoformat(self._recorded("now", lambda: datetime.now(UTC).isoformat()))

    def uuid(self) -> UUID:
        """Gives a new UUID and records it."""
        return UUID(self._recorded("uuid", lambda: str(UUID(bytes=os.urandom(16), version=4))))

    def random(self) -> float:
        """Gives a number from 0.0 to 1.0, exclusive, and records it."""
        return float(self._recorded("random", _chance.random))

    def _recorded(self, kind: str, make: Callable[[], Any]) -> Any:
        if self.ended:
            raise StepError(
                f"the step {self.path} has ended: nothing is recorded for it any more", path=self.path
            )
        value = self._run.chance(self, kind, make)
        self.helpers.append((kind, value))
        return value

    def pinned(self) -> None:
        """Takes in that it has read: spans that begin from here on say as of when."""
        if not self._pinned and self.read_ts is not None:
            self._pinned = True
            set_active(Active(self.run_id, self.path, self.read_ts, self.agent_id))

    def end(self) -> None:
        """Ends it: what still holds on to it can neither read, write nor call further steps."""
        self.ended = True
        self.logic.give_up()

    def __repr__(self) -> str:
        return f"<Step {self.path} of run {self.run_id}, attempt {self.attempt}>"
