"""What clients of an engine saw, as rows that can be written down by one process and checked by another.

Times are ``time.monotonic_ns()``, which on one machine is one clock for all processes. A row is written
as one line of JSON. A client that may be killed writes a commit's row twice: before it sends it
(``unknown``), and again when it knows more.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from statehouse.errors import InvalidArgumentError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Entry, Event, Operation
from statehouse.protocol.requests import Copy, Delete, Extend, KeyRange, Write, WriteOperation
from statehouse.protocol.values import Payload


@dataclass(frozen=True, slots=True)
class CommitRow:
    """A commit, as its client saw it.

    Attributes:
        client: Who asked.
        txn_id: The id of the transaction.
        invoked_ns: When it was sent.
        returned_ns: When the answer came; None when none did.
        operations: What it was to do.
        outcome: ``acknowledged``; ``failed``, definitely not applied; or ``unknown``.
        commit_ts: What was acknowledged; else 0.
        read_ts: The commit_ts that its reads were as of.
        reads: The keys it had read.
        ranges: The ranges it had read.
    """

    client: str
    txn_id: str
    invoked_ns: int
    returned_ns: int | None
    operations: tuple[WriteOperation, ...]
    outcome: Literal["acknowledged", "failed", "unknown"]
    commit_ts: int = 0
    read_ts: int | None = None
    reads: tuple[RecordKey, ...] = ()
    ranges: tuple[KeyRange, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A read of keys, or of a range, as its client saw it.

    Attributes:
        client: Who asked.
        invoked_ns: When it was sent.
        returned_ns: When the answer came.
        read_ts: The commit_ts that it was answered at.
        entries: What it found: one entry a key, or every existing key of the range.
        span: The range that was read, up to the last key of the page; None when single keys were.
        as_of: Whether the commit_ts was asked for; a cursor does that too.
    """

    client: str
    invoked_ns: int
    returned_ns: int
    read_ts: int
    entries: tuple[Entry, ...]
    span: KeyRange | None = None
    as_of: bool = False


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """A page of a replay, as its client saw it.

    Attributes:
        client: Who asked; the pages of one stream are in order within the history.
        stream: Which replay it is a page of.
        invoked_ns: When it was sent.
        returned_ns: When the answer came.
        namespace: Whose events; None for all.
        agent_id: Whose events; None for all.
        from_ts: The first commit_ts asked for.
        through_commit_ts: The last commit_ts that was looked at.
        events: The page.
    """

    client: str
    stream: str
    invoked_ns: int
    returned_ns: int
    namespace: str | None
    agent_id: str | None
    from_ts: int
    through_commit_ts: int
    events: tuple[Event, ...]


Row = CommitRow | ReadRow | ReplayRow

_CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        CommitRow,
        ReadRow,
        ReplayRow,
        Write,
        Delete,
        Extend,
        Copy,
        KeyRange,
        Entry,
        Event,
        Operation,
        Origin,
        Payload,
    )
}


def dump_row(row: Row | Event) -> str:
    """One line of JSON, without its end; an `Event` is a row of a log."""
    return json.dumps(_plain(row), separators=(",", ":"))


def load_row(line: str) -> Row | Event:
    """The row of a line.

    Raises:
        InvalidArgumentError: Not a line that `dump_row` made; a killed process leaves half a line at the end.
    """
    try:
        row = _rich(json.loads(line))
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidArgumentError(f"not a row of a history: {line!r:.80} ({error})") from None
    if not isinstance(row, CommitRow | ReadRow | ReplayRow | Event):
        raise InvalidArgumentError(f"not a row of a history: {line!r:.80}")
    return row


def load_rows(lines: Iterable[str]) -> Iterator[Row | Event]:
    """The rows of lines that end in newlines; a last line without its end is half a row, and left out.

    Raises:
        InvalidArgumentError: A whole line is not a row.
    """
    for line in lines:
        if line.endswith("\n"):
            yield load_row(line)


def _plain(value: Any) -> Any:
    if isinstance(value, RecordKey):
        return {"k": list(value)}
    if isinstance(value, bytes):
        return {"b": b64encode(value).decode()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return {"": type(value).__name__} | {
            each.name: _plain(getattr(value, each.name)) for each in fields(value)
        }
    if isinstance(value, dict):
        return {"m": value}
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_rich(each) for each in value)
    if isinstance(value, dict):
        if "" in value:
            cls = _CLASSES[value.pop("")]
            return cls(**{name: _rich(each) for name, each in value.items()})
        ((kind, inner),) = value.items()
        match kind:
            case "k":
                return RecordKey(*inner)
            case "b":
                return b64decode(inner)
            case "m":
                return dict(inner)
        raise ValueError(f"an object of kind {kind!r}")
    return value
