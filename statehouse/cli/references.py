"""What a reference names: a commit, or the commits of a transaction, a trace, a span or a run.

A reference is taken for everything that it could be, in this order, and the first that is there counts:

=====================================  ==================================================
``sh://store/epoch/namespace@ts``      that commit, if its history was not replaced
``00-<trace>-<span>-<flags>``          (traceparent) the span, else the trace
digits, also after ``@``               a commit_ts
16 hexadecimal digits                  a span
32 hexadecimal digits                  a trace
anything                               a transaction, then a run
=====================================  ==================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from statehouse.errors import InvalidArgumentError, StoreChangedError

if TYPE_CHECKING:
    from statehouse import Event, Statehouse

__all__ = ["Found", "resolve"]

_SCHEME: Final = "sh://"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_COMMIT_TS: Final = re.compile(r"@?([0-9]{1,16})")


class Found(NamedTuple):
    """What a reference was, in words, and the events it leads to."""

    what: str
    events: Iterator[Event]


def resolve(sh: Statehouse, reference: str) -> Found | None:
    """Gives what a reference names; None when that is nothing here.

    Raises:
        InvalidArgumentError: It is malformed.
        StoreChangedError: It names another store, or history that was replaced.
    """
    reference = reference.strip()
    if reference.startswith(_SCHEME):
        return _located(sh, reference)
    for what, look in _readings(sh, reference):
        events = iter(look())
        first = next(events, None)
        if first is not None:
            return Found(what, chain([first], events))
    return None


def _readings(sh: Statehouse, reference: str) -> Iterator[tuple[str, Callable[[], Iterator[Event]]]]:
    """Everything that a reference could be."""
    folded = reference.lower()
    if found := _TRACEPARENT.fullmatch(folded):
        trace, span = found[1], found[2]
        yield f"span {span} of trace {trace}", lambda: sh.find_events(span_id=span)
        yield f"trace {trace} (its span {span} made no commit)", lambda: sh.find_events(trace_id=trace)
        return
    if found := _COMMIT_TS.fullmatch(reference):
        commit_ts = int(found[1])
        if 0 < commit_ts <= sh.status().commit_ts:
            yield f"commit_ts {commit_ts}", lambda: sh.find_events(commit_ts=commit_ts)
    if re.fullmatch("[0-9a-f]{16}", folded):
        yield f"span {folded}", lambda: sh.find_events(span_id=folded)
    if re.fullmatch("[0-9a-f]{32}", folded):
        yield f"trace {folded}", lambda: sh.find_events(trace_id=folded)
    yield f"transaction {reference}", lambda: sh.find_events(txn_id=reference)
    yield f"run {reference}", lambda: sh.find_events(run_id=reference)


def _located(sh: Statehouse, reference: str) -> Found | None:
    place, _, stamp = reference.removeprefix(_SCHEME).rpartition("@")
    store_id, _, rest = place.partition("/")
    epoch, _, namespace = rest.partition("/")
    if not (
        store_id and epoch.isascii() and epoch.isdigit() and namespace and stamp.isascii() and stamp.isdigit()
    ):
        raise InvalidArgumentError(f"{reference!r:.200} is not a reference like sh://store/epoch/namespace@7")
    commit_ts = int(stamp)
    status = sh.status()
    if store_id.lower() != status.store_id:
        raise StoreChangedError(f"{reference!r:.200} belongs to another store; this one is {status.store_id}")
    newer = next((each for each in status.epochs if each.number > int(epoch)), None)
    if int(epoch) > status.epoch or (newer is not None and commit_ts >= newer.first_commit_ts):
        raise StoreChangedError(
            f"{reference!r:.200} names history that was replaced; the present epoch is {status.epoch}"
        )
    if not 0 < commit_ts <= status.commit_ts:
        return None
    events = sh.replay(namespace=namespace, from_ts=commit_ts, to_ts=commit_ts)
    first = next(iter(events), None)
    if first is None:
        return None
    return Found(f"commit_ts {commit_ts} in namespace {namespace}", iter([first]))
