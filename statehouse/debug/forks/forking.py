"""Forking: a new run from a point of a recorded one, on the state of then, which writes beside it.

A fork is an ordinary run, with records of its own; its state is an overlay on its parent's as of the commit
before the step that it is forked at, and stays in the store (see `statehouse.debug.overlay.layers`).

::

    a step of the fork                      what happens
    given an output                         that is its result; its body does not run
    the step, or one that it lies in        its body runs
    called before the step, same arguments  taken: the parent's record, its result and its writes
    otherwise, by `effects`
        recorded   taken if it is called with the same arguments and sees the same values; a step with
                   effect="none" runs; else StepError
        stub       taken, whatever it is called with and sees; else StepError
        live       its body runs
        ask        as recorded; else somebody is asked

* F1. Nothing of the parent changes: neither its state nor its records.
* F2. A fork that was cut off goes on when it is forked again under its id: its own records count first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from statehouse.client.blocking import run as run_flow
from statehouse.client.connection import Connection, connection_of
from statehouse.debug.forks.taking import stub, take, took_the_same
from statehouse.debug.forks.undoing import undone
from statehouse.debug.inspecting.naming import run_named, step_named
from statehouse.debug.overlay.connections import overlay_connection, store_of
from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.debug.overlay.layers import ForkLayer
from statehouse.debug.overlay.views import view_of
from statehouse.debug.rerunning.programs import Program
from statehouse.debug.rerunning.sessions import session
from statehouse.errors import InvalidArgumentError, NotFoundError, StepError, StepMismatchError
from statehouse.extend import Flow, RecordKey, Write, commit, encode
from statehouse.steps.calls import StepCall
from statehouse.steps.driving import StepFlow
from statehouse.steps.history import History
from statehouse.steps.options import check_word
from statehouse.steps.reading import read_run, read_slot
from statehouse.steps.recall import same_input
from statehouse.steps.record import RunRecord, StepRecord
from statehouse.steps.runs import RunLogic, new_run_id
from statehouse.steps.shapes import to_json
from statehouse.steps.shared import SharedValues

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

Effects = Literal["recorded", "stub", "live", "ask"]


_OURS: Final = ("now", "uuid", "random")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a step that no record answers.

    Attributes:
        path: The step.
        arguments: What it is called with, as JSON.
        record: The parent's record of that path; None for none.
        why: Why that does not answer it.
    """

    path: str
    arguments: Mapping[str, Any]
    record: StepRecord | None
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a `Question`.

    Attributes:
        do: ``run`` its body; ``take`` the parent's record all the same; ``output``: take this for its result.
        output: That result, as JSON.
    """

    do: Literal["run", "take", "output"]
    output: Any = None


Ask = Callable[[Question], Answer]


@dataclass(frozen=True, slots=True)
class Forked:
    """What came of a fork.

    Attributes:
        run_id: The fork.
        parent: The run that it is a fork of.
        at: The commit_ts that it sees the parent's state as of.
        value: What the program returned.
        error: What it raised; None when it came to its end.
        taken: The paths of steps that were answered from the parent's records.
        ran: The paths of steps whose bodies ran.
        step: The path of the step that it was forked at.
        is_reached: Whether the program called that.
        unused: The paths of steps that were given a result and were not called.
    """

    run_id: str
    parent: RunRecord
    at: int
    value: Any = None
    error: Exception | None = None
    taken: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()
    step: str = ""
    is_reached: bool = True
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a fork is made.

    Attributes:
        parent: The run that it is a fork of.
        step: The step that it is forked at.
        effects: See the module.
        outputs: Results that are given to steps, by path.
        ask: Who is asked.
    """

    parent: RunRecord
    step: StepRecord
    effects: Effects
    outputs: Mapping[str, Any] = field(default_factory=dict)
    ask: Ask | None = None

    @property
    def at(self) -> int:
        """The commit_ts that the parent's state is seen as of."""
        return self.step.saw_ts


