"""The part of `Statehouse` that is about runs of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from statehouse.client.blocking import run
from statehouse.client.connection import Connection

if TYPE_CHECKING:
    from statehouse.steps._sync.run import Run


class Runs:
    """What a handle can do about runs; `Statehouse` is one."""

    connection: Connection
    namespace: str

    def run(
        self,
        run_id: str | None = None,
        *,
        agent_id: str | None = None,
        namespace: str | None = None,
        name: str = "",
        input: Any = None,  # noqa: A002 - the word that people know for it
        on_mismatch: Literal["error", "rerun", "reuse"] = "error",
        code_version: str | None = None,
    ) -> Run:
        """Gives a run, to be entered by ``with``: what is called in it and is a step is recorded under its
        id.

        Nothing is asked of the store before it is entered. That begins the run, or goes on with the one that
        has this id: then finished steps give their recorded results and run nothing.

        Args:
            run_id: Its id, at most 256 bytes; None makes one.
            agent_id: Whose run it is, and whose state its steps have. It can be left out when the run is
                there.
            namespace: The namespace of that state; None for the handle's.
            name: What people call it, such as the name of the program.
            input: What it is to work on, as JSON; a run that is resumed has what it was given first.
            on_mismatch: What a step does that is called with other arguments than were recorded, and says
                nothing of it.
            code_version: Which code this is; None for ``$STATEHOUSE_CODE_VERSION``.

        Raises:
            InvalidArgumentError: A malformed argument.
            LimitExceededError: A name that is too long.
        """
        from statehouse.steps._sync.run import Run  # noqa: PLC0415 - it stands above; most programs do without
        from statehouse.steps.hosting import host  # noqa: PLC0415 - likewise
        from statehouse.steps.runs import RunLogic  # noqa: PLC0415 - likewise

        where = self.namespace if namespace is None else namespace
        facts: dict[str, Any] = {
            "agent_id": agent_id,
            "run_id": run_id,
            "name": name,
            "given": input,
            "on_mismatch": on_mismatch,
            "code_version": code_version,
        }
        hosting = host.get()
        if hosting is not None:
            return Run(hosting.enter(where, facts))
        return Run(RunLogic(self.connection, where, **facts))

    def signal(self, run_id: str, signal: str, value: Any = None, *, namespace: str | None = None) -> int:
        """Tells a run something, from wherever, and gives the commit_ts; `Run.wait_for` is how the run
        hears it.

        Args:
            run_id: The run. It need not be running: signals wait for it.
            signal: The name of the signal.
            value: Any JSON value.
            namespace: The namespace of the run; None for the handle's.

        Raises:
            NotFoundError: There is no such run.
            InvalidArgumentError: A malformed name, or not a value.
            StatehouseError: As a commit does.
        """
        from statehouse.steps import signals  # noqa: PLC0415 - it stands above; most programs do without

        where = self.namespace if namespace is None else namespace
        return run(self.connection, signals.send(self.connection, where, run_id, signal, value))
