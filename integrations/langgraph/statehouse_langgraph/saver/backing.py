"""What every flow of a saver works with, and how it writes: one commit, under what is true of the thread.

* B1. Every commit to a thread has the version of the thread's `Mark` as a precondition. Deleting, pruning and
  leases change the mark, so no write that began before them is applied after them.
* B2. A commit that was refused because of the mark is made again from the new mark, if what it belongs to is
  still there. What belongs to a checkpoint that was removed is a `ThreadChangedError`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from statehouse import Origin, OverloadedError, PreconditionFailedError
from statehouse.extend import (
    Connection,
    Delete,
    Flow,
    Get,
    KeyRange,
    Precondition,
    Write,
    WriteOperation,
    ask,
    commit,
    current_origin,
    encode,
)
from statehouse_langgraph.errors import LeaseHeldError, LeaseLostError, ThreadChangedError
from statehouse_langgraph.saver import standing
from statehouse_langgraph.saver.keys import ThreadKeys, ordered
from statehouse_langgraph.saver.known import Known
from statehouse_langgraph.saver.records import Mark, Place

ATTEMPTS_MAX: Final = 50
"""Each attempt fails only because another writer's succeeded in between."""

OPERATIONS_MAX: Final = 9_900
"""How many operations one commit of a removal has; the engine takes 10,000."""


@dataclass(frozen=True, slots=True)
class Backing:
    """What the flows of a saver share.

    Attributes:
        connection: The store.
        namespace: The Statehouse namespace of the threads.
        known: The saver's memory.
        raise_on_concurrent_write: Whether a checkpoint beside another run's is refused.
        leases: The fences of the leases this saver holds, by thread.
        clock: Gives seconds since 1970.
    """

    connection: Connection
    namespace: str
    known: Known
    raise_on_concurrent_write: bool = False
    leases: dict[str, int] = field(default_factory=dict)
    clock: Callable[[], float] = time.time

    def keys(self, agent_id: str) -> ThreadKeys:
        """The names of a thread's rows."""
        return ThreadKeys(self.namespace, agent_id)


@dataclass(frozen=True, slots=True)
class Plan:
    """A commit in the making.

    Attributes:
        operations: What to do.
        preconditions: What must hold besides.
        read_ts: What the ranges were read as of; None for no ranges.
        ranges: What must not have changed since.
        mark: What becomes of the thread's mark; None for no change but its activity.
        active: Whether this is activity of the thread, which a time to live counts from.
    """

    operations: Iterable[WriteOperation] = ()
    preconditions: Iterable[Precondition] = ()
    read_ts: int | None = None
    ranges: tuple[KeyRange, ...] = ()
    mark: Mark | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Reference:
    """A checkpoint that a write belongs to."""

    ns: str
    checkpoint_id: str


def origin_of(place: Place) -> Origin:
    """Who asks: what the program says, and the run that the config names."""
    origin = current_origin()
    return replace(origin, run_id=place.run_id) if place.run_id and not origin.run_id else origin


def read_mark(backing: Backing, keys: ThreadKeys) -> Flow[tuple[Mark, int]]:
    """Reads what is true of a thread, and the version of that."""
    read = yield from ask(Get(keys.thread()))
    version = read.entry.version if read.entry.exists else 0
    mark = Mark.of(read.entry.payload)
    backing.known.saw_mark(keys.agent_id, mark, version)
    return mark, version


def write(
    backing: Backing,
    place: Place,
    plan: Callable[[Mark, int], Flow[Plan]],
    *,
    belongs_to: Reference | None = None,
    makes: Reference | None = None,
) -> Flow[int]:
    """Commits what a plan says of the thread's present mark (B1, B2), and gives the commit_ts.

    Args:
        backing: The saver's.
        place: The thread.
        plan: Is asked for each attempt anew, with the mark and its version.
        belongs_to: The checkpoint without which the write makes no sense; None for none.
        makes: The checkpoint that the write makes; None for none. One that is there is never late.

    Raises (in the flow):
        ThreadChangedError: What it belongs to was removed.
        LeaseHeldError, LeaseLostError: Another worker has the thread.
        StatehouseError: As a commit does.
    """
    from statehouse_langgraph.saver.removing import finish  # noqa: PLC0415 - which writes through this

    keys = backing.keys(place.agent_id)
    known = backing.known.mark(place.agent_id)
    for _ in range(ATTEMPTS_MAX):
        if known is not None and _refusal(backing, place, known[0]) is not None:
            # What is known may be out of date, and is no reason to refuse anything (K1).
            known = None
        mark, version = known if known is not None else (yield from read_mark(backing, keys))
        known = None
        if mark.pending:
            yield from finish(backing, keys, mark, version)
            continue
        if (refusal := _refusal(backing, place, mark)) is not None:
            raise refusal
        yield from _check_reference(backing, keys, place, mark, belongs_to, makes)
        planned = yield from plan(mark, version)
        try:
            return (yield from apply(backing, place, mark, version, planned))
        except PreconditionFailedError as error:
            if error.which.key != keys.thread():
                raise
    raise OverloadedError(
        f"thread {place.agent_id!r} changed {ATTEMPTS_MAX} times while one write was tried; try again",
        retry_after=1.0,
    )


