"""Loading a dump: the same commits, with the same commit_ts, ids, origins and times, in another store.

* L1. What is there is compared with the dump before anything is written; a difference refuses the load. So a
  load that was killed goes on at the store's newest commit, and a store with other history stays as it is.
* L2. A dump in a file is proved by its digest before anything is written; of a pipe the digest is checked at
  the end.

How commits are sent in order is `statehouse.cli.sending`'s.
"""

from __future__ import annotations

import binascii
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from statehouse.cli.dumping import FORMAT
from statehouse.cli.sending import Sender
from statehouse.errors import AlreadyExistsError, CorruptionError, InvalidArgumentError
from statehouse.programs.exits import Exit, Refusal
from statehouse.protocol.lines import event_from_json
from statehouse.protocol.replies import Event

if TYPE_CHECKING:
    from statehouse import Statehouse

__all__ = ["DumpSource", "Loaded", "load_from"]

Progress = Callable[[float, float], None]

_TRAILER: Final = b'{"trailer":'
_SHOW_EVERY: Final = 100


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
        """Reads it to its end and proves that it is whole; then it can be loaded (L2).

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
                event = event_from_json(json.loads(line))
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
        sender = Sender(sh, head)
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
