"""The state as a run sees it: that of the store, or for a fork what it has written over that of its parent.

A fork is a run whose state lies in a namespace of its own; what it did not write shines through from the run
that it was forked from, as of the commit that it was forked at. That may be a fork, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from statehouse.debug.inspecting.entries import entries_of
from statehouse.debug.overlay.layers import name_in_fork
from statehouse.debug.overlay.pages import over
from statehouse.errors import NotFoundError
from statehouse.extend import Entry, Flow, KeyRange, Page, RecordKey, Scan
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord

_FORKS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class _Layer:
    """Where a fork keeps its state; None for the store itself. `until`: up to which commit it is seen."""

    run_id: str | None
    until: int | None

    def place(self, name: RecordKey) -> RecordKey:
        return name if self.run_id is None else name_in_fork(self.run_id, name)


class Place:
    """Where the state of a run is.

    Args:
        layers: From the run's own to the store's.
    """

    def __init__(self, layers: Sequence[_Layer]) -> None:
        self._layers = layers

    @property
    def is_fork(self) -> bool:
        """Whether it is a fork's."""
        return len(self._layers) > 1

    def entries(self, names: Iterable[RecordKey], at: int | None) -> Flow[dict[RecordKey, Entry]]:
        """Gives what keys held as of a commit_ts, under the names that the run has for them.

        Versions count on through the layers, as the run counted them.

        Raises (in the flow):
            CompactedError: `at` is below the horizon.
            InvalidArgumentError: It is in the future.
        """
        wanted = list(dict.fromkeys(names))
        found: dict[RecordKey, Entry] = {}
        for layer in reversed(self._layers):
            places = {layer.place(name): name for name in wanted}
            read = yield from entries_of(list(places), _earlier(at, layer.until))
            for entry in read:
                name = places[entry.key]
                found[name] = _over(name, found.get(name), entry)
        return found

    def keys_in(self, span: KeyRange, at: int | None, limit: int) -> Flow[tuple[dict[RecordKey, int], bool]]:
        """Gives which keys there are in a range, with the commits that wrote them, and whether that is all.

        Raises (in the flow):
            CompactedError: `at` is below the horizon.
        """
        found: dict[RecordKey, int] = {}
        whole = True
        for layer in reversed(self._layers):
            place = layer.place(RecordKey(span.namespace, span.agent_id, span.prefix or "-"))
            page: Page = yield Scan(
                place.namespace,
                place.agent_id,
                span.prefix,
                at=_earlier(at, layer.until),
                keys_only=True,
                limit=limit,
            )
            whole = whole and page.cursor is None
            for entry in page.entries:
                found[RecordKey(span.namespace, span.agent_id, entry.key.key)] = entry.commit_ts
        if self.is_fork:
            entries = yield from self.entries(found, at)
            found = {name: ts for name, ts in found.items() if entries[name].exists}
        return found, whole


def place_of(record: RunRecord) -> Flow[Place]:
    """Gives where the state of a run is.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    layers: list[_Layer] = []
    until: int | None = None
    run: RunRecord | None = record
    while run is not None and run.fork is not None and len(layers) < _FORKS_MAX:
        layers.append(_Layer(run.run_id, until))
        until = _earlier(until, run.fork.get("at"))
        try:
            run = yield from read_run(run.namespace, str(run.fork.get("run_id", "")))
        except NotFoundError:
            run = None
    return Place([*layers, _Layer(None, until)])


def _over(name: RecordKey, lower: Entry | None, upper: Entry) -> Entry:
    """An entry of a layer, over what lies below it."""
    if upper.kind is None:
        return Entry(name, None, 0, 0, None) if lower is None else lower
    return over(name, upper, 0 if lower is None else lower.version, 0)


def _earlier(left: int | None, right: int | None) -> int | None:
    given = [each for each in (left, right) if each is not None]
    return min(given) if given else None


def version_seen(entry: Entry | None) -> int:
    """The version that a step which read this has recorded: 0 where there was no value."""
    return entry.version if entry is not None and entry.exists else 0
