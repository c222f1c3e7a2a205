"""Leases: one worker has a thread for a while, and whoever had it before cannot write any more.

A lease is a number in the thread's mark, higher than every one before. Taking one changes the mark, so every
write that began before is refused (B1) and looks again: then the number is another's. A clock only decides
when a lease may be taken from its holder, never whether a write is let in.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace

from statehouse import PreconditionFailedError
from statehouse.extend import Flow
from statehouse_langgraph.errors import LeaseHeldError, LeaseLostError
from statehouse_langgraph.saver.backing import ATTEMPTS_MAX, Backing, Plan, apply, read_mark
from statehouse_langgraph.saver.records import Place
from statehouse_langgraph.saver.removing import busy, finish


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that was taken.

    Attributes:
        thread_id: The thread.
        holder: Who has it.
        fence: Its number: higher than that of every lease of this thread before.
        until: When it ends by itself, in seconds since 1970.
    """

    thread_id: str
    holder: str
    fence: int
    until: float


def this_worker() -> str:
    """A name for this process that people recognise."""
    return f"{socket.gethostname()}:{os.getpid()}"


def acquire(backing: Backing, place: Place, *, holder: str, ttl_s: float) -> Flow[Lease]:
    """Takes the lease of a thread.

    Raises (in the flow):
        LeaseHeldError: Another holder has it, and its time is not over.
    """
    keys = backing.keys(place.agent_id)
    for _ in range(ATTEMPTS_MAX):
        mark, version = yield from read_mark(backing, keys)
        if mark.pending:
            yield from finish(backing, keys, mark, version)
            continue
        now = backing.clock()
        if mark.holder and mark.until > now:
            raise LeaseHeldError(
                f"thread {place.agent_id!r} is leased by {mark.holder} for another {mark.until - now:.1f} s",
                thread_id=place.agent_id,
                holder=mark.holder,
                expires_in=mark.until - now,
            )
        new = replace(mark, fence=mark.fence + 1, holder=holder, until=now + ttl_s)
        try:
            yield from apply(backing, place, mark, version, Plan(mark=new, active=False))
        except PreconditionFailedError:
            continue
        backing.leases[place.agent_id] = new.fence
        return Lease(place.agent_id, holder, new.fence, new.until)
    raise busy(place.agent_id)


def renew(backing: Backing, lease: Lease, *, ttl_s: float) -> Flow[Lease]:
    """Makes a lease last longer.

    Raises (in the flow):
        LeaseLostError: Another holder has had it since.
    """
    changed = yield from _changed(backing, lease, lease.holder, backing.clock() + ttl_s)
    if changed is None:
        raise LeaseLostError(
            f"the lease of thread {lease.thread_id!r} is another worker's by now; nothing more of this "
            "run is stored",
            thread_id=lease.thread_id,
        )
    return changed


def release(backing: Backing, lease: Lease) -> Flow[None]:
    """Gives a lease back; nothing happens if it is another's by now."""
    if backing.leases.get(lease.thread_id) == lease.fence:
        del backing.leases[lease.thread_id]
    yield from _changed(backing, lease, "", 0.0)


def _changed(backing: Backing, lease: Lease, holder: str, until: float) -> Flow[Lease | None]:
    keys = backing.keys(lease.thread_id)
    place = Place(lease.thread_id, lease.thread_id, None, None)
    for _ in range(ATTEMPTS_MAX):
        mark, version = yield from read_mark(backing, keys)
        if mark.fence != lease.fence or not mark.holder:
            return None
        new = replace(mark, holder=holder, until=until)
        try:
            yield from apply(backing, place, mark, version, Plan(mark=new, active=False))
        except PreconditionFailedError:
            continue
        return replace(lease, until=until)
    raise busy(lease.thread_id)
