"""What the engine knows about its store while it is open.

Invariants:

* I1. `visible` moves only after the commits up to it are durable (as far as the store's durability goes),
  and never back. Readers look at nothing above it.
* I2. `head` is the end of the log as written; `head.commit_ts >= visible`. Only the writer changes it.
* I3. The caches hold facts that never change (names of record ids) or that only the writer uses (totals).
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from statehouse.engine import layout
from statehouse.engine.layout import Head, Horizon, Totals
from statehouse.engine.spans import Spans
from statehouse.errors import CompactedError, InvalidArgumentError, StoreChangedError
from statehouse.protocol.limits import Limits, check_integer
from statehouse.protocol.names import RecordKey, check_agent_id, check_key, check_namespace
from statehouse.protocol.replies import Epoch
from statehouse.protocol.requests import FindEvents, Replay
from statehouse.storage import Store, Table

_STORE_ID: Final = re.compile("[0-9a-f]{32}")
_PREFIXES_MAX: Final = 8192
_NAMES_MAX: Final = 65_536
_TOTALS_MAX: Final = 65_536
_RECENT_COMMITS_MAX: Final = 10_000
_RECENT_KEYS_MAX: Final = 200_000

RecentKey = tuple[bytes, bool]
"""A key that a commit wrote, and whether the commit changed that it exists."""


class Recent:
    """The keys of the newest commits, to test ranges against (G3); bounded in commits and in keys."""

    def __init__(self, floor_ts: int) -> None:
        self.floor_ts = floor_ts
        """Commits above this one are all here."""
        self._commits: deque[tuple[int, tuple[RecentKey, ...]]] = deque()
        self._keys = 0

    def add(self, commit_ts: int, keys: tuple[RecentKey, ...]) -> None:
        """Remembers a commit and forgets the oldest beyond the bounds."""
        self._commits.append((commit_ts, keys))
        self._keys += len(keys)
        while len(self._commits) > _RECENT_COMMITS_MAX or self._keys > _RECENT_KEYS_MAX:
            self.floor_ts, forgotten = self._commits.popleft()
            self._keys -= len(forgotten)

    def newest_in(self, after_ts: int, start: bytes, stop: bytes, *, membership: bool) -> int:
        """The newest commit above `after_ts` that touched ``start <= key < stop``; 0 when none did."""
        for commit_ts, keys in reversed(self._commits):
            if commit_ts <= after_ts:
                break
            for key, flipped in keys:
                if start <= key < stop and (flipped or not membership):
                    return commit_ts
        return 0


class State:
    """The facts of one open store."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        *,
        store_id: bytes,
        epochs: tuple[Epoch, ...],
        head: Head,
        horizon: Horizon,
        visible: int,
    ) -> None:
        self.store = store
        self.limits = limits
        self.store_id = store_id
        self.epochs = epochs
        self.head = head
        self.horizon = horizon
        self.visible = visible
        self.recent = Recent(head.commit_ts)
        self.totals: dict[bytes, Totals] = {}
        self.in_doubt: set[str] = set()
        self.in_flight: set[str] = set()
        self.erasing: Spans | None = None
        """Bytes that are being erased: no value may be made of a value that has some of them."""
        self._prefixes: dict[tuple[str, str], bytes] = {}
        self._names: dict[int, RecordKey] = {}

    @property
    def epoch(self) -> int:
        """The number of the present epoch."""
        return self.epochs[-1].number

    def agent_prefix(self, namespace: str, agent_id: str) -> bytes:
        """The checked and encoded prefix of an agent's keys; raises as `check_text` does."""
        try:
            return self._prefixes[namespace, agent_id]
        except (KeyError, TypeError):
            check_namespace(namespace, self.limits)
            check_agent_id(agent_id, self.limits)
        prefix = layout.agent_prefix(namespace, agent_id)
        if len(self._prefixes) >= _PREFIXES_MAX:
            self._prefixes = {}
        self._prefixes[namespace, agent_id] = prefix
        return prefix

    def name_key(self, name: RecordKey) -> bytes:
        """The checked and encoded key in `names`; raises as `check_text` does."""
        try:
            namespace, agent_id, key = name
        except (TypeError, ValueError):
            raise InvalidArgumentError(f"not the name of a record: {name!r:.80}") from None
        prefix = self.agent_prefix(namespace, agent_id)
        check_key(key, self.limits)
        return prefix + key.encode()

    def read_ts(self, at: int | None) -> int:
        """The commit_ts that a read asked ``at`` is answered as of.

        Raises:
            InvalidArgumentError: Not an integer, negative, or above the newest commit.
            CompactedError: Below the horizon (G6).
        """
        visible = self.visible
        if at is None:
            return visible
        check_commit_ts("at", at)
        if at > visible:
            raise InvalidArgumentError(
                f"commit_ts {at} is in the future; the newest commit of this store is {visible}"
            )
        self.check_horizon(at)
        return at

    def check_horizon(self, commit_ts: int) -> None:
        """Raises CompactedError when history does not reach back to a commit_ts."""
        if commit_ts < self.horizon.commit_ts:
            raise CompactedError(
                f"commit_ts {commit_ts} has been compacted; the oldest that can be read is "
                f"{self.horizon.commit_ts}",
                oldest=self.horizon.commit_ts,
            )

    def check_reference(
        self, store_id: bytes, epoch: int, commit_ts: int, *, what: str = "this", advice: str = "read again"
    ) -> None:
        """Checks that a reference names this store and history that was not replaced since.

        Args:
            store_id: The store it was made in.
            epoch: The epoch it was made in.
            commit_ts: The newest commit that it relies on.
            what: What it is, in the words of the error.
            advice: What to do instead, in the words of the error.

        Raises:
            StoreChangedError: Another store, a later epoch, or a commit_ts that a later epoch replaced.
        """
        if store_id != self.store_id:
            raise StoreChangedError(
                f"{what} belongs to store {store_id.hex()}, but the store here is {self.store_id.hex()}: "
                f"{advice}",
                expected=store_id.hex(),
                actual=self.store_id.hex(),
            )
        if epoch == self.epoch:
            return
        newer = next((known for known in self.epochs if known.number > epoch), None)
        if newer is None or commit_ts >= newer.first_commit_ts:
            raise StoreChangedError(
                f"{what} belongs to epoch {epoch} of store {store_id.hex()}, whose history was replaced; "
                f"the present epoch is {self.epoch}: {advice}",
                expected=epoch,
                actual=self.epoch,
            )

    def check_position(self, request: Replay | FindEvents) -> None:
        """Checks that what lies before the first commit of interest is what the caller has seen of it.

        Raises:
            InvalidArgumentError: A malformed store id or epoch.
            StoreChangedError: Another store, or something before it was replaced since.
        """
        check_store_id(request.store_id)
        check_integer("epoch", request.epoch, 0)
        if not (request.store_id or request.epoch):
            return
        # What was delivered ends before from_ts: at the first commit of an epoch the one before it goes on.
        self.check_reference(
            bytes.fromhex(request.store_id) or self.store_id,
            request.epoch or self.epoch,
            max(request.from_ts - 1, 0),
            what=f"what lies before from_ts {request.from_ts}",
            advice="what follows here is not what followed there; begin again from the start",
        )

    def names_of(self, record_ids: set[int]) -> dict[int, RecordKey]:
        """The names of records.

        Raises:
            CorruptionError: A record id without a name.
        """
        known = self._names
        missing = [record_id for record_id in record_ids if record_id not in known]
        if not missing:
            return known
        if len(known) + len(missing) > _NAMES_MAX:
            # Other readers keep the dictionary they hold; it is replaced, never emptied.
            known = self._names = {have: known[have] for have in record_ids if have in known}
        keys = [layout.pack_u64(record_id) for record_id in missing]
        for record_id, name in zip(missing, self.store.get_many(Table.RECORDS, keys), strict=True):
            if name is None:
                raise layout.damaged(Table.RECORDS, f"record id {record_id} has no name")
            known[record_id] = layout.parse_name_key(name)
        return known

    def totals_of(self, prefix: bytes) -> Totals:
        """The newest totals of an agent or namespace; only the writer asks."""
        cached = self.totals.get(prefix)
        if cached is None:
            cached = self.totals_at(prefix, self.head.commit_ts)[0]
        return cached

    def totals_at(self, prefix: bytes, commit_ts: int) -> tuple[Totals, int]:
        """The totals of an agent or namespace as of a commit, and the commit that made them."""
        start, stop = layout.totals_key(prefix, 0), layout.totals_key(prefix, commit_ts + 1)
        rows = self.store.scan(Table.AGENTS, start, stop, reverse=True, rows_max=1)
        if not rows:
            return Totals(0, 0, 0), 0
        key, value = rows[0]
        return layout.unpack_totals(value), layout.parse_totals_key(key)[2]

    def remember_totals(self, changed: dict[bytes, Totals]) -> None:
        """Keeps the totals that a written group made; only the writer calls it."""
        if len(self.totals) + len(changed) > _TOTALS_MAX:
            self.totals = {}
        self.totals.update(changed)


def check_store_id(store_id: object) -> None:
    """Raises InvalidArgumentError unless this is 32 hexadecimal digits, or empty."""
    if not isinstance(store_id, str) or (store_id and not _STORE_ID.fullmatch(store_id)):
        raise InvalidArgumentError(f"store_id must be 32 hexadecimal digits: {store_id!r:.80}")


def check_commit_ts(what: str, commit_ts: object) -> None:
    """Raises InvalidArgumentError unless this is an integer from 0 to 2**53 - 1."""
    check_integer(what, commit_ts, 0)
