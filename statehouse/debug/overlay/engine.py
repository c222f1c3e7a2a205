"""An engine over another one: the state as of one commit_ts, and over it what is written meanwhile.

Programs that are verified, debugged or forked work on it as on any store: transactions, conflicts, versions
and commit_ts are as they would be. Nothing that they do reaches the state below.

* O1. What is below is as of one commit_ts, for ever. What is written goes to the layer, and to nothing else.
* O2. A key that the layer has is as the layer has it; its versions go on from those below.
* O3. A delete is kept as a value of a content type of its own, so that a scan of the layer shows it.
* O4. Every commit_ts above `at` is one of the layer, every other one of the store below.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from statehouse.debug.overlay.commits import Inward
from statehouse.debug.overlay.events import OverlayEvents
from statehouse.debug.overlay.layers import Layer
from statehouse.debug.overlay.pages import OverlayPages, over
from statehouse.errors import InvalidArgumentError, RefusingWritesError
from statehouse.extend import (
    DEFAULT_LIMITS,
    Commit,
    Committed,
    Engine,
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
    Page,
    Read,
    RecordKey,
    Replay,
    Request,
    Scan,
    Status,
    StoreStatus,
    TxnOutcome,
    Version,
)
from statehouse.steps import keys

R = TypeVar("R")


class OverlayEngine:
    """A store as of a commit_ts, with a layer over it; see `statehouse.protocol.engine.Engine`.

    Args:
        below: The store; it is somebody else's, and stays open.
        at: The commit_ts that is seen of it.
        layer: Where writes go; closed with the overlay.
    """

    def __init__(self, below: Engine, at: int, layer: Layer) -> None:
        self.below = below
        self.at = at
        self.layer = layer
        self.pages = OverlayPages(self)
        self.events = OverlayEvents(self)
        self._inward = Inward(self)
        self._lock = threading.Lock()
        self._adopting: list[Callable[[], Sequence[Commit]]] = []
        self._answers: dict[type[Any], Callable[[Any], Any]] = {
            Get: self._get,
            GetAtVersion: self._get_at_version,
            GetMany: self._get_many,
            Scan: self.pages.scan,
            History: self.pages.history,
            Replay: self.events.replay,
            FindEvents: self.events.find,
            LookupTxn: self._lookup,
            LocateTime: self.below.execute,
            ListAgents: self._refuse,
            ListNamespaces: self._refuse,
            Commit: self._commit,
            Erase: self._refuse,
            Health: self.below.execute,
            Version: self.below.execute,
            Status: self._status,
        }

    def execute(self, request: Request[R]) -> R:
        """Answers a request; see its class for the errors."""
        if self._adopting and not isinstance(request, Status):
            self._adopt_all()
        return self.look(request)

    def look(self, request: Request[R]) -> R:
        """As `execute`, without what is to be adopted: for those who make commits, and hold a lock for it."""
        answer: Callable[[Any], R] = self._answers.get(type(request), self._refuse)
        return answer(request)

    def submit(self, request: Request[R]) -> Future[R]:
        """Answers a request at once: whoever debugs has time."""
        future: Future[R] = Future()
        if isinstance(request, Replay) and request.wait_s:
            # Only waiting for what may never come must not hold up an event loop.
            threading.Thread(target=self._answer, args=(future, request), daemon=True).start()
        else:
            self._answer(future, request)
        return future

    def _answer(self, future: Future[R], request: Request[R]) -> None:
        try:
            future.set_result(self.execute(request))
        except BaseException as error:  # noqa: BLE001 - it is raised to whoever waits for the future
            future.set_exception(error)

    def close(self) -> None:
        """Lets the layer go; the store below stays open."""
        self.layer.close()

    def adopt(self, commits: Callable[[], Sequence[Commit]]) -> None:
        """Has commits made as soon as anybody looks: most programs ask nothing but their steps."""
        self._adopting.append(commits)

    def _adopt_all(self) -> None:
        # Whoever asks meanwhile waits: what is adopted stays in the list until it is there.
        with self._lock:
            while self._adopting:
                for commit in self._adopting[0]():
                    self._commit(commit)
                del self._adopting[0]

    # What is where.

    def seen_at(self, namespace: str) -> int | None:
        """The commit_ts that is seen of a namespace below; None for the newest."""
        return None if keys.is_of_runs(namespace) else self.at

    def is_below(self, namespace: str, at: int | None) -> bool:
        """Whether the store below alone says how a namespace was at a commit_ts (O4)."""
        return not self.layer.has(namespace) or (at is not None and at <= self.at)

    def outward_ts(self, commit_ts: int) -> int:
        """What a commit_ts of the layer is called outside."""
        return max(self.at, commit_ts + self.layer.shift)

    def inward_ts(self, commit_ts: int | None) -> int | None:
        """What a commit_ts is called in the layer."""
        return None if commit_ts is None else max(0, commit_ts - self.layer.shift)

    def _refuse(self, request: Request[Any]) -> NoReturn:
        what = type(request).__name__
        if isinstance(request, Erase):
            raise RefusingWritesError("nothing is erased while a run is verified, debugged or forked")
        raise InvalidArgumentError(
            f"{what} is not answered while a run is verified, debugged or forked: ask the store itself"
        )

    # Reads.

    def _get(self, request: Get) -> Read:
        key, at = request.key, request.at
        if self.is_below(key.namespace, at):
            return self.below.execute(request)
        upper = self.layer.engine.execute(Get(self.layer.inward(key), self.inward_ts(at)))
        read_ts = self.outward_ts(upper.read_ts) if at is None else at
        if upper.entry.kind is None:
            lower = self.below.execute(Get(key, self.seen_at(key.namespace)))
            return Read(lower.entry, read_ts)
        return Read(over(key, upper.entry, self.version_below(key), self.layer.shift), read_ts)

    def version_below(self, key: RecordKey) -> int:
        """The version that a key has below; 0 for none."""
        page = self.below.execute(History(key, self.seen_at(key.namespace), reverse=True, limit=1))
        return page.entries[0].version if page.entries else 0

    def _get_at_version(self, request: GetAtVersion) -> Read:
        key = request.key
        lower = self.version_below(key) if self.layer.has(key.namespace) else request.version
        if request.version <= lower:
            return self.below.execute(request)
        upper = self.layer.engine.execute(GetAtVersion(self.layer.inward(key), request.version - lower))
        return Read(over(key, upper.entry, lower, self.layer.shift), self.outward_ts(upper.read_ts))

    def _get_many(self, request: GetMany) -> Page:
        entries, size, at = [], 0, request.at
        for key in request.keys:
            read = self._get(Get(key, at))
            at = read.read_ts if at is None else at
            entries.append(read.entry)
            size += 0 if read.entry.payload is None else len(read.entry.payload.data)
            if size >= DEFAULT_LIMITS.page_bytes_max:
                break
        return Page(tuple(entries), None, self.execute(Status()).commit_ts if at is None else at)

    def _lookup(self, request: LookupTxn) -> TxnOutcome:
        found = self.layer.engine.execute(request)
        if self.layer.is_shared:
            return found
        if found.outcome != "committed":
            return self.below.execute(request)
        return TxnOutcome(found.txn_id, found.outcome, self.outward_ts(found.commit_ts))

    def _status(self, request: Status) -> StoreStatus:
        upper = self.layer.engine.execute(request)
        below = upper if self.layer.is_shared else self.below.execute(request)
        return replace(below, commit_ts=self.outward_ts(upper.commit_ts), state="ok", reason="")

    # Writes.

    def _commit(self, request: Commit) -> Committed:
        reply = self._inward.commit(request)
        return Committed(self.outward_ts(reply.commit_ts), reply.committed_at_us, reply.repeated)
