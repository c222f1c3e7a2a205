"""A store with a crowd in it: a million records of a thousand agents, and one agent whose events are spread
among theirs.

The order of events: each of the crowd's records is written once, in a commit of its own, by the agents in
turn; after every so many, the one agent writes a record of its own. Then some of the crowd's records, at
random, are written again, a hundred a commit: reading those as of the time before needs their history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.large import COMMIT_TIMEOUT_S
from benchmarks.values import Values
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey
from statehouse.protocol.requests import Commit, Write
from statehouse.protocol.values import encode

ONE_AGENT = "the-one"
ONE_AGENT_EVENTS = 1000
VALUE_BYTES = 200

_AGENTS_MAX = 1000
_AGAIN_PER_COMMIT = 100
_SEED = 20


@dataclass(frozen=True, slots=True)
class Crowd:
    """How large a crowd is.

    Attributes:
        records: How many records the crowd has; each is an event too.
        again: How many of them, at most, are written a second time.
        one_agent_events: How many events the one agent has.
    """

    kind: ClassVar[str] = "crowd"

    records: int
    again: int
    one_agent_events: int = ONE_AGENT_EVENTS

    @property
    def first_ts(self) -> int:
        """The commit_ts at which every record was written once, and none twice."""
        return self.records + self.one_agent_events

    def name(self, number: int) -> RecordKey:
        """The name of one of the crowd's records."""
        agents = min(_AGENTS_MAX, self.records // 10 or 1)
        return RecordKey(DEFAULT_NAMESPACE, f"agent-{number % agents:04d}", f"step-{number // agents:06d}")

    def written_again(self) -> list[int]:
        """The numbers of the records that are written twice."""
        return Values(_SEED + 1).random.sample(range(self.records), self.again)

    def commits(self) -> Iterator[Commit]:
        """Everything that happens in the store."""
        values = Values(_SEED)

        def write(name: RecordKey) -> Write:
            return Write(name, encode({"step": 1, "ok": True, "text": values.excerpt(VALUE_BYTES - 31)}))

        def commit(*writes: Write) -> Commit:
            return Commit(values.txn_id(), writes, timeout_s=COMMIT_TIMEOUT_S)

        crowd, events = self.records, self.one_agent_events
        done = 0
        for event in range(max(events, 1)):
            for number in range(done, until := crowd * (event + 1) // max(events, 1)):
                yield commit(write(self.name(number)))
            done = until
            if events:
                own = RecordKey(DEFAULT_NAMESPACE, ONE_AGENT, f"step-{event:06d}")
                yield commit(write(own))
        again = self.written_again()
        for start in range(0, len(again), _AGAIN_PER_COMMIT):
            numbers = again[start : start + _AGAIN_PER_COMMIT]
            yield commit(*[write(self.name(number)) for number in numbers])
