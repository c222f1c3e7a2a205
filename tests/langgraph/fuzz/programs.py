"""Programs for savers: what was drawn, step by step. Whatever numbers a step has, it means something.

A step names checkpoints by a number, which is taken modulo how many there are; a program never has to be
thrown away, and shrinks well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

THREADS: Final = ("t-1", "t/~2", "t 3")
NAMESPACES: Final = ("", "sub", "call:1", "call:1|inner:2")
RUNS: Final = ("run-a", "run-b", "run-c")
PATHS: Final = ("", "~__pregel_pull, a", "~__pregel_push, 1", "~__pregel_pull, a")
"""Where in the graph each task is; two are of one node."""
CHANNELS: Final = ("plain", "messages/~", "delta", "delta:2")
DELTAS: Final = ("delta", "delta:2")


@dataclass(frozen=True, slots=True)
class Put:
    """A checkpoint: a thread's first (`parent` None), the next after the newest (-1), or a fork of any.

    Attributes:
        ns: Its namespace, as a number.
        thread: Its thread, as a number.
        parent: Which checkpoint it goes on from.
        changed: The channels that are new in it.
        emptied: Whether the plain channels among them are empty from now on.
        snapshot: Whether the DeltaChannels among them store what they hold.
        run: Who made it, as a number.
        writes: How many writes the tasks made that led to it.
        together: Whether those were stored together with the checkpoint.
        behind: Whether the clock that made its id was behind all others: it sorts below its parent.
    """

    thread: int
    ns: int
    parent: int | None
    changed: frozenset[str]
    emptied: bool
    snapshot: bool
    run: int
    writes: int
    together: bool
    behind: bool


@dataclass(frozen=True, slots=True)
class PutWrites:
    """More writes, ordinary and special, at any checkpoint; sometimes by a task that wrote before."""

    thread: int
    checkpoint: int
    task: int
    run: int
    special: str


@dataclass(frozen=True, slots=True)
class Update:
    """A checkpoint that is stored again, with something else in it."""

    thread: int
    checkpoint: int
    run: int


@dataclass(frozen=True, slots=True)
class Prune:
    """Old checkpoints of a thread go."""

    thread: int
    keep_last: int
    force: bool


@dataclass(frozen=True, slots=True)
class DeleteThread:
    """A thread goes."""

    thread: int


@dataclass(frozen=True, slots=True)
class DeleteRuns:
    """What runs made goes."""

    runs: frozenset[int]


@dataclass(frozen=True, slots=True)
class CopyThread:
    """A thread is copied over another one, which is deleted before."""

    source: int
    target: int
    at: int | None


@dataclass(frozen=True, slots=True)
class Late:
    """A run that nobody stopped goes on from a checkpoint that was removed."""

    which: int
    writes: bool


@dataclass(frozen=True, slots=True)
class Switch:
    """Another saver on the same store goes on: one that was used before, or one that remembers nothing."""

    fresh: bool


Step = Put | PutWrites | Update | Prune | DeleteThread | DeleteRuns | CopyThread | Late | Switch

_PIECES: Final = 6
_PUTS: Final = 20
"""How often a checkpoint is put for each prune, copy or deletion: threads have to grow to be interesting."""

_small = st.integers(0, 30)
_threads = st.sampled_from((0, 0, 0, 1, 2))
_runs = st.integers(0, len(RUNS) - 1)


def _puts(deltas: bool) -> st.SearchStrategy[Step]:
    channels = CHANNELS if deltas else tuple(name for name in CHANNELS if name not in DELTAS)
    return st.builds(
        Put,
        thread=_threads,
        ns=st.sampled_from((0, 0, 0, 1, 2, 3)),
        parent=st.sampled_from((-1, -1, -1, -1, 0, 1, 2, 5, None)),
        changed=st.frozensets(st.sampled_from(channels), max_size=3),
        emptied=st.sampled_from((False, False, False, True)),
        snapshot=st.sampled_from((False, False, False, True)),
        run=_runs,
        writes=st.integers(0, 3),
        together=st.booleans(),
        behind=st.sampled_from((False,) * 9 + (True,)),
    )


def programs(*, deltas: bool) -> st.SearchStrategy[list[Step]]:
    """Programs, with DeltaChannels or without."""
    # The same strategy twice would count once.
    puts = [_puts(deltas) for _ in range(_PUTS)]
    others: tuple[st.SearchStrategy[Step], ...] = (
        st.builds(
            PutWrites,
            thread=_threads,
            checkpoint=_small,
            task=st.integers(0, len(PATHS) - 1),
            run=_runs,
            special=st.sampled_from(("", "__interrupt__", "__error__", "__resume__")),
        ),
        st.builds(Update, thread=_threads, checkpoint=_small, run=_runs),
        st.builds(Prune, thread=_threads, keep_last=st.integers(1, 3), force=st.booleans()),
        st.builds(DeleteThread, thread=_threads),
        st.builds(DeleteRuns, runs=st.frozensets(_runs, min_size=1, max_size=2)),
        st.builds(CopyThread, source=_threads, target=_threads, at=st.none() | _small),
        st.builds(Late, which=_small, writes=st.booleans()),
        st.builds(Switch, fresh=st.booleans()),
    )
    piece = st.lists(st.one_of(*puts, *others), min_size=1, max_size=40)
    # One list would be of six steps, mostly.
    return st.tuples(*[piece] * _PIECES).map(lambda pieces: [step for each in pieces for step in each])
