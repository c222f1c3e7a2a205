"""The state that a step sees and makes: reads as of its read_ts, writes that its commit applies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from statehouse.client.blocking import iterate, run
from statehouse.client.overlay import OverlaidPages
from statehouse.client.records import MISSING, Record
from statehouse.errors import InvalidArgumentError, StepError
from statehouse.extend import Flow, KeyRange
from statehouse.steps.pages import Noted

if TYPE_CHECKING:
    from statehouse.steps.body import Step

_ABSENT: Final = object()


class _StateLogic:
    """The keys of one agent, for either colour."""

    def __init__(self, step: Step, namespace: str, agent_id: str) -> None:
        self.step = step
        self.namespace = namespace
        self.agent_id = agent_id

    def get(self, key: str, default: Any) -> Flow[Record]:
        step = self.step
        name = step.logic.name(key, self.agent_id, self.namespace)
        own = name in step.footprint.writes
        if not own:
            step.footprint.read(name)
        record: Record = yield from step.logic.get(
            key, agent_id=self.agent_id, namespace=self.namespace, default=default
        )
        if not own:
            step.footprint.reads[name] = record.version
            step.pinned()
        return record

    def set(self, key: str, value: Any, base: Record | None = None) -> None:
        step = self.step
        self._check_running()
        step.footprint.write(step.logic.name(key, self.agent_id, self.namespace), "write")
        step.logic.write(
            key,
            value,
            agent_id=self.agent_id,
            namespace=self.namespace,
            if_version=None,
            if_commit_ts=None,
            extends=base,
        )

    def _check_running(self) -> None:
        path = self.step.path
        if self.step.ended:
            raise StepError(f"the step {path} has ended: what it writes now is not applied", path=path)

    def delete(self, key: str) -> None:
        step = self.step
        self._check_running()
        step.footprint.write(step.logic.name(key, self.agent_id, self.namespace), "delete")
        step.logic.delete(
            key, agent_id=self.agent_id, namespace=self.namespace, if_version=None, if_commit_ts=None
        )

    def pages(self, prefix: str, *, keys_only: bool) -> Noted:
        step = self.step
        pages = OverlaidPages(
            step.logic,
            prefix,
            agent_id=self.agent_id,
            namespace=self.namespace,
            reverse=False,
            limit=None,
            keys_only=keys_only,
        )
        step.footprint.read_range(KeyRange(self.namespace, self.agent_id, prefix, keys_only=keys_only))
        return Noted(pages, step.footprint)


class State(MutableMapping[str, Any]):
    """The keys of an agent, as the step that is running sees them: a mapping.

    What is read is as of the step's read_ts, whatever others do meanwhile, and what was written here before.
    What is written is applied by the step's commit, together with its result, or not at all. A value that was
    read is a copy: write it back after changing it.

    Example:
        >>> import statehouse
        >>> @statehouse.step
        ... def note(text: str) -> int:
        ...     state = statehouse.current_step().state
        ...     state["notes"] = [*state.get("notes", []), text]
        ...     return len(state["notes"])
        >>> with statehouse.Statehouse("memory:") as sh:
        ...     with sh.run(agent_id="writer"):
        ...         note("tea"), note("milk")
        (1, 2)

    Attributes:
        aio: The same for ``async`` steps, where reads are awaited.
    """

    __slots__ = ("_logic",)

    def __init__(self, logic: _StateLogic) -> None:
        self._logic = logic

    @classmethod
    def of(cls, step: Step, namespace: str, agent_id: str) -> State:
        """Gives the state of an agent, as a step sees it."""
        return cls(_StateLogic(step, namespace, agent_id))

    @property
    def agent_id(self) -> str:
        """Whose state it is."""
        return self._logic.agent_id

    @property
    def aio(self) -> StateAsync:
        """The same state for an ``async`` step: reads are awaited."""
        return StateAsync(self._logic)

    def agent(self, agent_id: str, *, namespace: str | None = None) -> State:
        """Gives the state of another agent, in the same commit."""
        logic = self._logic
        return State.of(logic.step, logic.namespace if namespace is None else namespace, agent_id)

    def record(self, key: str, default: Any = MISSING) -> Record:
        """Gives what a key holds, with its version and commit.

        Raises:
            NotFoundError: Absent or deleted, and there is no default.
            StatehouseError: As a read in a transaction does.
        """
        self._check_colour("record")
        return run(self._logic.step.connection, self._logic.get(key, default))

    def grow(self, key: str, value: Any, base: Record) -> None:
        """Writes a value that has grown from a record that was read: what they share is not stored again.

        Raises:
            StatehouseError: As a write in a transaction does.
        """
        self._logic.set(key, value, base)

    def keys_with(self, prefix: str) -> list[str]:
        """Gives the keys that begin with a prefix, in byte order.

        Raises:
            StatehouseError: As a read in a transaction does.
        """
        self._check_colour("keys_with")
        return run(self._logic.step.connection, self._logic.pages(prefix, keys_only=True).keys())

    def records(self, prefix: str = "") -> Iterator[Record]:
        """Iterates over the records whose keys begin with a prefix, in byte order.

        Raises:
            StatehouseError: As a read in a transaction does.
        """
        self._check_colour("records")
        return iterate(self._logic.step, self._logic.pages(prefix, keys_only=False))

    def __getitem__(self, key: str) -> Any:
        value = self.record(key, _ABSENT).value
        if value is _ABSENT:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.record(key, _ABSENT).value is not _ABSENT

    def __setitem__(self, key: str, value: Any) -> None:
        self._logic.set(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._logic.delete(key)

    def discard(self, key: str) -> None:
        """Deletes a key whether or not it is there, without reading it."""
        self._logic.delete(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_with(""))

    def __len__(self) -> int:
        return len(self.keys_with(""))

    def __repr__(self) -> str:
        return (
            f"<State of {self._logic.namespace}/{self._logic.agent_id} in the step {self._logic.step.path}>"
        )

    def _check_colour(self, name: str) -> None:
        if self._logic.step.is_async and _in_a_loop():
            raise StepError(
                f"the step {self._logic.step.path} is async, and this read would block its event loop: use "
                f"`await step.state.aio.get(key, default)` (this was {name})"
            )


class StateAsync:
    """The keys of an agent, as the ``async`` step that is running sees them; see `State`.

    Reads are awaited; writes do no I/O and are not.
    """

    __slots__ = ("_logic",)

    def __init__(self, logic: _StateLogic) -> None:
        self._logic = logic

    @property
    def agent_id(self) -> str:
        """Whose state it is."""
        return self._logic.agent_id

    def agent(self, agent_id: str, *, namespace: str | None = None) -> StateAsync:
        """Gives the state of another agent, in the same commit."""
        logic = self._logic
        return StateAsync(
            _StateLogic(logic.step, logic.namespace if namespace is None else namespace, agent_id)
        )

    async def get(self, key: str, default: Any = None) -> Any:
        """Gives the value of a key, or the default.

        Raises:
            StatehouseError: As a read in a transaction does.
        """
        return (await self.record(key, default)).value

    async def record(self, key: str, default: Any = MISSING) -> Record:
        """Gives what a key holds, with its version and commit.

        Raises:
            NotFoundError: Absent or deleted, and there is no default.
            StatehouseError: As a read in a transaction does.
        """
        from statehouse.client.awaiting import run as run_async  # noqa: PLC0415 - only async steps need asyncio

        return await run_async(self._logic.step.connection, self._logic.get(key, default))

    async def keys(self, prefix: str = "") -> list[str]:
        """Gives the keys that begin with a prefix, in byte order.

        Raises:
            StatehouseError: As a read in a transaction does.
        """
        from statehouse.client.awaiting import run as run_async  # noqa: PLC0415 - likewise

        return await run_async(self._logic.step.connection, self._logic.pages(prefix, keys_only=True).keys())

    def records(self, prefix: str = "") -> AsyncIterator[Record]:
        """Iterates over the records whose keys begin with a prefix, in byte order.

        Raises:
            StatehouseError: As a read in a transaction does.
        """
        from statehouse.client.awaiting import iterate as iterate_async  # noqa: PLC0415 - likewise

        return iterate_async(self._logic.step, self._logic.pages(prefix, keys_only=False))

    def set(self, key: str, value: Any) -> None:
        """Writes a value, by the step's commit.

        Raises:
            StatehouseError: As a write in a transaction does.
        """
        self._logic.set(key, value)

    def grow(self, key: str, value: Any, base: Record) -> None:
        """Writes a value that has grown from a record that was read.

        Raises:
            StatehouseError: As a write in a transaction does.
        """
        self._logic.set(key, value, base)

    def delete(self, key: str) -> None:
        """Deletes a key, by the step's commit, whether or not it is there.

        Raises:
            StatehouseError: As a delete in a transaction does.
        """
        self._logic.delete(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._logic.set(key, value)

    def __delitem__(self, key: str) -> None:
        self._logic.delete(key)

    def __getitem__(self, key: str) -> NoReturn:
        raise InvalidArgumentError(f"reads of an async step are awaited: await state.get({key!r})")

    def __repr__(self) -> str:
        logic = self._logic
        return f"<StateAsync of {logic.namespace}/{logic.agent_id} in the step {logic.step.path}>"


def _in_a_loop() -> bool:
    from asyncio import get_running_loop  # noqa: PLC0415 - only for async steps, which have loaded it

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True
