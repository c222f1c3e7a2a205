"""Opening a store: what it is, how far it reaches, and whether something is missing.

A store is opened in this order, and a crash between any two lines leaves a store that opens again:

1. A store without a format row is new: its first batch writes format, store id, first epoch and head.
2. A format newer than ours is refused; an older one would be migrated here.
3. The log's end is compared with the high-water mark (`marks`): a log that ends below it has lost
   commits that were acknowledged, and is refused unless the loss is accepted, which begins an epoch.
4. A store that was open without sync and was not closed may have lost its newest commits: that begins
   an epoch too, so that references to them cannot mean others.
"""

from __future__ import annotations

import logging
from typing import Final

from statehouse.engine import layout
from statehouse.engine.digests import event_digest
from statehouse.engine.entropy import Entropy
from statehouse.engine.layout import EMPTY_HEAD, FORMAT, NO_HORIZON, Head
from statehouse.engine.marks import Mark, newest_mark
from statehouse.engine.remains import check_empty, check_nothing_above
from statehouse.engine.state import State
from statehouse.errors import CorruptionError, FormatVersionError, NotFoundError
from statehouse.protocol.limits import Limits
from statehouse.protocol.replies import Epoch
from statehouse.storage import Row, Store, Table

_log = logging.getLogger("statehouse.engine")

_STORE_ID_BYTES: Final = 16


def recover(
    store: Store, limits: Limits, entropy: Entropy, *, accept_data_loss: bool
) -> tuple[State, Mark | None]:
    """Opens what is in a store, creating it if there is nothing.

    Returns:
        The state, and the newest mark that was found.

    Raises:
        NotFoundError: There is nothing, and the store is read-only.
        FormatVersionError: Written by a newer Statehouse.
        CorruptionError: Commits that were acknowledged are missing, or rows contradict each other.
    """
    mark = newest_mark(store.read_marks())
    written_format = store.get(Table.META, layout.META_FORMAT)
    if written_format is None:
        written_format = _created(store, mark, entropy, accept_data_loss=accept_data_loss)
    if written_format is not None:
        _check_format(written_format)
    state = _load(store, limits)
    if store.read_only:
        # Another process writes: what it has not marked may not be durable yet.
        if mark is not None and mark.state == "sync":
            state.visible = min(state.visible, mark.commit_ts)
        return state, mark
    _check_mark(state, mark, accept_data_loss=accept_data_loss)
    return state, mark


def _created(store: Store, mark: Mark | None, entropy: Entropy, *, accept_data_loss: bool) -> bytes | None:
    """Creates a store where there is none; a reader gets the format of one that was created meanwhile."""
    promised = mark is not None and mark.commit_ts > 0
    if store.read_only and promised:
        # Whoever writes may have created it after this view of it was opened, and before the mark was read.
        store.refresh()
        written_format = store.get(Table.META, layout.META_FORMAT)
        if written_format is not None:
            return written_format
    if mark is not None and promised and not accept_data_loss:
        raise _lost(mark, 0)
    if store.read_only:
        raise NotFoundError("there is no store in this directory yet")
    check_empty(store)
    _create(store, entropy(_STORE_ID_BYTES))
    return None


def _check_format(written: bytes) -> None:
    if not written.isdigit():
        raise layout.damaged(Table.META, f"the format is not a number: {written[:16]!r}")
    if int(written) > FORMAT:
        raise FormatVersionError(
            f"the store is of format {int(written)}; this Statehouse reads formats up to {FORMAT}: "
            "use a newer one",
            found=int(written),
            supported=FORMAT,
        )


def _create(store: Store, store_id: bytes) -> None:
    epochs = (Epoch(1, 1, "created"),)
    rows: list[Row] = [
        (Table.META, layout.META_STORE_ID, store_id),
        (Table.META, layout.META_EPOCHS, layout.pack_epochs(epochs)),
        (Table.META, layout.META_HEAD, layout.pack_head(EMPTY_HEAD)),
        (Table.META, layout.META_HORIZON, layout.pack_horizon(NO_HORIZON)),
        (Table.META, layout.META_FORMAT, str(FORMAT).encode()),
    ]
    store.write(rows)
    store.sync()


