"""Where a thread's rows are: an agent's keys, which sort as the ids they hold do.

=================================== ========================================================
key                                 value
=================================== ========================================================
``checkpoint/NS/ID``                a `CheckpointRecord`
``value/NS/CHANNEL/VERSION``        what a channel holds at a version, as the serializer made it; None
                                    at a version that nobody else uses is in the checkpoint instead
``writes/NS/ID/TASK``               a `WritesRecord`: what a task wrote at a checkpoint
``fold/NS/ID``                      a `FoldRecord`: what a pruned history leaves to a checkpoint
``leftover/NUMBER``                 a `LeftoverRecord`: what a removal has not got to yet
``run/RUN``                         the run wrote to this thread
``thread``                          a `Mark`
=================================== ========================================================

All threads together are indexed under an agent of their own, in the namespace with ``.index`` behind:

=================================== ========================================================
``active/MINUTE/THREAD``            the minute of its last write; newest first is a scan in reverse
``run/RUN/THREAD``                  the run wrote to that thread
=================================== ========================================================

A part may be any text: ``/``, ``~`` and control characters are escaped, and a part too long for a key is
cut and carries its SHA-256. An id is escaped such that keys sort as ids do (``/``, ``.``, space and control
characters are); of one too long, by its beginning. The records hold their names whole.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from statehouse.extend import RecordKey

THREAD: Final = "thread"
LEFTOVER: Final = "leftover/"
INDEX_AGENT: Final = "threads"
VALUED: Final = ("checkpoint/", "value/", "writes/", "fold/", "run/")
"""What the keys of rows begin with that hold what a graph stored."""

_PART_BYTES_MAX: Final = 300
_KEPT_CHARS: Final = 48
_SPECIAL: Final = re.compile(r"[~/\x00-\x1f]")
_UNORDERED: Final = re.compile(r"[\x00-\x20./]")
_ESCAPES: Final = {"~": "~0", "/": "~1"}


def part(text: str) -> str:
    """Gives a text as one part of a key."""
    escaped = _SPECIAL.sub(_escaped, text) if _SPECIAL.search(text) else text
    if len(escaped.encode()) <= _PART_BYTES_MAX:
        return escaped
    return f"{_SPECIAL.sub(_escaped, text[:_KEPT_CHARS])}~h{hashlib.sha256(text.encode()).hexdigest()}"


def ordered(checkpoint_id: str) -> str:
    """Gives a checkpoint's id as one part of a key, sorting as it does."""
    escaped = _UNORDERED.sub(_in_order, checkpoint_id) if _UNORDERED.search(checkpoint_id) else checkpoint_id
    if len(escaped.encode()) <= _PART_BYTES_MAX:
        return escaped
    kept = _UNORDERED.sub(_in_order, checkpoint_id[:_KEPT_CHARS])
    return f"{kept} ~{hashlib.sha256(checkpoint_id.encode()).hexdigest()}"


def _in_order(match: re.Match[str]) -> str:
    # Control characters, which no key may have, sort right before the space, and the slash after the point.
    found = match[0]
    if found in "./":
        return f".{'./'.index(found)}"
    return f" {chr(ord('0') + ord(found))}"


def _escaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"~c{ord(match[0]):02x}"


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """The names of one thread's rows.

    Attributes:
        namespace: The Statehouse namespace.
        agent_id: The thread's id.
    """

    namespace: str
    agent_id: str

    def named(self, key: str) -> RecordKey:
        """The row of that key."""
        return RecordKey(self.namespace, self.agent_id, key)

    def thread(self) -> RecordKey:
        """The thread's `Mark`."""
        return self.named(THREAD)

    def checkpoint(self, ns: str, checkpoint_id: str) -> RecordKey:
        """A checkpoint's record."""
        return self.named(f"checkpoint/{part(ns)}/{ordered(checkpoint_id)}")

    def value(self, ns: str, channel: str, version: Any) -> RecordKey:
        """What a channel holds at a version."""
        # A number and its text are two versions.
        text = version if isinstance(version, str) else f"={version!r}"
        return self.named(f"value/{part(ns)}/{part(channel)}/{part(text)}")

    def writes(self, ns: str, checkpoint_id: str, task_id: str) -> RecordKey:
        """What a task wrote at a checkpoint."""
        return self.named(f"writes/{part(ns)}/{ordered(checkpoint_id)}/{part(task_id)}")

    def fold(self, ns: str, checkpoint_id: str) -> RecordKey:
        """What a pruned history left to a checkpoint."""
        return self.named(f"fold/{part(ns)}/{ordered(checkpoint_id)}")

    def leftover(self, number: int) -> RecordKey:
        """Some of what a removal has not got to yet."""
        return self.named(f"{LEFTOVER}{number:06d}")

    def run(self, run_id: str) -> RecordKey:
        """That a run wrote here."""
        return self.named(f"run/{part(run_id)}")

    def active(self, minute: int) -> RecordKey:
        """The thread's row in the index of all threads."""
        return RecordKey(
            f"{self.namespace}.index", INDEX_AGENT, f"active/{minute:012d}/{part(self.agent_id)}"
        )

    def run_index(self, run_id: str) -> RecordKey:
        """The thread's row in the index of runs."""
        return RecordKey(f"{self.namespace}.index", INDEX_AGENT, f"run/{part(run_id)}/{part(self.agent_id)}")


def checkpoints_prefix(ns: str | None = None) -> str:
    """What the keys of checkpoints begin with; of all namespaces for None."""
    return "checkpoint/" if ns is None else f"checkpoint/{part(ns)}/"


def writes_prefix(ns: str, checkpoint_id: str | None = None) -> str:
    """What the keys of writes begin with: of one checkpoint, or of all in a namespace."""
    return f"writes/{part(ns)}/" if checkpoint_id is None else f"writes/{part(ns)}/{ordered(checkpoint_id)}/"
