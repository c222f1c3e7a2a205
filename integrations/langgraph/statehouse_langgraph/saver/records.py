"""The rows of a thread that are not channel values: what they hold, and how they are packed.

Each is a msgpack array that begins with the number of its format, under a content type of its own. Values,
checkpoints and metadata inside are as the serializer made them, so that an encrypting one encrypts them;
names, ids and the links between checkpoints are never encrypted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ormsgpack

from statehouse import InvalidArgumentError, Payload
from statehouse.extend import DEFAULT_LIMITS, JSON, check_text, decode, encode
from statehouse_langgraph.errors import ContentError
from statehouse_langgraph.serde import Typed

CHECKPOINT_TYPE: Final = "application/vnd.statehouse.langgraph.checkpoint+msgpack"
WRITES_TYPE: Final = "application/vnd.statehouse.langgraph.writes+msgpack"
FOLD_TYPE: Final = "application/vnd.statehouse.langgraph.fold+msgpack"
LEFTOVER_TYPE: Final = "application/vnd.statehouse.langgraph.leftover+msgpack"
FORMAT: Final = 1


def _pack(content_type: str, *fields: Any) -> Payload:
    return Payload(content_type, ormsgpack.packb([FORMAT, *fields]))


def unpack(payload: Payload, content_type: str, count: int) -> list[Any]:
    """Gives the fields of a record, so many.

    Raises:
        ContentError: It is no such record, or one of a newer format.
    """
    found: Any = None
    if payload.content_type == content_type:
        try:
            found = ormsgpack.unpackb(payload.data)
        except ValueError:
            found = None
    if not isinstance(found, list) or not found:
        raise ContentError(
            f"expected a record of type {content_type}, found {payload!r:.120}",
            content_type=payload.content_type,
        )
    if found[0] != FORMAT:
        raise ContentError(
            f"a record of format {found[0]!r}, which is newer than this statehouse-langgraph: upgrade it",
            content_type=payload.content_type,
        )
    if len(found) != count + 1:
        raise ContentError(
            f"a record of type {content_type} has {count} fields, and not {len(found) - 1}",
            content_type=payload.content_type,
        )
    return found[1:]


NONE: Final[Typed] = ("null", b"")
"""What the serializer makes of None."""


def _typed(value: Sequence[Any]) -> Typed:
    return value[0], value[1]


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint without its channel values.

    Attributes:
        ns: Its ``checkpoint_ns``.
        id: Its id.
        parent: The checkpoint it was made from; None for the first.
        generation: That of its thread when it was written: one of another generation is deleted.
        checkpoint: The checkpoint, serialized.
        metadata: Its metadata, serialized.
        run_id: The run that made it; empty for none.
        nones: The channels that hold None. Every step has some, and a row for each would cost as much as a
            short message.
    """

    ns: str
    id: str
    parent: str | None
    generation: int
    checkpoint: Typed
    metadata: Typed
    run_id: str = ""
    nones: tuple[str, ...] = ()

    def payload(self) -> Payload:
        """The record as it is stored."""
        return _pack(
            CHECKPOINT_TYPE,
            self.ns,
            self.id,
            self.parent,
            self.generation,
            self.checkpoint,
            self.metadata,
            self.run_id,
            self.nones,
        )

    @classmethod
    def of(cls, payload: Payload) -> CheckpointRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        ns, checkpoint_id, parent, generation, checkpoint, metadata, run_id, nones = unpack(
            payload, CHECKPOINT_TYPE, 8
        )
        described = (_typed(checkpoint), _typed(metadata))
        return cls(ns, checkpoint_id, parent, generation, *described, run_id, tuple(nones))


@dataclass(frozen=True, slots=True)
class StoredWrite:
    """One write of a task.

    Attributes:
        idx: Its place among the task's writes; special ones are negative.
        channel: The channel.
        value: The value.
        path: The path of the task; of one task's writes it is nearly always the same.
    """

    idx: int
    channel: str
    value: Typed
    path: str = ""


@dataclass(frozen=True, slots=True)
class WritesRecord:
    """All that one task wrote at one checkpoint, in the order of `idx`."""

    ns: str
    checkpoint_id: str
    task_id: str
    writes: tuple[StoredWrite, ...]
    run_id: str = ""

    @property
    def task_path(self) -> str:
        """The path of its first write."""
        return self.writes[0].path if self.writes else ""

    def payload(self) -> Payload:
        """The record as it is stored."""
        path = self.task_path
        rows = [
            (each.idx, each.channel, *each.value, *(() if each.path == path else (each.path,)))
            for each in self.writes
        ]
        return _pack(WRITES_TYPE, self.ns, self.checkpoint_id, self.task_id, path, rows, self.run_id)

    @classmethod
    def of(cls, payload: Payload) -> WritesRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        ns, checkpoint_id, task_id, path, rows, run_id = unpack(payload, WRITES_TYPE, 6)
        writes = tuple(
            StoredWrite(idx, channel, (kind, data), own[0] if own else path)
            for idx, channel, kind, data, *own in rows
        )
        return cls(ns, checkpoint_id, task_id, writes, run_id)


