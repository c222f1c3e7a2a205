"""What reads give: records, versions of a key, and the report of a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from statehouse.errors import ErasedError, NotFoundError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.quick import quick
from statehouse.protocol.replies import Entry, OperationKind, Problem
from statehouse.protocol.values import Payload, decode


class _Missing:
    """The default of ``default=``: raise instead."""

    def __repr__(self) -> str:
        return "<raise NotFoundError>"


MISSING: Final[Any] = _Missing()


@quick
@dataclass(frozen=True, slots=True)
class Record:
    """What a key holds, and which write made it so.

    Attributes:
        namespace: With `agent_id` and `key`, the record's name.
        agent_id: See `namespace`.
        key: See `namespace`.
        value: The value; the ``default`` of the read where there is none.
        version: The number of the write that made it so: 1, 2, 3 … 0 where there is no value, and for what
            the same transaction wrote and has not committed yet.
        commit_ts: The commit of that write; 0 as above.
        payload: The value as it is stored, with its content type; None where there is no value.
    """

    namespace: str
    agent_id: str
    key: str
    value: Any = field(hash=False)
    version: int
    commit_ts: int
    payload: Payload | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RecordVersion:
    """One write or delete in the history of a key.

    Attributes:
        namespace: With `agent_id` and `key`, the record's name.
        agent_id: See `namespace`.
        key: See `namespace`.
        kind: ``write``, ``delete``, or ``erased`` for a write whose value is gone for good.
        version: Its number: 1, 2, 3 …
        commit_ts: Its commit.
        payload: The value as it is stored; None unless `kind` is ``write``.
    """

    namespace: str
    agent_id: str
    key: str
    kind: OperationKind
    version: int
    commit_ts: int
    payload: Payload | None = field(default=None, repr=False)

    @property
    def value(self) -> Any:
        """The value, decoded at each access; None for a delete.

        Raises:
            ErasedError: The value was erased.
        """
        if self.kind == "erased":
            raise _erased(RecordKey(self.namespace, self.agent_id, self.key), self.version)
        return None if self.payload is None else decode(self.payload)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check of the whole store found.

    Attributes:
        problems: What is wrong; empty in a healthy store.
        checked: How many events and records were looked at.
        head_digest: SHA-256 of the newest event that was proved, hexadecimal.
    """

    problems: tuple[Problem, ...]
    checked: int
    head_digest: str

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


def record_of(entry: Entry, default: Any = MISSING) -> Record:
    """Gives the record of an entry.

    Raises:
        NotFoundError: There is no value, and no default.
        ErasedError: The value was erased.
    """
    name, payload, version, commit_ts, kind = (
        entry.key,
        entry.payload,
        entry.version,
        entry.commit_ts,
        entry.kind,
    )
    if payload is not None:
        return Record(*name, decode(payload), version, commit_ts, payload)
    if kind == "erased":
        raise _erased(name, version)
    if default is MISSING:
        raise not_found(name, f"deleted at commit_ts {commit_ts}" if kind == "delete" else "never written")
    return Record(*name, default, 0, 0)


def version_of(entry: Entry) -> RecordVersion:
    """Gives the version of an entry of a history."""
    assert entry.kind is not None, "a history holds what was written"
    return RecordVersion(*entry.key, entry.kind, entry.version, entry.commit_ts, entry.payload)


def not_found(name: RecordKey, why: str) -> NotFoundError:
    """The error of a read that found nothing."""
    return NotFoundError(
        f"{name} has no value ({why}); pass default= to get that instead",
        namespace=name.namespace,
        agent_id=name.agent_id,
        key=name.key,
    )


def _erased(name: RecordKey, version: int) -> ErasedError:
    return ErasedError(f"version {version} of {name} was erased", key=name, version=version)
