"""A set of bytes of segments: for every rope epoch, ranges that do not touch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, KeysView
from operator import itemgetter

from statehouse.engine.layout import Piece, Span

Epoch = tuple[int, int]
"""Whose segments, and the rope epoch."""

_start, _stop = itemgetter(0), itemgetter(1)


class Spans:
    """Bytes of segments; what is added melts with what is there."""

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self._ranges: dict[Epoch, list[tuple[int, int]]] = {}
        self.add(pieces)

    @property
    def epochs(self) -> KeysView[Epoch]:
        """The rope epochs with bytes in the set."""
        return self._ranges.keys()

    def add(self, pieces: Iterable[Piece]) -> None:
        """Adds the spans among the pieces of a value."""
        for piece in pieces:
            if not isinstance(piece, Span) or piece.start >= piece.stop:
                continue
            record_id, epoch, start, stop = piece
            ranges = self._ranges.setdefault((record_id, epoch), [])
            low = bisect_left(ranges, start, key=_stop)
            high = bisect_right(ranges, stop, key=_start)
            if low < high:
                start, stop = min(start, ranges[low][0]), max(stop, ranges[high - 1][1])
            ranges[low:high] = [(start, stop)]

    def merge(self, others: Spans) -> None:
        """Adds another set."""
        for (record_id, epoch), ranges in others._ranges.items():
            self.add(Span(record_id, epoch, start, stop) for start, stop in ranges)

    def overlap(self, pieces: Iterable[Piece]) -> bool:
        """Whether any byte of a value is in the set."""
        for piece in pieces:
            if not isinstance(piece, Span):
                continue
            ranges = self._ranges.get((piece.record_id, piece.epoch), ())
            at = bisect_right(ranges, piece.start, key=_stop)
            if at < len(ranges) and ranges[at][0] < piece.stop:
                return True
        return False

    def of(self, epoch: Epoch) -> list[tuple[int, int]]:
        """The ranges of one rope epoch, in order."""
        return self._ranges.get(epoch, [])

    def without(self, epoch: Epoch, others: Spans) -> list[tuple[int, int]]:
        """The ranges of one rope epoch that are not in another set, in order."""
        left: list[tuple[int, int]] = []
        taken = others.of(epoch)
        for start, stop in self.of(epoch):
            for low, high in taken:
                if start < low < stop:
                    left.append((start, low))
                if low < stop and high > start:
                    start = min(high, stop)  # noqa: PLW2901 - what is left of the range
            if start < stop:
                left.append((start, stop))
        return left