@dataclass(frozen=True, slots=True)
class Folded:
    """What a channel's history was at a checkpoint whose ancestors are gone.

    Attributes:
        seed: The value stored at the nearest ancestor that had one; None for none.
        writes: What was written since: (task id, value), oldest first.
    """

    seed: Typed | None
    writes: tuple[tuple[str, Typed], ...]


@dataclass(frozen=True, slots=True)
class FoldRecord:
    """The histories that a checkpoint keeps although its ancestors are gone, by channel.

    Attributes:
        parent: The nearest ancestor that is still there; None where none is.
        channels: By channel.
    """

    parent: str | None
    channels: Mapping[str, Folded]

    def payload(self) -> Payload:
        """The record as it is stored."""
        rows = {
            name: [folded.seed, [(task_id, *value) for task_id, value in folded.writes]]
            for name, folded in self.channels.items()
        }
        return _pack(FOLD_TYPE, self.parent, rows)

    @classmethod
    def of(cls, payload: Payload) -> FoldRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        parent, rows = unpack(payload, FOLD_TYPE, 2)
        channels = {
            name: Folded(
                None if seed is None else _typed(seed),
                tuple((task_id, (kind, data)) for task_id, kind, data in writes),
            )
            for name, (seed, writes) in rows.items()
        }
        return cls(parent, channels)


@dataclass(frozen=True, slots=True)
class LeftoverRecord:
    """The keys of rows that a removal has not got to yet; nobody finds these rows any more."""

    keys: tuple[str, ...]

    def payload(self) -> Payload:
        """The record as it is stored."""
        return _pack(LEFTOVER_TYPE, self.keys)

    @classmethod
    def of(cls, payload: Payload) -> LeftoverRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        (keys,) = unpack(payload, LEFTOVER_TYPE, 1)
        return cls(tuple(keys))


@dataclass(frozen=True, slots=True)
class Mark:
    """What is true of a thread as a whole. Every write to the thread has its version as a precondition.

    Attributes:
        generation: How often the thread was deleted.
        floor: The greatest id of a checkpoint that was ever removed, as it is in keys; empty for none.
            A write that belongs to an absent checkpoint at or below it is late.
        minute: The minute (since 1970) of the last activity, as the index has it; -1 for not indexed.
        removals: How often parts of the thread were removed since.
        swept: The minute of the activity after which the thread was pruned because its time was over.
        pending: A removal, or a copy into this thread, is unfinished. What is left over are the rows that
            `LeftoverRecord`s name; where there are none, all rows.
        fence: The number of the newest lease; each is higher than the one before.
        holder: Who has that lease; empty when it was given back.
        until: When it ends by itself, in seconds since 1970.
    """

    generation: int = 0
    floor: str = ""
    removals: int = 0
    minute: int = -1
    swept: int = -1
    pending: bool = False
    fence: int = 0
    holder: str = ""
    until: float = 0.0

    @property
    def epoch(self) -> tuple[int, int]:
        """What is another one after every removal."""
        return self.generation, self.removals

    def payload(self) -> Payload:
        """The record as it is stored."""
        return encode({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def of(cls, payload: Payload | None) -> Mark:
        """Gives the record that is stored; that of a new thread for None.

        Raises:
            ContentError: It is none.
        """
        if payload is None:
            return cls()
        try:
            if payload.content_type != JSON:
                raise InvalidArgumentError(payload.content_type)
            return cls(**decode(payload))
        except (TypeError, ValueError):
            raise ContentError(
                f"expected the record of a thread, found {payload!r:.120}", content_type=payload.content_type
            ) from None


@dataclass(frozen=True, slots=True)
class Place:
    """What a config points at.

    Attributes:
        thread_id: The thread, as the caller gave it.
        agent_id: The thread, as text.
        ns: The ``checkpoint_ns``; None when the config has none.
        checkpoint_id: The checkpoint; None for the latest.
        run_id: The run that is going on; empty for none.
    """

    thread_id: Any
    agent_id: str
    ns: str | None
    checkpoint_id: str | None
    run_id: str = ""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Place:
        """Reads a config.

        Raises:
            InvalidArgumentError: It names no thread, or something that is no text is an id.
            LimitExceededError: The thread's id is too long.
        """
        configurable = config.get("configurable") or {}
        thread_id = configurable.get("thread_id")
        if thread_id is None or str(thread_id) == "":
            raise InvalidArgumentError(
                "the config names no thread: pass config={'configurable': {'thread_id': '...'}}"
            )
        check_text("thread_id", str(thread_id), DEFAULT_LIMITS.agent_id_bytes_max)
        ns, checkpoint_id = configurable.get("checkpoint_ns"), configurable.get("checkpoint_id")
        for name, value in (("checkpoint_ns", ns), ("checkpoint_id", checkpoint_id)):
            if value is not None and not isinstance(value, str):
                raise InvalidArgumentError(f"{name} must be a string: {value!r:.80}")
        run_id = (config.get("metadata") or {}).get("run_id") or configurable.get("run_id") or ""
        return cls(thread_id, str(thread_id), ns, checkpoint_id or None, str(run_id))

    def config(self, ns: str, checkpoint_id: str) -> dict[str, Any]:
        """The config of a checkpoint of this thread."""
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "checkpoint_ns": ns,
                "checkpoint_id": checkpoint_id,
            }
        }