class ForkLogic(RunLogic):
    """The run that a fork is; see the module.

    Args:
        over: A connection to the store.
        plan: How it is made.
        run_id: Its id.
    """

    def __init__(self, over: Connection, plan: Plan, run_id: str, facts: dict[str, Any]) -> None:
        store, parent = store_of(over), plan.parent
        self.plan = plan
        self.view = view_of(store, parent)
        self.overlay = OverlayEngine(self.view, plan.at, ForkLayer(store, run_id))
        connection = overlay_connection(self.overlay, over)
        given = run_flow(over, read_slot(parent.namespace, parent.run_id, parent.input))
        super().__init__(
            connection,
            parent.namespace,
            agent_id=parent.agent_id,
            run_id=run_id,
            name=parent.name,
            given=given,
        )
        self.mode = "fork"
        self.fork = facts
        self.parents = History(connection, self.records, parent.run_id)
        self.parents_values = SharedValues(self.records, parent.run_id)
        self.taken: list[str] = []
        self.ran: list[str] = []
        self._steps_called: set[str] = set()
        self._steps_ended: set[str] = set()

    def enter(self) -> Flow[None]:
        """Begins the fork, or goes on with it.

        Raises (in the flow):
            StatehouseError: As a run does.
        """
        yield from super().enter()
        yield from self.parents.load()

    def perform(self, call: StepCall) -> StepFlow[Any]:
        """Performs a step of the fork.

        Raises (in the flow):
            StepError: No record answers it, and its body may not run.
            Exception: As a step does.
        """
        path = call.identity.path
        self._steps_called.add(path)
        own = yield from self.history.find(call)
        if own is not None:
            self._steps_ended.add(path)
            # F2. It is asked for once more: what was loaded of it is gone.
            if own.status == "failed" and path in self.retry:
                self.ran.append(path)
            return (yield from super().perform(call))
        record = yield from self.parents.find(call)
        if path in self.plan.outputs:
            self.taken.append(path)
            return (yield from stub(call, self.plan.outputs[path]))
        if not self._is_at_it(path):
            answer = yield from self._answer(call, record)
            if answer.do == "take" and record is not None:
                self.taken.append(path)
                return (yield from take(call, record))
            if answer.do == "output":
                self.taken.append(path)
                return (yield from stub(call, answer.output))
        self.ran.append(path)
        return (yield from super().perform(call))

    def has_called(self, path: str) -> bool:
        """Whether the program has called a step, in this process or before it was cut off (F2)."""
        return path in self._steps_called or any(
            path.startswith(around + "/") for around in self._steps_ended
        )

    def _is_at_it(self, path: str) -> bool:
        target = self.plan.step.path
        return path == target or target.startswith(path + "/")

    def _answer(self, call: StepCall, record: StepRecord | None) -> StepFlow[Answer]:
        """What is done about a step by the policy."""
        effects, why = self.plan.effects, "the parent did not call it"
        if record is not None:
            is_same = yield from same_input(call, record)
            if is_same and self._came_before(record):
                return Answer("take")
            if effects == "stub":
                return Answer("take")
            if effects != "live" and is_same and took_the_same(self, record):
                return Answer("take")
            why = "it sees another state than the parent's did" if is_same else "its arguments are others"
        if effects == "live" or call.definition.options.effect == "none" or call.definition.kind in _OURS:
            return Answer("run")
        if effects == "ask" and self.plan.ask is not None:
            return self.plan.ask(Question(call.identity.path, dict(call.taken.values), record, why))
        raise _refusal(call, effects, why)

    def _came_before(self, record: StepRecord) -> bool:
        """Whether a step had ended before the one that the fork begins at; not one that lies in it."""
        return record.commit_ts < self.plan.step.commit_ts and not self.is_inside(record.path)

    def is_inside(self, path: str) -> bool:
        """Whether a step lies in the one that the fork begins at."""
        return path.startswith(self.plan.step.path + "/")


def _refusal(call: StepCall, effects: str, why: str) -> StepError:
    path = call.identity.path
    return StepError(
        f"no record answers the step {path} ({why}), and with effects={effects!r} its body does not run: it "
        "may act on the world outside. Fork with effects live or ask, give its result by set_output, or say "
        'that it acts on nothing: @step(effect="none")',
        path=path,
        status="unknown",
    )