def _load(store: Store, limits: Limits) -> State:
    keys = [layout.META_STORE_ID, layout.META_EPOCHS, layout.META_HEAD, layout.META_HORIZON]
    found = store.get_many(Table.META, keys)
    if any(value is None for value in found):
        raise layout.damaged(Table.META, "rows that describe the store are missing")
    store_id, epochs, head_row, horizon = (value or b"" for value in found)
    head = layout.unpack_head(head_row)
    _check_head(store, head)
    return State(
        store,
        limits,
        store_id=store_id,
        epochs=layout.unpack_epochs(epochs),
        head=head,
        horizon=layout.unpack_horizon(horizon),
        visible=head.commit_ts,
    )


def _check_head(store: Store, head: Head) -> None:
    """The head row and the newest event are written in one batch, so each proves the other."""
    if not head.commit_ts:
        return
    event = store.get(Table.EVENTS, layout.pack_u64(head.commit_ts))
    if event is None or event_digest(event) != head.digest:
        raise layout.damaged(
            Table.EVENTS, f"the newest event, {head.commit_ts}, is not the one that was written"
        )


def _check_mark(state: State, mark: Mark | None, *, accept_data_loss: bool) -> None:
    head_ts = state.head.commit_ts
    if mark is None:
        if head_ts and not accept_data_loss:
            raise CorruptionError(
                "the high-water mark of the store is missing (file 'marks'), so nobody can say whether "
                f"commits after {head_ts} were lost; open with accept_data_loss=True (--accept-data-loss) "
                "to go on",
                commit_ts=head_ts,
            )
        reason = "mark missing" if head_ts else ""
    elif mark.store_id != state.store_id:
        if (head_ts or mark.commit_ts) and not accept_data_loss:
            raise CorruptionError(
                f"the high-water mark belongs to store {mark.store_id.hex()}, the data to "
                f"{state.store_id.hex()}: files of two stores are mixed; restore a backup, or open with "
                "accept_data_loss=True (--accept-data-loss)"
            )
        reason = "mark of another store" if head_ts or mark.commit_ts else ""
    else:
        reason = _check_own_mark(state, mark, accept_data_loss=accept_data_loss)
    if accept_data_loss and reason:
        check_nothing_above(state.store, head_ts)
    if reason:
        known = mark.epoch if mark is not None and mark.store_id == state.store_id else 0
        _begin_epoch(state, max(known, state.epoch) + 1, reason)


def _check_own_mark(state: State, mark: Mark, *, accept_data_loss: bool) -> str:
    """Why an epoch has to begin; empty when none has to."""
    head_ts = state.head.commit_ts
    if mark.epoch < state.epoch:
        # An epoch began, and the crash came before its mark: what the older mark promised was given up then.
        durable_ts = state.epochs[-1].first_commit_ts - 1
        mark = mark._replace(commit_ts=durable_ts, state="sync")
    if mark.epoch > state.epoch and not accept_data_loss:
        raise CorruptionError(
            f"the store was in epoch {mark.epoch}, but its log knows only {state.epoch}: files were lost or "
            "damaged; restore a backup, or open with accept_data_loss=True (--accept-data-loss), which "
            "begins a new epoch",
            missing=max(0, mark.commit_ts - head_ts),
            commit_ts=head_ts,
            expected_commit_ts=mark.commit_ts,
        )
    if head_ts < mark.commit_ts:
        if not accept_data_loss:
            raise _lost(mark, head_ts)
        return f"{mark.commit_ts - head_ts} commits lost"
    if mark.epoch > state.epoch:
        return f"epoch {mark.epoch} lost"
    return "not closed under durability none" if mark.state == "none" else ""


def _lost(mark: Mark, head_ts: int) -> CorruptionError:
    missing = mark.commit_ts - head_ts
    return CorruptionError(
        f"{missing} acknowledged commit{'s are' if missing > 1 else ' is'} missing: the log ends at "
        f"commit_ts {head_ts}, but {mark.commit_ts} was durable. Files were lost or damaged: restore a "
        "backup, or open with accept_data_loss=True (--accept-data-loss), which begins a new epoch",
        missing=missing,
        commit_ts=head_ts,
        expected_commit_ts=mark.commit_ts,
    )


def _begin_epoch(state: State, number: int, reason: str) -> None:
    # Never the number of an epoch that was lost: references to that one would mean this one.
    epoch = Epoch(number, state.head.commit_ts + 1, reason)
    _log.warning(
        "statehouse begins epoch %d at commit_ts %d: %s", epoch.number, epoch.first_commit_ts, reason
    )
    state.epochs = (*state.epochs, epoch)
    state.store.write([(Table.META, layout.META_EPOCHS, layout.pack_epochs(state.epochs))])
    state.store.sync()
