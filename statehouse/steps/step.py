"""`@statehouse.step`: a function whose result, state changes and record are one commit."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, Generic, ParamSpec, TypeVar, overload

from statehouse.errors import InvalidArgumentError, StepError
from statehouse.steps.body import Step
from statehouse.steps.calls import Definition, StepCall, source_hash_of
from statehouse.steps.driving import Call, StepFlow, drive, drive_async
from statehouse.steps.inputs import Parameters
from statehouse.steps.options import CONFLICT_RETRIES, Backoff, Effect, IfUnknown, OnMismatch, Options, listed
from statehouse.steps.results import Results
from statehouse.steps.scope import Inside, Scope, scope
from statehouse.steps.spans import current_span_id, span_of_step
from statehouse.steps.warning import warn

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class StepFunction(Generic[P, R_co]):
    """A function that is a step; `step` makes one. Call it as the function.

    Attributes:
        function: The function itself: called, it records nothing.
        definition: What every call of it shares.
        parameters: How its arguments are recorded.
    """

    def __init__(self, function: Callable[P, R_co], options: Options) -> None:
        _check_function(function)
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise InvalidArgumentError(
                f"{function.__qualname__} is a generator, and a step returns one result: return a list"
            )
        functools.update_wrapper(self, function)
        self.function = function
        self.is_async = iscoroutinefunction(function)
        self.parameters = Parameters(function, options.ignore)
        self.definition = Definition(
            name=options.name or function.__name__,
            function=f"{function.__module__}:{function.__qualname__}",
            source_hash=source_hash_of(function),
            options=options,
            results=Results(function),
        )
        self._warned = False
        # What `inspect` asks of a function: frameworks find out by it whether to await this.
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            setattr(self, name, getattr(function, name, None))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Performs the step: gives what is recorded, or runs the function and records it.

        Raises:
            StepError: It is `strict` and called outside a run; or the run or the step around it has ended.
            StepMismatchError: It is recorded, with other arguments.
            StepConflictError: It is at_most_once, and its state changes were not applied.
            StepNestingError: It writes what a step around it has read or written.
            ConflictError: What it reads changes faster than it runs.
            Exception: Whatever the function raises.
        """
        around = scope.get()
        if around is None:
            self._outside()
            return self.function(*args, **kwargs)
        given: R_co = self._perform(self._call(around, args, kwargs))
        return given

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Callable[[], R_co]:
        """Names a call now, and gives a function that performs it later, in whatever thread.

        Threads of a pool do not know in which run they are, and run in an order of their own; what is named
        here is the same step whenever it runs::

            with ThreadPoolExecutor() as pool:
                found = list(pool.map(lambda call: call(), [search.bind(task) for task in tasks]))

        Raises:
            StepError: No run is current, or it has ended.
            InvalidArgumentError: An argument cannot be recorded.
        """
        around = scope.get()
        if around is None:
            raise StepError(
                f"{self.definition.name}.bind(...) was called outside a run: call it inside `with "
                "sh.run(...)`"
            )
        call = self._call(around, args, kwargs)
        if self.is_async:
            return lambda: self._perform(call)
        # Spans and the program's own context variables, which no pool hands on.
        context = copy_context()
        return lambda: context.run(self._perform, call)

    def options(self, **changes: Any) -> StepFunction[P, R_co]:
        """Gives the same step with other options: ``search.options(key=task.id)(task)``.

        Raises:
            InvalidArgumentError: No such option, or it makes no sense.
        """
        try:
            for name in {"ignore", "errors"} & changes.keys():
                changes[name] = listed(name, changes[name])
            options = replace(self.definition.options, **changes)
        except TypeError as error:
            raise InvalidArgumentError(f"a step has no such option: {error}") from None
        return StepFunction(self.function, options)

    def _call(self, around: Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> StepCall:
        run, parent = around
        run.check_open()
        if parent is not None and parent.ended:
            raise StepError(
                f"the step {parent.path} has ended, so {self.definition.name} cannot be called inside it: "
                "wait for what it starts before it returns",
                path=parent.path,
            )
        options = self.definition.options
        names = run.names if parent is None else parent.names
        taken = self.parameters.take(args, kwargs)
        identity = names.give(self.definition.name, options.key_of(args, kwargs))

        def body(step: Step) -> StepFlow[Any]:
            def blocking() -> Any:
                with Inside(run, step):
                    return self.function(*args, **kwargs)

            async def awaiting() -> Any:
                with Inside(run, step):
                    function: Any = self.function
                    return await function(*args, **kwargs)

            function = awaiting if self.is_async else blocking
            return (yield Call(function, options.timeout, step.path, self.function))

        return StepCall(run, parent, identity, self.definition, taken, body, self.is_async, current_span_id())

    def _perform(self, call: StepCall) -> Any:
        if self.is_async:
            return self._await(call)
        with span_of_step(call):
            return drive(call.run.connection, call.run.perform(call))

    async def _await(self, call: StepCall) -> Any:
        with span_of_step(call):
            return await drive_async(call.run.connection, call.run.perform(call))

    def _outside(self) -> None:
        where = (
            f"the step {self.definition.name} was called outside a run, so nothing is recorded: call it "
            "inside `with sh.run(...)`. Threads of a pool are outside, too: hand them `function.bind(...)`"
        )
        if self.definition.options.strict:
            raise StepError(where)
        if not self._warned:
            self._warned = True
            warn(where)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> str:
        # By name, like a function: what a pool of processes is handed.
        return self.function.__qualname__

    def __repr__(self) -> str:
        return f"<step {self.definition.name}: {self.definition.function}>"


def _check_function(function: object) -> None:
    """Raises InvalidArgumentError unless it is a function: what is recorded of a step is told by its name."""
    if isinstance(function, type):
        raise InvalidArgumentError(
            f"{function.__qualname__} is a class, and a step is a function: decorate its methods, or a "
            "function that makes one"
        )
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise InvalidArgumentError(
            f"@step stands below @{kind}: it makes a step of a function, not of a {kind}"
        )
    if not callable(function) or not isinstance(getattr(function, "__qualname__", None), str):
        raise InvalidArgumentError(
            f"{function!r:.80} has no name that a step can be found by again: write a function, def ..., "
            "that calls it"
        )


@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(
    *,
    name: str | None = None,
    key: str | Callable[..., str] | None = None,
    ignore: Sequence[str] = (),
    retries: int = 0,
    backoff: Backoff = 1.0,
    retry_if: Callable[[Exception], bool] | None = None,
    errors: Sequence[type[Exception]] = (),
    timeout: float | None = None,
    conflict_retries: int = CONFLICT_RETRIES,
    on_mismatch: OnMismatch | None = None,
    effect: Effect = "at_least_once",
    if_unknown: IfUnknown = "ask",
    strict: bool = False,
) -> Callable[[Callable[P, R]], StepFunction[P, R]]: ...


def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    key: str | Callable[..., str] | None = None,
    ignore: Sequence[str] = (),
    retries: int = 0,
    backoff: Backoff = 1.0,
    retry_if: Callable[[Exception], bool] | None = None,
    errors: Sequence[type[Exception]] = (),
    timeout: float | None = None,
    conflict_retries: int = CONFLICT_RETRIES,
    on_mismatch: OnMismatch | None = None,
    effect: Effect = "at_least_once",
    if_unknown: IfUnknown = "ask",
    strict: bool = False,
) -> Any:
    """Makes a function a step: its result, its state changes and what it did are one commit.

    Called inside a run, it runs once: when the run is resumed, its recorded result is given and nothing runs.
    Its state changes happen exactly once. What it does to the world outside happens at least once, since a
    crash may come before its commit: hand `current_step().idempotency_key` to whoever is called. No lock is
    held while it runs, however long that takes; if what it read has changed meanwhile, it runs again.

    Example:
        >>> import statehouse
        >>> @statehouse.step
        ... def plan(goal: str) -> list[str]:
        ...     print("planning")
        ...     return [f"think about {goal}"]
        >>> with statehouse.Statehouse("memory:") as sh:
        ...     for _ in range(2):
        ...         with sh.run(agent_id="planner", run_id="r-1"):
        ...             plan("tea")
        planning
        ['think about tea']
        ['think about tea']

    Args:
        function: The function, when it is used without options. Blocking or ``async``.
        name: What it is called in records and traces; None for the function's name.
        key: What to call a call by instead of counting: text, or a function of the arguments.
        ignore: Parameters that are no data, such as clients: neither recorded nor compared.
        retries: How often to run again after an exception.
        backoff: Seconds before the first of those, doubled each time; or a function of the attempt, from 1.
        retry_if: Says of an exception whether to run again; None: always.
        errors: Exceptions of the program's that come back as themselves when the run is resumed.
        timeout: Seconds an attempt may take. An ``async`` step is cancelled then. A blocking one cannot be
            stopped: it goes on in a thread of its own, and nothing that it does is recorded.
        conflict_retries: How often to run again because what it read has changed.
        on_mismatch: What to do when the run recorded other arguments: ``error``, ``rerun``, or ``reuse`` the
            recorded result; None for what the run says.
        effect: ``at_most_once`` for what must not happen twice, and may rather not happen. ``none`` for a
            step that does nothing to the world outside: its result follows from its arguments, its state and
            what `Step.now`, `uuid` and `random` gave, so whoever verifies or forks a run may run it again.
        if_unknown: What to do about an at_most_once step that was cut off: ``ask`` (an error, until
            `Run.resolve`), ``fail``, ``retry``.
        strict: Raise outside a run, instead of warning once and running as a plain function.

    Raises:
        InvalidArgumentError: An option makes no sense, or it is no function, or a generator.
    """
    options = Options(
        name,
        key,
        listed("ignore", ignore),
        retries,
        backoff,
        retry_if,
        listed("errors", errors),
        timeout,
        conflict_retries,
        on_mismatch,
        effect,
        if_unknown,
        strict,
    )
    if function is not None:
        return StepFunction(function, options)

    def decorate(function: Callable[P, R]) -> StepFunction[P, R]:
        return StepFunction(function, options)

    return decorate
