"""The dump: the events of a store as JSON lines, for `statehouse.cli.loading` and for other programs.

::

    {"statehouse_dump":1,"store_id":"…","epoch":1,"from_ts":1,"to_ts":2,"after_txn_id":""}
    {"commit_ts":1,"txn_id":"…","committed_at_us":…,"origin":{…},"operations":[…]}
    {"commit_ts":2,…}
    {"trailer":{"events":2,"erased":0,"sha256":"…"}}

What an operation looks like is `statehouse.protocol.lines`'s, and so a load restores every byte.
``after_txn_id`` is the transaction of the commit before ``from_ts``, by which a later part is known to fit.
``sha256`` is over all lines before the trailer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from statehouse.debug.exports.file import writing_to
from statehouse.errors import AlreadyExistsError
from statehouse.programs.exits import Exit, Refusal
from statehouse.protocol.lines import event_to_json, json_bytes

if TYPE_CHECKING:
    from statehouse import Statehouse

__all__ = ["FORMAT", "Range", "dump_to"]

FORMAT: Final = 1
"""The number of the dump's format; a later one is refused by `statehouse.cli.loading`."""

_SHOW_EVERY: Final = 100


class Range(NamedTuple):
    """The commits of a dump, both ends inclusive; an empty one ends before it begins."""

    from_ts: int
    to_ts: int

    @property
    def events(self) -> int:
        """How many commits there are in it."""
        return max(0, self.to_ts - self.from_ts + 1)


def dump_to(
    sh: Statehouse,
    target: str,
    range_: Range,
    progress: Callable[[float, float], None],
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Writes a dump to a file, or to stdout (``-``), and gives a summary of it.

    A file gets its name when it is whole and on disk; with force it replaces what had the name before.

    Raises:
        Refusal: The file is there already and is not to be replaced, or cannot be made or written.
        OSError: stdout cannot be written.
        StatehouseError: The store cannot be read.
    """
    with _opened(target, force=force) as file:
        return _write(sh, file, range_, progress)


@contextmanager
def _opened(target: str, *, force: bool) -> Iterator[IO[bytes]]:
    if target == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    begun = False
    try:
        # A pipe or a device is written to; a directory refuses.
        is_stream = path.exists() and not path.is_file()
        with path.open("wb") if is_stream else writing_to(path, replace=force) as file:
            begun = True
            yield file
    except AlreadyExistsError:
        raise Refusal(f"{target!r} is there already; --force replaces it", Exit.CONFLICT) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        code = Exit.UNAVAILABLE if begun else Exit.USAGE
        raise Refusal(f"cannot write {target!r}: {error.strerror or error}", code) from None


def _write(
    sh: Statehouse, file: IO[bytes], range_: Range, progress: Callable[[float, float], None]
) -> dict[str, Any]:
    digest = sha256()

    def line(content: dict[str, Any]) -> None:
        data = json_bytes(content) + b"\n"
        digest.update(data)
        file.write(data)

    status = sh.status()
    line(
        {
            "statehouse_dump": FORMAT,
            "store_id": status.store_id,
            "epoch": status.epoch,
            "from_ts": range_.from_ts,
            "to_ts": range_.to_ts,
            "after_txn_id": _txn_id_of(sh, range_.from_ts - 1),
        }
    )
    count = erased = 0
    if range_.events:
        for event in sh.replay(whole_store=True, from_ts=range_.from_ts, to_ts=range_.to_ts):
            line(event_to_json(event))
            count += 1
            erased += sum(operation.kind == "erased" for operation in event.operations)
            if count % _SHOW_EVERY == 0:
                progress(count, range_.events)
    proof = digest.hexdigest()
    line({"trailer": {"events": count, "erased": erased, "sha256": proof}})
    return {
        "events": count,
        "from_ts": range_.from_ts,
        "to_ts": range_.to_ts,
        "erased": erased,
        "sha256": proof,
    }


def _txn_id_of(sh: Statehouse, commit_ts: int) -> str:
    if commit_ts < 1:
        return ""
    events = sh.replay(whole_store=True, from_ts=commit_ts, to_ts=commit_ts, payloads=False)
    return next((event.txn_id for event in events), "")
