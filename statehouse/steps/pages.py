"""Scans of a step's state, which take down the versions of what they gave."""

from __future__ import annotations

from collections.abc import Sequence

from statehouse.client.overlay import OverlaidPages
from statehouse.client.records import Record
from statehouse.extend import Flow, RecordKey
from statehouse.steps.nesting import Footprint


class Noted:
    """The pages of a scan, noted in the footprint of a step."""

    def __init__(self, pages: OverlaidPages, footprint: Footprint) -> None:
        self._pages = pages
        self._footprint = footprint

    def next(self) -> Flow[Sequence[Record] | None]:
        """Gives the next records; None when there are no more."""
        records = yield from self._pages.next()
        for record in records or ():
            if record.version:
                name = RecordKey(record.namespace, record.agent_id, record.key)
                self._footprint.scanned[name] = record.version
        return records

    def keys(self) -> Flow[list[str]]:
        """Gives all the keys there are."""
        return (yield from self._pages.keys())
