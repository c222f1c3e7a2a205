"""What a step has read and written, and why a step inside it must keep off that.

A child commits alone, while its parent is still at work. If it wrote what the parent has read, the parent's
commit would conflict with its own child, run again, and conflict again, and each time it would call its
model; if it wrote what the parent writes too, the parent would undo it without having seen it. Both raise
`StepNestingError` at once.

* N1. A footprint says what is being read before the read is sent, and what is written before the commit is:
  who comes second sees who came first, from whatever thread.
* N2. A child that is answered from its record has written what its record says, also for parents that run
  again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Literal

from statehouse.errors import StepNestingError
from statehouse.extend import KeyRange, RecordKey

WriteKind = Literal["write", "delete"]


class Footprint:
    """What one attempt at a step has touched: keys read and scanned, with their versions, ranges, keys
    written.

    Args:
        path: The step.
        parent: The footprint of the step around it.
        lock: The lock of the run: footprints look at each other.
    """

    __slots__ = ("_children", "_lock", "_parent", "path", "ranges", "reads", "scanned", "writes")

    def __init__(self, path: str, parent: Footprint | None, lock: threading.Lock) -> None:
        self.path = path
        self.reads: dict[RecordKey, int] = {}
        self.ranges: list[KeyRange] = []
        self.scanned: dict[RecordKey, int] = {}
        self.writes: dict[RecordKey, WriteKind] = {}
        self._children: dict[RecordKey, str] = {}
        self._parent = parent
        self._lock = lock

    def read(self, name: RecordKey) -> None:
        """Takes in that a key is about to be read (N1).

        Raises:
            StepNestingError: A child has written it.
        """
        with self._lock:
            self._check_children(name, "reads")
            self.reads.setdefault(name, 0)

    def read_range(self, span: KeyRange) -> None:
        """Takes in that a range is about to be read (N1).

        Raises:
            StepNestingError: A child has written a key in it.
        """
        with self._lock:
            for name, child in self._children.items():
                if _covers(span, name):
                    raise _error(self.path, "scans", child, name)
            self.ranges.append(span)

    def write(self, name: RecordKey, kind: WriteKind) -> None:
        """Takes in that a key is to be written.

        Raises:
            StepNestingError: A child has written it, or a step around this one has read or written it.
        """
        with self._lock:
            self._check_children(name, "writes")
            self._check_ancestors(name)
            self.writes[name] = kind

    def commit(self) -> None:
        """Takes in that the writes are about to be committed (N1).

        Raises:
            StepNestingError: A step around this one has touched one of them meanwhile.
        """
        if self._parent is not None and self.writes:
            self._take_over(self.path, self.writes)

    def answered(self, path: str, writes: Iterable[RecordKey]) -> None:
        """Takes in that a child was answered from its record (N2).

        Raises:
            StepNestingError: It has written what this step, or one around it, has read or written.
        """
        child = Footprint(path, self, self._lock)
        child._take_over(path, list(writes))

    def _take_over(self, path: str, writes: Iterable[RecordKey]) -> None:
        with self._lock:
            for name in writes:
                self._check_ancestors(name)
            for ancestor in self._ancestors():
                ancestor._children.update(dict.fromkeys(writes, path))  # noqa: SLF001 - it is one of ours

    def _ancestors(self) -> Iterator[Footprint]:
        ancestor = self._parent
        while ancestor is not None:
            yield ancestor
            ancestor = ancestor._parent  # noqa: SLF001 - it is one of ours

    def _check_children(self, name: RecordKey, does: str) -> None:
        child = self._children.get(name)
        if child is not None:
            raise _error(self.path, does, child, name)

    def _check_ancestors(self, name: RecordKey) -> None:
        for ancestor in self._ancestors():
            if name in ancestor.reads:
                raise _error(ancestor.path, "has read", self.path, name)
            if name in ancestor.writes:
                raise _error(ancestor.path, "writes", self.path, name)
            if any(_covers(span, name) for span in ancestor.ranges):
                raise _error(ancestor.path, "has scanned", self.path, name)


def _covers(span: KeyRange, name: RecordKey) -> bool:
    return (span.namespace, span.agent_id) == name[:2] and name.key.startswith(span.prefix)


def _error(parent: str, does: str, child: str, name: RecordKey) -> StepNestingError:
    return StepNestingError(
        f"the step {child} writes {name}, which the step {parent} around it {does}: a child commits alone, "
        "so its parent would conflict with it each time it ran. Let the child return the value and the "
        "parent write it, or call the one after the other",
        parent=parent,
        child=child,
        key=name,
    )