def fork(
    sh: Statehouse | StatehouseAsync,
    run_id: str,
    program: Program,
    *,
    step: str,
    effects: Effects = "recorded",
    set_state: Mapping[str, Any] | None = None,
    set_output: Mapping[str, Any] | None = None,
    fork_id: str | None = None,
    namespace: str | None = None,
    ask: Ask | None = None,
    every_handle: bool = False,
) -> Forked:
    """Runs a new run from a point of a recorded one.

    It has the parent's input and state as of that point, and goes its own way from there, by the code of
    today. What it writes is beside the parent's state, which never changes. It is recorded as every run is:
    look into it, compare it with its parent, fork it again.

    Args:
        sh: A handle on the store.
        run_id: The parent.
        program: See `statehouse.debug.verify`.
        step: The step that it is forked at: its body runs, on the state that it saw. A path, or a name that
            only one step has.
        effects: What is done about the other steps from there on: ``recorded``, ``stub``, ``live`` or
            ``ask``; see the module.
        set_state: Keys of the run's agent, and what they hold when the fork begins.
        set_output: Results of steps that are taken instead of running them: by path; or by name, where only
            one step of the parent has it.
        fork_id: The id of the fork; None makes one. One that was cut off is gone on with.
        namespace: The namespace of the run's state; None for the handle's.
        ask: Who is asked, with effects ``ask``.
        every_handle: See `statehouse.debug.verify`.

    Raises:
        NotFoundError: There is no such run, or no such step in it; a name in `set_output` means none.
        InvalidArgumentError: A malformed argument.
        StepMismatchError: `fork_id` is another run.
        RefusingWritesError: The store is read-only.
    """
    check_word("effects", effects, get_args(Effects))
    if effects == "ask" and ask is None:
        raise InvalidArgumentError('effects="ask" wants somebody to ask: ask=function of a Question')
    over = connection_of(sh)
    where = sh.namespace if namespace is None else namespace
    parent = run_flow(over, run_named(where, run_id))
    target = run_flow(over, step_named(parent, step))
    outputs = {_path_of(over, parent, name): to_json(value) for name, value in (set_output or {}).items()}
    state = {key: to_json(value) for key, value in (set_state or {}).items()}
    plan = Plan(parent, target, effects, outputs, ask)
    facts = {"run_id": parent.run_id, "step": target.path, "at": plan.at, "effects": effects}
    facts |= {name: given for name, given in (("set_state", state), ("set_output", outputs)) if given}
    own_id = new_run_id() if fork_id is None else fork_id
    is_new = _check_same(over, where, own_id, facts)
    logic = ForkLogic(over, plan, own_id, facts)
    value, error = None, None
    with session(logic, logic.overlay, over, every_handle=every_handle) as running:
        if is_new:
            _begin(logic, state)
        try:
            value = running.call(program)
        except Exception as raised:
            if logic.state == "new":
                raise
            error = raised
    unused = tuple([path for path in outputs if not logic.has_called(path)])
    return Forked(
        own_id,
        parent,
        plan.at,
        value,
        error,
        tuple(logic.taken),
        tuple(logic.ran),
        target.path,
        logic.has_called(target.path),
        unused,
    )


def _path_of(over: Connection, parent: RunRecord, name: str) -> str:
    """The path that a name means. What looks like a path is one: the fork may call what the parent did not.

    Raises:
        NotFoundError: It is a name that no step of the parent has, or several have.
    """
    return name if "#" in name or ":" in name else run_flow(over, step_named(parent, name)).path


def _check_same(over: Connection, namespace: str, run_id: str, facts: dict[str, Any]) -> bool:
    """Whether a fork is a new one."""
    try:
        before = run_flow(over, read_run(namespace, run_id))
    except NotFoundError:
        return True
    there = dict(before.fork or {})
    kept = {name: each for name, each in there.items() if name != "effects"}
    if kept != {name: each for name, each in facts.items() if name != "effects"}:
        raise StepMismatchError(
            f"the run {run_id} is there, and is not this fork: {_told(there)}; take another id",
            recorded=there,
            now=facts,
        )
    return False


def _told(fork: Mapping[str, Any]) -> str:
    """What a run is a fork of, in words."""
    if not fork:
        return "it is no fork"
    given = [f"{name} {', '.join(fork[name])}" for name in ("set_state", "set_output") if fork.get(name)]
    return f"it is a fork of {fork.get('run_id')} at {fork.get('step')}" + ", with ".join(["", *given])


def _begin(logic: ForkLogic, state: Mapping[str, Any]) -> None:
    """Makes the state that a fork begins with."""
    plan = logic.plan
    undoing = undone(logic.view, logic.namespace, plan.step, plan.at)
    operations = {each.key: each for each in run_flow(logic.connection, undoing)}
    for key, value in state.items():
        name = RecordKey(logic.namespace, logic.agent_id, key)
        operations[name] = Write(name, encode(value))
    if operations:
        run_flow(logic.connection, commit(logic.connection, operations.values(), origin=logic.origin()))
