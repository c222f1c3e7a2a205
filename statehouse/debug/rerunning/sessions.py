"""A session: a program is run again, on an overlay, with every run that it enters under our eyes.

* S1. The first run that the program enters is the one that is meant. Further ones are ordinary runs, on the
  overlay.
* S2. With `every_handle`, all handles of this process on the store see the overlay until the session ends:
  what the program does outside of steps does not reach the store either. That is for tools that own their
  process; elsewhere it would take commits from others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from statehouse.client.connection import Connection, live_connections, welcome_by
from statehouse.debug.overlay.connections import OVERLAY_URL, store_of
from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.debug.rerunning import programs
from statehouse.debug.rerunning.programs import Program
from statehouse.errors import InvalidArgumentError, StatehouseError, StepError
from statehouse.extend import Engine, Status
from statehouse.steps.hosting import host
from statehouse.steps.runs import RunLogic
from statehouse.tracing.engine import TracedEngine


class Session:
    """Runs one program once; see the module.

    Args:
        logic: The run that is meant, on a connection of an overlay.
    """

    def __init__(self, logic: RunLogic) -> None:
        self._logic = logic
        self._entered = False

    def enter(self, namespace: str, given: dict[str, Any]) -> RunLogic:
        """Gives the run that the program asks for (S1).

        Raises:
            StepError: It asks for another run than the one that is meant.
        """
        logic = self._logic
        if self._entered:
            return RunLogic(logic.connection, namespace, **given)
        self._entered = True
        asked, meant = given.get("run_id"), logic.fork["run_id"] if logic.fork else logic.run_id
        if asked not in (None, meant, logic.run_id) or namespace != logic.namespace:
            raise StepError(
                f"the program enters the run {asked} of the namespace {namespace}, and {meant} of "
                f"{logic.namespace} is meant: let it take the run, def main(run), or take its id from outside"
            )
        return logic

    def call(self, program: Program) -> Any:
        """Runs the program, and gives what it returns.

        Raises:
            InvalidArgumentError: It neither takes the run nor enters one.
            Exception: What it raises.
        """
        self._entered = programs.takes_run(program)
        token = host.set(self)
        try:
            value = programs.call(program, self._logic)
        finally:
            host.reset(token)
        if not self._entered:
            raise InvalidArgumentError(
                "the program neither took the run nor entered one: write def main(run), or let it enter "
                "`with sh.run(...)`"
            )
        return value


@contextmanager
def session(
    logic: RunLogic, overlay: OverlayEngine, over: Connection, *, every_handle: bool
) -> Iterator[Session]:
    """Gives a session, and closes the connection of its run behind it.

    Args:
        logic: The run that is meant.
        overlay: What it is on.
        over: The store that this is an overlay of.
        every_handle: See S2.
    """
    with closing(logic.connection), ExitStack() as stack:
        if every_handle:
            stack.enter_context(_everywhere(overlay, store_of(over)))
        yield Session(logic)


@contextmanager
def _everywhere(engine: OverlayEngine, store: Engine) -> Iterator[None]:
    """Has all handles of this process on a store see an overlay of it (S2)."""
    overlay = TracedEngine(engine)
    store_id = store.execute(Status()).store_id
    swapped: list[tuple[Connection, Engine]] = []

    def welcome(connection: Connection) -> None:
        before = connection.engine
        if connection.url.startswith(OVERLAY_URL):
            return
        # One that cannot be asked is of another store, or closed.
        with suppress(StatehouseError):
            if before.execute(Status()).store_id == store_id:
                connection.engine = overlay
                swapped.append((connection, before))

    for connection in live_connections():
        welcome(connection)
    welcome_by(welcome)
    try:
        yield
    finally:
        welcome_by(None)
        for connection, before in swapped:
            # Unless it was closed meanwhile.
            if connection.engine is overlay:
                connection.engine = before
