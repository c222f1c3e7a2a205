"""Writing items: all puts and deletes of a batch in one commit, with everything that belongs to them.

* P1. The commit has read every row that says what belongs to an item (its record and its expiry), so it is
  refused when another writer changed one since, and made again from what is there then. An item, its vectors,
  its expiry and its row in the index by time therefore always fit together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from statehouse import ConflictError, OverloadedError
from statehouse.extend import JSON, Delete, Entry, Flow, Payload, RecordKey, Write, WriteOperation, commit
from statehouse_langgraph.errors import ItemChangedError
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.keys import Namespace
from statehouse_langgraph.store.lifetimes import lived_until
from statehouse_langgraph.store.reading import Backing, Reading, found_of
from statehouse_langgraph.store.records import ExpiryRecord, ItemRecord, VectorRecord, time_of

ATTEMPTS_MAX: Final = 50
"""Each attempt fails only because another writer's succeeded in between."""

_NOTHING: Final = Payload(JSON, b"null")


@dataclass(frozen=True, slots=True)
class Put:
    """A put or a delete.

    Attributes:
        name: The item's name in keys.
        namespace: Its namespace.
        key: Its key.
        encoded: What `encode_value` made of the value; None to delete the item.
        texts: What to embed: paths and texts.
        minutes: How long it lives; None for ever.
        expected_version: The version it must have; 0 for no item; None for any.
    """

    name: str
    namespace: Namespace
    key: str
    encoded: bytes | None
    texts: tuple[tuple[str, str], ...] = ()
    minutes: float | None = None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class _Present:
    """What is there of an item: its row, what that holds, and its expiry."""

    entry: Entry
    record: ItemRecord | None
    expiry: ExpiryRecord | None


def put(backing: Backing, puts: Sequence[tuple[Put, VectorRecord | None]]) -> Flow[int]:
    """Commits puts and deletes, all or none, and gives the commit_ts; 0 when there was nothing to do.

    Raises (in the flow):
        ItemChangedError: An item has another version than was expected.
        LimitExceededError: They are too many, or too large, for one commit.
        StatehouseError: As a commit does.
    """
    rows = [
        backing.named(agent_id, each.name) for each, _ in puts for agent_id in (keys.ITEMS, keys.EXPIRIES)
    ]
    for _ in range(ATTEMPTS_MAX):
        reading = Reading(backing, backing.now_us())
        operations: list[WriteOperation] = []
        present = yield from _present(reading, [each.name for each, _ in puts])
        for (each, vectors), there in zip(puts, present, strict=True):
            operations += _operations(reading, each, vectors, there)
        if not operations:
            return 0
        try:
            committed = yield from commit(backing.connection, operations, read_ts=reading.read_ts, reads=rows)
        except ConflictError:
            continue
        return committed.commit_ts
    raise OverloadedError(
        f"items changed {ATTEMPTS_MAX} times while one put was tried; try again", retry_after=1.0
    )


def _present(reading: Reading, names: Sequence[str]) -> Flow[list[_Present]]:
    entries = yield from reading.many(keys.ITEMS, names)
    found = [found_of(entry) for entry in entries]
    # What an erased item says of itself is gone, too.
    yield from reading.load_expiries(
        [
            entry.key.key
            for entry, each in zip(entries, found, strict=True)
            if entry.kind == "erased" or (each is not None and each.record.expires)
        ]
    )
    return [
        _Present(
            entry,
            None if each is None else each.record,
            reading.expiries[entry.key.key][0] if entry.key.key in reading.expiries else None,
        )
        for entry, each in zip(entries, found, strict=True)
    ]


def _operations(
    reading: Reading, each: Put, vectors: VectorRecord | None, there: _Present
) -> list[WriteOperation]:
    backing, name, record = reading.backing, each.name, there.record
    alive = record is not None and not reading.has_expired(name)
    _check_version(each, there.entry, alive=alive)
    if each.encoded is None:
        return removal(backing, name, there.entry, record, there.expiry)
    now = time_of(reading.now_us).isoformat(timespec="microseconds")
    created = record.created_at.isoformat(timespec="microseconds") if record is not None and alive else now
    count = 0 if vectors is None else len(vectors.paths)
    payload = ItemRecord.pack(each.encoded, created, now, count, expires=each.minutes is not None)
    operations: list[WriteOperation] = [Write(backing.named(keys.ITEMS, name), payload)]
    if vectors is not None:
        operations.append(Write(backing.named(keys.VECTORS, name), vectors.payload()))
    elif _may_have_vectors(there.entry, record):
        operations.append(Delete(backing.named(keys.VECTORS, name)))
    expiry = None if each.minutes is None else lived_until(each.minutes, reading.now_us)
    return operations + change_of_expiry(backing, name, there.expiry, expiry)


def _check_version(each: Put, entry: Entry, *, alive: bool) -> None:
    version = entry.version if alive else 0
    if each.expected_version is None or each.expected_version == version:
        return
    raise ItemChangedError(
        f"item {each.key!r:.80} of {each.namespace!r:.80} has version {version}, not {each.expected_version} "
        "(0 is none): read it again, and put what follows from that",
        namespace=each.namespace,
        key=each.key,
        expected_version=each.expected_version,
        which=RecordKey(*entry.key),
        version=version,
        commit_ts=entry.commit_ts if alive else 0,
    )


def removal(
    backing: Backing, name: str, entry: Entry, record: ItemRecord | None, expiry: ExpiryRecord | None
) -> list[WriteOperation]:
    """Gives what deletes an item and all that belongs to it; nothing if it is not there."""
    if not entry.exists:
        return []
    operations: list[WriteOperation] = [Delete(backing.named(keys.ITEMS, name))]
    if _may_have_vectors(entry, record):
        operations.append(Delete(backing.named(keys.VECTORS, name)))
    return operations + change_of_expiry(backing, name, expiry, None)


def _may_have_vectors(entry: Entry, record: ItemRecord | None) -> bool:
    return entry.kind == "erased" if record is None else record.vectors > 0


def change_of_expiry(
    backing: Backing, name: str, old: ExpiryRecord | None, new: ExpiryRecord | None
) -> list[WriteOperation]:
    """Gives what makes an item live until another time: the two rows that say so."""
    operations: list[WriteOperation] = []
    if old is not None and (new is None or new.until_us != old.until_us):
        operations.append(Delete(backing.named(keys.DUE, keys.due_key(old.until_us, name))))
    if new is not None:
        operations.append(Write(backing.named(keys.EXPIRIES, name), new.payload()))
        if old is None or new.until_us != old.until_us:
            operations.append(Write(backing.named(keys.DUE, keys.due_key(new.until_us, name)), _NOTHING))
    elif old is not None:
        operations.append(Delete(backing.named(keys.EXPIRIES, name)))
    return operations
