"""Verifying: the program goes through a recorded run again, and must go the same way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from statehouse.client.blocking import run
from statehouse.client.connection import connection_of
from statehouse.debug.inspecting.naming import run_named, steps_meant
from statehouse.debug.rerunning.divergence import Divergence, Stopped
from statehouse.debug.rerunning.programs import Program
from statehouse.debug.rerunning.replaying import ReplayLogic
from statehouse.debug.rerunning.sessions import session
from statehouse.steps.calls import StepCall
from statehouse.steps.record import RunRecord, StepRecord

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

Bodies = Literal["none", "pure", "all"] | Collection[str]


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of verifying a run.

    Attributes:
        run: The run.
        divergence: The first difference; None for none.
        answered: How many steps were answered from their records.
        reran: How many steps ran their bodies again.
        is_complete: Whether the program came to its end; False when the run was cut off, and what it recorded
            was gone through.
        changed: Functions whose source is not the recorded one, as ``module:qualname``.
        value: What the program returned.
        error: What the program raised; None when it came to its end, or was ended at a divergence.
    """

    run: RunRecord
    divergence: Divergence | None
    answered: int
    reran: int
    is_complete: bool
    changed: tuple[str, ...]
    value: Any = None
    error: Exception | None = None

    @property
    def is_clean(self) -> bool:
        """Whether the program went the recorded way."""
        return self.divergence is None


def verify(
    sh: Statehouse | StatehouseAsync,
    run_id: str,
    program: Program,
    *,
    namespace: str | None = None,
    bodies: Bodies = "pure",
    every_handle: bool = False,
) -> Verification:
    """Runs a program through a recorded run again, and finds the first difference.

    Each step that the program calls must be recorded, with these arguments, and is answered from its record:
    its body does not run. The bodies of steps with ``effect="none"`` do, on the state that they saw, and must
    return and write the same. Nothing is written to the store.

    What the program does outside of its steps it does again: to the world, and to the store by other handles
    than the run's, unless `every_handle` is set.

    Example:
        >>> import statehouse
        >>> from statehouse import debug
        >>> @statehouse.step
        ... def double(number: int) -> int:
        ...     return 2 * number
        >>> def main(run):
        ...     return double(run.input)
        >>> with statehouse.Statehouse("memory:") as sh:
        ...     with sh.run("r-1", agent_id="counter", input=21) as run:
        ...         _ = main(run)
        ...     debug.verify(sh, "r-1", main).is_clean
        True

    Args:
        sh: A handle on the store.
        run_id: The run.
        program: A function that takes the run, or enters it itself. ``async`` ones too, in threads without an
            event loop.
        namespace: The namespace of the run's state; None for the handle's.
        bodies: Whose bodies run again: ``none``, ``pure`` (those of steps that do nothing to the world
            outside), ``all``, or names and paths of steps.
        every_handle: Have all handles of this process on the store see an overlay meanwhile: for tools that
            own their process.

    Raises:
        NotFoundError: There is no such run, or no step in it that `bodies` names.
        InvalidArgumentError: The program cannot be called so.
        CompactedError: The state that a body saw is not kept any more; it says what is the oldest.
    """
    connection = connection_of(sh)
    where = sh.namespace if namespace is None else namespace
    record = run(sh, run_named(where, run_id))
    if bodies not in ("none", "pure", "all"):
        bodies = run(sh, steps_meant(record, [bodies] if isinstance(bodies, str) else bodies))
    logic = ReplayLogic(connection, record, mode="verify", runs_body=_chosen(bodies))
    error: Exception | None = None
    value = None
    with session(logic, logic.overlay, connection, every_handle=every_handle) as running:
        try:
            value = running.call(program)
        except Stopped:
            pass
        except Exception as raised:
            if logic.state == "new":
                raise
            error = raised
        logic.conclude(error)
    return Verification(
        record,
        logic.divergence,
        logic.answered,
        len(logic.reruns),
        logic.divergence is None and not logic.is_at_the_end,
        tuple(logic.changed),
        value,
        error,
    )


def _chosen(bodies: Bodies) -> Any:
    def is_pure(call: StepCall, record: StepRecord) -> bool:
        return call.definition.options.effect == "none"

    def is_named(call: StepCall, record: StepRecord) -> bool:
        return record.path in bodies

    match bodies:
        case "none":
            return lambda call, record: False
        case "pure":
            return is_pure
        case "all":
            return lambda call, record: call.definition.kind == "step"
        case _:
            return is_named