def apply(backing: Backing, place: Place, mark: Mark, version: int, plan: Plan) -> Flow[int]:
    """Commits a plan once, with the thread's mark as a precondition (B1).

    Raises (in the flow):
        PreconditionFailedError: The mark is another by now, or one of the plan's does not hold.
        StatehouseError: As a commit does.
    """
    keys = backing.keys(place.agent_id)
    new = mark if plan.mark is None else plan.mark
    operations = list(plan.operations)
    if plan.active and new.minute != (minute := int(backing.clock() // 60)):
        # The index is exact: its rows change in the commit that changes the mark.
        if new.minute >= 0:
            operations.append(Delete(keys.active(new.minute)))
        operations.append(Write(keys.active(minute), encode(place.agent_id)))
        new = replace(new, minute=minute)
    if new is not mark:
        operations.append(Write(keys.thread(), new.payload()))
    committed = yield from commit(
        backing.connection,
        operations,
        preconditions=(Precondition(keys.thread(), version=version), *plan.preconditions),
        read_ts=plan.read_ts,
        ranges=plan.ranges,
        origin=origin_of(place),
    )
    if new is not mark:
        backing.known.saw_mark(place.agent_id, new, version + 1)
    return committed.commit_ts


def _refusal(backing: Backing, place: Place, mark: Mark) -> LeaseLostError | LeaseHeldError | None:
    """Why this saver may not write under a mark; None if it may."""
    mine = backing.leases.get(place.agent_id)
    if mine is not None:
        if mine == mark.fence and mark.holder:
            return None
        return LeaseLostError(
            f"the lease of thread {place.agent_id!r} ended, and another worker has had it since; nothing "
            "was stored. Take the lease again, and begin from the thread's newest checkpoint",
            thread_id=place.agent_id,
        )
    left = mark.until - backing.clock()
    if not mark.holder or left <= 0:
        return None
    return LeaseHeldError(
        f"thread {place.agent_id!r} is leased by {mark.holder} for another {left:.1f} s; nothing was stored",
        thread_id=place.agent_id,
        holder=mark.holder,
        expires_in=left,
    )


def _check_reference(
    backing: Backing,
    keys: ThreadKeys,
    place: Place,
    mark: Mark,
    belongs_to: Reference | None,
    makes: Reference | None,
) -> Flow[None]:
    if belongs_to is None or not mark.floor:
        return
    gone = backing.known.is_refused(place.agent_id, belongs_to.checkpoint_id)
    if not gone and ordered(belongs_to.checkpoint_id) <= mark.floor:
        gone = not (yield from _is_there(keys, belongs_to))
    if gone and not (makes is not None and (yield from _is_there(keys, makes))):
        if makes is not None:
            backing.known.refused(place.agent_id, makes.checkpoint_id)
        raise ThreadChangedError(
            f"checkpoint {belongs_to.checkpoint_id} of thread {place.agent_id!r} was deleted or pruned while "
            "a run went on from it; what the run wrote was not stored. Begin a new run",
            thread_id=place.agent_id,
            checkpoint_id=belongs_to.checkpoint_id,
        )


def _is_there(keys: ThreadKeys, checkpoint: Reference) -> Flow[bool]:
    # A stand-in is there as long as the checkpoint that it stands before.
    checkpoint_id = standing.of_whom(checkpoint.checkpoint_id) or checkpoint.checkpoint_id
    read = yield from ask(Get(keys.checkpoint(checkpoint.ns, checkpoint_id)))
    return read.entry.exists
