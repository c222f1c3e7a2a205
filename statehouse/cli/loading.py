"""Loading a dump: the same commits, with the same commit_ts, ids, origins and times, in another store.

* L1. What is there is compared with the dump before anything is written; a difference refuses the load. So a
  load that was killed goes on at the store's newest commit, and a store with other history stays as it is.
* L2. A commit is sent while the one before it may still be queued, and carries a precondition that only the
  one before can have made true. So if one is refused (a full disk), none after it is applied, and L1 holds
  for the next attempt.
* L3. A dump in a file is proved by its digest before anything is written; of a pipe the digest is checked at
  the end.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from statehouse.cli.dumping import FORMAT, json_bytes
from statehouse.errors import AlreadyExistsError, CorruptionError, InvalidArgumentError
from statehouse.extend import (
    DEFAULT_LIMITS,
    JSON,
    Commit,
    Committed,
    Delete,
    Extend,
    Origin,
    Payload,
    Precondition,
    RecordKey,
    Write,
    WriteOperation,
    grow,
)
from statehouse.programs.exits import Exit, Refusal
from statehouse.protocol.replies import Event, Operation

if TYPE_CHECKING:
    from statehouse import Statehouse

__all__ = ["DumpSource", "Loaded", "load_from"]

Progress = Callable[[float, float], None]

_TRAILER: Final = b'{"trailer":'
_WINDOW_COMMITS: Final = 256
_WINDOW_BYTES: Final = 4 << 20
_SHOW_EVERY: Final = 100
_REMEMBERED_BYTES: Final = 64 << 20


@contextmanager
def load_from(name: str) -> Iterator[DumpSource]:
    """Opens a dump, from a file or from stdin (``-``).

    Raises:
        Refusal: The file cannot be read.
        InvalidArgumentError: It is no dump, or one of a later format.
    """
    if name == "-":
        yield DumpSource(sys.stdin.buffer, "stdin", seekable=False)
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below; only the opening is what may be refused
    except OSError as error:
        raise Refusal(f"cannot read {name!r}: {error.strerror}", Exit.USAGE) from None
    with file:
        yield DumpSource(file, name, seekable=Path(name).is_file())


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did.

    Attributes:
        events: How many events the dump has.
        present: How many of them the store had already.
    """

    events: int
    present: int


