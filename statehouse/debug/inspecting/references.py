"""What a reference could be, in the order in which it is taken for it; the first that is there counts.

=====================================  ==================================================
``sh://store/epoch/namespace@ts``      that commit, if its history was not replaced
``00-<trace>-<span>-<flags>``          (traceparent) the span, else the trace
digits, also after ``@``               a commit_ts
16 hexadecimal digits                  a span
32 hexadecimal digits                  a trace
anything                               a transaction, then a run
``<run>#<step>``                       a step, by its path: ``r-42#plan#1/search#3``
=====================================  ==================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from statehouse.errors import InvalidArgumentError, LimitExceededError, StoreChangedError
from statehouse.extend import DEFAULT_LIMITS, FindEvents, Replay, StoreStatus
from statehouse.protocol.limits import COMMIT_TS_MAX
from statehouse.protocol.names import check_text

ReferenceKind = Literal["commit", "transaction", "span", "trace", "run", "step"]

SCHEME: Final = "sh://"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_COMMIT_TS: Final = re.compile(r"@?([0-9]{1,16})")
_EVENTS_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """Something that a reference could be.

    Attributes:
        kind: What.
        what: That in words.
        request: What finds its events.
        around: The span that the steps of a trace are looked for below; empty for none.
        namespace: The namespace that one of the operations has to be in; None for any.
    """

    kind: ReferenceKind
    what: str
    request: FindEvents | Replay
    around: str = ""
    namespace: str | None = None


def readings(reference: str, status: StoreStatus | None) -> Iterator[Reading]:
    """Gives everything that a reference could be but a step.

    Args:
        reference: The reference.
        status: How the store is; None unless the reference names one.

    Raises:
        InvalidArgumentError: It is malformed.
        LimitExceededError: It is too long to be anything.
        StoreChangedError: It names another store, or history that was replaced.
    """
    if status is not None:
        yield from _located(reference, status)
        return
    check_text("a reference", reference, 2 * DEFAULT_LIMITS.key_bytes_max)
    folded = reference.lower()
    if found := _TRACEPARENT.fullmatch(folded):
        trace, span = found[1], found[2]
        yield Reading("span", f"span {span} of trace {trace}", _by("span", span))
        what = f"trace {trace} (its span {span} made no commit)"
        yield Reading("trace", what, _by("trace", trace), around=span)
        return
    if found := _COMMIT_TS.fullmatch(reference):
        commit_ts = int(found[1])
        # One span in two thousand has digits only, and most of those are larger than any commit_ts.
        if 0 < commit_ts <= COMMIT_TS_MAX:
            yield Reading("commit", f"commit_ts {commit_ts}", _at(commit_ts))
    if re.fullmatch("[0-9a-f]{16}", folded):
        yield Reading("span", f"span {folded}", _by("span", folded))
    if re.fullmatch("[0-9a-f]{32}", folded):
        yield Reading("trace", f"trace {folded}", _by("trace", folded))
    if _may_be(reference, DEFAULT_LIMITS.txn_id_bytes_max):
        yield Reading("transaction", f"transaction {reference}", _by("txn", reference))
    if _may_be(reference, DEFAULT_LIMITS.agent_id_bytes_max):
        yield Reading("run", f"run {reference}", _by("run", reference))


def step_readings(reference: str) -> Iterator[tuple[str, str]]:
    """Gives every run and step that a reference may name, the shortest run id first."""
    for found in re.finditer("#", reference):
        run_id, path = reference[: found.start()], reference[found.end() :]
        if run_id and path and _may_be(run_id, DEFAULT_LIMITS.agent_id_bytes_max):
            yield run_id, path


def _may_be(reference: str, bytes_max: int) -> bool:
    try:
        check_text("a reference", reference, bytes_max)
    except LimitExceededError:
        return False
    return True


def _by(by: Literal["trace", "span", "run", "txn"], identity: str) -> FindEvents:
    return FindEvents(by, identity, limit=_EVENTS_AT_ONCE)


def _at(commit_ts: int) -> Replay:
    return Replay(None, None, commit_ts, commit_ts, limit=1)


def _located(reference: str, status: StoreStatus) -> Iterator[Reading]:
    place, _, stamp = reference.removeprefix(SCHEME).rpartition("@")
    store_id, _, rest = place.partition("/")
    epoch, _, namespace = rest.partition("/")
    if not (
        store_id and epoch.isascii() and epoch.isdigit() and namespace and stamp.isascii() and stamp.isdigit()
    ):
        raise InvalidArgumentError(f"{reference!r:.200} is not a reference like sh://store/epoch/namespace@7")
    commit_ts = int(stamp)
    if store_id.lower() != status.store_id:
        raise StoreChangedError(f"{reference!r:.200} belongs to another store; this one is {status.store_id}")
    newer = next((each for each in status.epochs if each.number > int(epoch)), None)
    if int(epoch) > status.epoch or (newer is not None and commit_ts >= newer.first_commit_ts):
        raise StoreChangedError(
            f"{reference!r:.200} names history that was replaced; the present epoch is {status.epoch}"
        )
    if 0 < commit_ts <= status.commit_ts:
        what = f"commit_ts {commit_ts} in namespace {namespace}"
        yield Reading("commit", what, _at(commit_ts), namespace=namespace)
