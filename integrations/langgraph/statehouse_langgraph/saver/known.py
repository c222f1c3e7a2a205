"""What a saver remembers between calls, so that writing reads nothing. Bounded, and never trusted.

* K1. A mark is only used as a precondition: when it is out of date the commit is refused, and the mark read.
* K2. A value is only remembered with the version that the store gave it: one that was read, or that was
  written where surely nothing ever was. Otherwise the version is left open, and asked for when it is needed.
* K3. Copies of a saver (`with_allowlist`) share one memory; every method may be called from any thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeVar

from statehouse.extend import RecordKey
from statehouse_langgraph.saver.encoding import EncodedList
from statehouse_langgraph.saver.records import Mark

K = TypeVar("K")
V = TypeVar("V")

THREADS_MAX: Final = 10_000
REFUSED_MAX: Final = 1_000
RUNS_MAX: Final = 10_000

ChannelName = tuple[str, str, str]
"""Thread, checkpoint namespace, channel."""

Epoch = tuple[int, int]
"""How often a thread was deleted, and how often parts of it were removed since."""


@dataclass(frozen=True, slots=True)
class Base:
    """A value that the store has.

    Attributes:
        key: Where.
        version: Its version there; None when that is not known yet.
        commit_ts: The commit that wrote it.
        content_type: Its content type.
        data: Its bytes.
        encoded: The objects it was made of; None where it was read, or is no list of messages.
    """

    key: RecordKey
    version: int | None
    commit_ts: int
    content_type: str
    data: bytes
    encoded: EncodedList | None = None

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes; objects take about twice their bytes."""
        return len(self.data) * (1 if self.encoded is None else 3)


class Known:
    """The memory of a saver and its copies.

    Args:
        bytes_max: How many bytes of channel values to keep.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()
        self._marks: OrderedDict[str, tuple[Mark, int]] = OrderedDict()
        self._bases: OrderedDict[ChannelName, Base] = OrderedDict()
        self._heads: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._refused: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._runs: OrderedDict[tuple[str, str, Epoch], None] = OrderedDict()

    def mark(self, agent_id: str) -> tuple[Mark, int] | None:
        """What is known of a thread, and the version of that."""
        with self._lock:
            return self._marks.get(agent_id)

    def saw_mark(self, agent_id: str, mark: Mark, version: int) -> None:
        """Remembers a mark, unless a newer one is known already."""
        with self._lock:
            before = self._marks.get(agent_id)
            if before is not None and before[1] > version:
                return
            self._marks[agent_id] = (mark, version)
            self._marks.move_to_end(agent_id)
            _trim(self._marks, THREADS_MAX)

    def base(self, channel: ChannelName) -> Base | None:
        """The value of a channel that was read or written last."""
        with self._lock:
            return self._bases.get(channel)

    def saw_value(self, channel: ChannelName, base: Base) -> None:
        """Remembers a value, and forgets the ones used longest ago (K2)."""
        with self._lock:
            before = self._bases.pop(channel, None)
            self._bytes -= 0 if before is None else before.size_bytes
            if base.size_bytes > self._bytes_max:
                return
            self._bases[channel] = base
            self._bytes += base.size_bytes
            while self._bytes > self._bytes_max:
                self._bytes -= self._bases.popitem(last=False)[1].size_bytes

    def newest_at(self, agent_id: str, ns: str, checkpoint_id: str) -> int | None:
        """The commit_ts at which this checkpoint was one to go on from; None when it never was."""
        with self._lock:
            return self._heads.get((agent_id, ns, checkpoint_id))

    def saw_newest(self, agent_id: str, ns: str, checkpoint_id: str, read_ts: int, *, again: bool) -> None:
        """Remembers that a run may go on from a checkpoint; `again` says whether a later read moves that."""
        place = (agent_id, ns, checkpoint_id)
        with self._lock:
            if again or place not in self._heads:
                self._heads[place] = read_ts
                self._heads.move_to_end(place)
                _trim(self._heads, THREADS_MAX)

    def is_refused(self, agent_id: str, checkpoint_id: str) -> bool:
        """Whether this checkpoint was refused, so that its writes must be too."""
        with self._lock:
            return (agent_id, checkpoint_id) in self._refused

    def refused(self, agent_id: str, checkpoint_id: str) -> None:
        """Remembers that a checkpoint was refused."""
        with self._lock:
            self._refused[agent_id, checkpoint_id] = None
            _trim(self._refused, REFUSED_MAX)

    def has_run(self, agent_id: str, run_id: str, epoch: Epoch) -> bool:
        """Whether the thread is known to be in the index of this run."""
        with self._lock:
            return (agent_id, run_id, epoch) in self._runs

    def saw_run(self, agent_id: str, run_id: str, epoch: Epoch) -> None:
        """Remembers that the thread is in the index of a run."""
        with self._lock:
            self._runs[agent_id, run_id, epoch] = None
            _trim(self._runs, RUNS_MAX)

    def forget(self, agent_id: str) -> None:
        """Forgets a thread's values, heads and runs: what they stand for is being removed."""
        with self._lock:
            for channel in [each for each in self._bases if each[0] == agent_id]:
                self._bytes -= self._bases.pop(channel).size_bytes
            for place in [each for each in self._heads if each[0] == agent_id]:
                del self._heads[place]
            for run in [each for each in self._runs if each[0] == agent_id]:
                del self._runs[run]


def _trim(remembered: OrderedDict[K, V], size: int) -> None:
    while len(remembered) > size:
        remembered.popitem(last=False)