class DumpSource:
    """A dump that is being read.

    Attributes:
        name: What messages call it.
        seekable: Whether it can be read twice.
        from_ts: The first commit_ts in it.
        to_ts: The last one.
        after_txn_id: The transaction of the commit before the first; empty at the beginning of history.

    Raises:
        InvalidArgumentError: It is no dump, or one of a later format.
    """

    def __init__(self, file: IO[bytes], name: str, *, seekable: bool) -> None:
        self.name = name
        self.seekable = seekable
        self._file = file
        self._digest = sha256()
        header = self._header()
        self.from_ts: int = header["from_ts"]
        self.to_ts: int = header["to_ts"]
        self.after_txn_id: str = header["after_txn_id"]
        self.events_count = max(0, self.to_ts - self.from_ts + 1)
        self._body = file.tell() if seekable else 0

    def _header(self) -> dict[str, Any]:
        line = self._file.readline(1 << 16)
        self._digest.update(line)
        try:
            header = json.loads(line)
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict) or not isinstance(header.get("statehouse_dump"), int):
            raise InvalidArgumentError(f"{self.name} is not a dump: make one with `statehousectl store dump`")
        if header["statehouse_dump"] != FORMAT:
            raise InvalidArgumentError(
                f"{self.name} is a dump of format {header['statehouse_dump']}; this reads format {FORMAT}: "
                "use a newer statehousectl"
            )
        kinds = (("from_ts", int), ("to_ts", int), ("after_txn_id", str))
        if any(type(header.get(field)) is not kind for field, kind in kinds):
            raise CorruptionError(f"{self.name}: its header is damaged; make the dump again")
        return header

    def verify(self, progress: Progress) -> None:
        """Reads it to its end and proves that it is whole; then it can be loaded (L3).

        Raises:
            CorruptionError: It is cut or altered.
            InvalidArgumentError: It cannot be loaded.
        """
        header = self._digest.copy()
        count = 0
        for count, _ in enumerate(self._lines(), 1):
            if count % _SHOW_EVERY == 0:
                progress(count, self.events_count)
        self._digest = header
        self._file.seek(self._body)

    def _lines(self) -> Iterator[bytes]:
        """The lines of the events; checks the trailer when it comes."""
        count = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            if line.startswith(_TRAILER):
                self._check_trailer(line, count)
                if self._file.read(1):
                    raise CorruptionError(
                        f"{self.name}: there is more after its trailer; load one dump at a time"
                    )
                return
            self._digest.update(line)
            count += 1
            yield line
        raise CorruptionError(
            f"{self.name} is cut: it ends after {count:,} of {self.events_count:,} events, without a "
            "trailer; get the whole file, or make the dump again"
        )

    def _check_trailer(self, line: bytes, count: int) -> None:
        try:
            trailer = json.loads(line)["trailer"]
            events, erased, proof = trailer["events"], trailer["erased"], trailer["sha256"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CorruptionError(f"{self.name} is cut in its trailer; get the whole file") from None
        if events != count or count != self.events_count or proof != self._digest.hexdigest():
            raise CorruptionError(
                f"{self.name} was altered: its {count:,} events are not the {events!r} that its trailer was "
                "written for; get an unaltered copy, or make the dump again"
            )
        if erased:
            raise self._erased(erased)

    def _erased(self, count: int) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{self.name} has {count:,} operations whose values were erased; what is gone cannot be "
            "written again, so copy the directory of the closed store instead"
        )

    def _events(self) -> Iterator[tuple[Event, int]]:
        """Every event, with the size of its line."""
        commit_ts = self.from_ts
        for line in self._lines():
            try:
                event = _event(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
                event = None
            if event is None or event.commit_ts != commit_ts or not event.operations:
                raise CorruptionError(
                    f"{self.name}: line {commit_ts - self.from_ts + 2} is not event {commit_ts}"
                )
            if any(operation.kind == "erased" for operation in event.operations):
                raise self._erased(1)
            yield event, len(line)
            commit_ts += 1

    def load(self, sh: Statehouse, progress: Progress) -> Loaded:
        """Loads it into a store that has none of its events, or the first ones (L1).

        Raises:
            AlreadyExistsError: The store has other history.
            CorruptionError: The dump is cut or altered; what was loaded before that is a part of it.
            StatehouseError: A commit failed; loading again goes on there.
        """
        head = sh.status().commit_ts
        self._check_fit(sh, head)
        stored = iter(
            sh.replay(whole_store=True, from_ts=self.from_ts, to_ts=head) if head >= self.from_ts else ()
        )
        sender = _Sender(sh, head)
        count = present = 0
        for event, size in self._events():
            if event.commit_ts <= head:
                self._check_same(event, next(stored))
                present += 1
            else:
                sender.send(event, size)
            count += 1
            if count % _SHOW_EVERY == 0:
                progress(count, self.events_count)
        sender.wait()
        return Loaded(count, present)

    def _check_fit(self, sh: Statehouse, head: int) -> None:
        """Checks by the header alone what can be."""
        if head > self.to_ts:
            raise AlreadyExistsError(
                f"the store goes on to commit_ts {head}, beyond {self.name}, which ends at {self.to_ts}: "
                "it has history of its own; load into a new directory"
            )
        if self.from_ts > head + 1:
            raise InvalidArgumentError(
                f"{self.name} begins at commit_ts {self.from_ts}, but the store ends at {head}: load what is "
                "between them first"
            )
        if self.from_ts > 1:
            before = next(iter(sh.replay(whole_store=True, from_ts=self.from_ts - 1, to_ts=self.from_ts - 1)))
            if before.txn_id != self.after_txn_id:
                raise AlreadyExistsError(
                    f"{self.name} goes on after transaction {self.after_txn_id}, but the store has "
                    f"transaction {before.txn_id} there: it has other history; load into a new directory"
                )

    def _check_same(self, event: Event, stored: Event) -> None:
        if event == stored:
            return
        what = f"is transaction {stored.txn_id} in the store and {event.txn_id} in {self.name}"
        if event.txn_id == stored.txn_id:
            what = f"is not the same in the store and in {self.name}"
        raise AlreadyExistsError(
            f"the store has other history: commit_ts {event.commit_ts} {what}; nothing was written. "
            "Load into a new directory"
        )


class _Sender:
    """Sends commits in order, with a window of them on their way (L2)."""

    def __init__(self, sh: Statehouse, head: int) -> None:
        self._engine = sh.connection.engine
        self._sent: list[tuple[int, Future[Committed]]] = []
        self._size = 0
        self._seen = head
        self._before: Precondition | None = None
        self._values = _Values(_REMEMBERED_BYTES)

    def send(self, event: Event, size: int) -> None:
        """Sends the next event; `size` is about how many bytes it is."""
        if self._sent and (len(self._sent) >= _WINDOW_COMMITS or self._size + size > _WINDOW_BYTES):
            self.wait()
        commit = Commit(
            event.txn_id,
            tuple([self._values.operation(operation) for operation in event.operations]),
            preconditions=() if self._before is None else (self._before,),
            origin=event.origin,
            made_at_ts=self._seen,
            committed_at_us=event.committed_at_us,
            # In the queue it waits for commits of ours only; dropping one would stop the load.
            timeout_s=DEFAULT_LIMITS.timeout_s_max,
        )
        self._sent.append((event.commit_ts, self._engine.submit(commit)))
        self._size += size
        self._before = _mark_of(event)
        if self._before is None:
            self.wait()

    def wait(self) -> None:
        """Waits for what was sent.

        Raises:
            AlreadyExistsError: Somebody else wrote to the store.
            StatehouseError: A commit failed.
        """
        for commit_ts, future in self._sent:
            committed = future.result()
            if committed.commit_ts != commit_ts:
                raise AlreadyExistsError(
                    f"commit_ts {commit_ts} of the dump became {committed.commit_ts}: somebody else writes "
                    "to the store, which has other history now; load into a new directory"
                )
            self._seen = commit_ts
        self._sent, self._size = [], 0


def _mark_of(event: Event) -> Precondition | None:
    """What holds once an event was applied, and did not before; None for an event of deletes only."""
    for operation in event.operations:
        if operation.kind == "write":
            name = RecordKey(operation.namespace, operation.agent_id, operation.key)
            return Precondition(name, commit_ts=event.commit_ts)
    return None


class _Values:
    """The newest values, so that what grew is stored as what is new in it, as it was where it came from."""

    def __init__(self, size_bytes_max: int) -> None:
        self._left = size_bytes_max
        self._values: OrderedDict[RecordKey, tuple[int, Payload]] = OrderedDict()

    def operation(self, operation: Operation) -> WriteOperation:
        """Gives the operation that writes the same."""
        name = RecordKey(operation.namespace, operation.agent_id, operation.key)
        base = self._values.pop(name, None)
        if base is not None:
            self._left += len(base[1].data)
        payload = operation.payload
        if payload is None:
            return Delete(name)
        self._remember(name, operation.version, payload)
        if base is not None and base[1].content_type == payload.content_type:
            parts = grow(base[1].data, payload.data)
            if parts is not None:
                return Extend(name, name, base[0], parts, payload.content_type)
        return Write(name, payload)

    def _remember(self, name: RecordKey, version: int, payload: Payload) -> None:
        self._values[name] = (version, payload)
        self._left -= len(payload.data)
        while self._left < 0:
            _, (_, oldest) = self._values.popitem(last=False)
            self._left += len(oldest.data)


def _event(line: Any) -> Event:
    return Event(
        line["txn_id"],
        line["commit_ts"],
        line["committed_at_us"],
        Origin(**line["origin"]),
        tuple([_operation(each) for each in line["operations"]]),
    )


def _operation(line: Any) -> Operation:
    payload = None
    if line["kind"] == "write":
        if "json" in line:
            payload = Payload(JSON, json_bytes(line["json"]))
        else:
            payload = Payload(line["content_type"], base64.b64decode(line["base64"], validate=True))
    elif line["kind"] not in ("delete", "erased"):
        raise ValueError(line["kind"])
    return Operation(line["namespace"], line["agent_id"], line["key"], line["kind"], line["version"], payload)
