"""The events of some commits, by their numbers, in few requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from statehouse.extend import EventPage, Flow, Replay
from statehouse.protocol.replies import Event

_PASSED_OVER_MAX: Final = 8
"""To read so many events that nobody asked for takes less time than another request."""

_EVENTS_AT_ONCE: Final = 500


class NumberedEvents:
    """Pages of events, whole, in the order of their commits.

    Args:
        numbers: Which commits; each once.
        payloads: Whether with their values.
    """

    def __init__(self, numbers: Iterable[int], *, payloads: bool) -> None:
        self._numbers = sorted(numbers)
        self._payloads = payloads
        self._next = 0

    def next(self) -> Flow[Sequence[Event] | None]:
        """Gives the next events; None when there are no more."""
        numbers, first = self._numbers, self._next
        if first == len(numbers):
            return None
        last = first
        while (
            last + 1 < len(numbers)
            and numbers[last + 1] - numbers[last] <= _PASSED_OVER_MAX
            and numbers[last + 1] - numbers[first] < _EVENTS_AT_ONCE
        ):
            last += 1
        page: EventPage = yield Replay(
            None, None, numbers[first], numbers[last], limit=_EVENTS_AT_ONCE, payloads=self._payloads
        )
        wanted = set(numbers[first : last + 1])
        found = [event for event in page.events if event.commit_ts in wanted]
        while self._next <= last and numbers[self._next] <= page.through_commit_ts:
            self._next += 1
        return found
