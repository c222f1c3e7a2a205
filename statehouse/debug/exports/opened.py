"""A store out of the file of an exported run: read-only, and with the commits as they were.

Everything is as of the end of the export, which nothing comes after. What the file does not hold is refused
with `NotExportedError`, whatever is asked, with three exceptions, where the answer is of the file: which
agents and namespaces there are, which runs the index has, and which events have an id.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from statehouse._version import __version__, git_sha
from statehouse.debug.exports.contents import ExportContents, load_export
from statehouse.debug.exports.events import ExportEvents
from statehouse.debug.exports.format import FORMAT, ExportHeader
from statehouse.debug.exports.pages import ExportPages
from statehouse.errors import EngineError, InvalidArgumentError, RefusingWritesError
from statehouse.extend import (
    Check,
    CheckPage,
    Commit,
    Connection,
    EngineVersion,
    Erase,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    Health,
    History,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Replay,
    Request,
    Scan,
    Status,
    StoreStatus,
    Version,
)

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

R = TypeVar("R")


class ExportedEngine:
    """Answers from an exported run; see `statehouse.protocol.engine.Engine`.

    Args:
        contents: What it holds.
        path: What errors call it.
    """

    def __init__(self, contents: ExportContents, path: str) -> None:
        self.contents = contents
        self.path = path
        self._closed = False
        pages, events = ExportPages(contents), ExportEvents(contents)
        self._answers: Final[dict[type[Any], Callable[[Any], Any]]] = {
            Get: pages.get,
            GetAtVersion: pages.get_at_version,
            GetMany: pages.get_many,
            Scan: pages.scan,
            History: pages.history,
            ListAgents: pages.agents,
            ListNamespaces: pages.namespaces,
            Replay: events.replay,
            FindEvents: events.find,
            LocateTime: events.locate,
            LookupTxn: events.lookup,
            Check: self._check,
            Status: self._status,
            Version: _version,
            Health: _health,
            Commit: self._refuse,
            Erase: self._refuse,
        }

    def execute(self, request: Request[R]) -> R:
        """Answers a request.

        Raises:
            NotExportedError: The file does not hold what is asked for.
            RefusingWritesError: It is a write.
            StatehouseError: See the request's class; EngineError when it was closed.
        """
        if self._closed:
            raise EngineError(f"{self.path} is closed")
        answer: Callable[[Any], R] | None = self._answers.get(type(request))
        if answer is None:
            raise InvalidArgumentError(f"not a request this engine knows: {request!r:.80}")
        return answer(request)

    def submit(self, request: Request[R]) -> Future[R]:
        """Answers a request at once: nothing is waited for, since nothing will come."""
        future: Future[R] = Future()
        try:
            future.set_result(self.execute(request))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to whoever waits for the future
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Ends it. Idempotent."""
        self._closed = True

    def _refuse(self, request: Request[Any]) -> NoReturn:
        raise RefusingWritesError(
            f"{self.path} is an exported run, which is read-only: write to the store that it came from"
        )

    def _status(self, request: Status) -> StoreStatus:
        header, contents = self.contents.header, self.contents
        return StoreStatus(
            state="read_only",
            reason=f"an export of the run {header.run_id}",
            store_id=header.store_id,
            epoch=header.epoch,
            epochs=header.epochs,
            format=FORMAT,
            commit_ts=header.to_ts,
            committed_at_us=header.to_us,
            horizon=header.from_ts,
            dedup_horizon=0,
            head_digest="",
            durability="none",
            storage="export",
            size_bytes=contents.size_bytes,
            queued_commits=0,
            followers=0,
            details={"run_id": header.run_id, "namespace": header.namespace, "sha256": contents.sha256},
        )

    def _check(self, request: Check) -> CheckPage:
        # Its digest was right when it was opened, and nothing has changed since.
        return CheckPage((), len(self.contents.events), 1.0, None)


def _version(request: Version) -> EngineVersion:
    return EngineVersion(__version__, git_sha())


def _health(request: Health) -> str:
    return "ok"


def open(path: str | os.PathLike[str]) -> Statehouse:  # noqa: A001 - `statehouse.debug.open` says it best
    """Opens an exported run as a store that can be read: without a daemon, and without its store.

    The handle's namespace is that of the run. Looking into runs, verifying and debugging work on it as on the
    store that the run came from; forks and all other writes are refused.

    Example:
        >>> import statehouse, statehouse.debug, tempfile
        >>> @statehouse.step
        ... def count() -> int:
        ...     state = statehouse.current_step().state
        ...     state["n"] = state.get("n", 0) + 1
        ...     return state["n"]
        >>> with tempfile.TemporaryDirectory() as there:
        ...     with statehouse.Statehouse("memory:") as sh:
        ...         with sh.run(agent_id="counter", run_id="r-1"):
        ...             _ = count()
        ...         _ = statehouse.debug.export(sh, "r-1", f"{there}/r-1.shrun")
        ...     with statehouse.debug.open(f"{there}/r-1.shrun") as sh:
        ...         sh.get_state("n", agent_id="counter").value
        1

    Args:
        path: The file.

    Raises:
        NotFoundError: There is no such file.
        CorruptionError: It is not an exported run, or it is cut or altered.
        FormatVersionError: It was written by a newer Statehouse.
        OSError: It cannot be read.
    """
    from statehouse.client._sync.handle import Statehouse  # noqa: PLC0415 - it is given, not needed

    name = os.fspath(path)
    engine = ExportedEngine(load_export(Path(name)), name)
    connection = Connection(engine, url=name, release=engine.close)
    return Statehouse.from_connection(connection, namespace=engine.contents.header.namespace)


def export_header(sh: Statehouse | StatehouseAsync) -> ExportHeader | None:
    """Gives what an opened export is of; None for the handle of a store."""
    engine: Any = sh.connection.engine
    while engine is not None and not isinstance(engine, ExportedEngine):
        # What it is wrapped in, such as the engine that makes spans.
        engine = getattr(engine, "engine", None)
    return None if engine is None else engine.contents.header
